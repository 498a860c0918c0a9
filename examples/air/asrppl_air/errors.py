"""What can go wrong in a run through no fault of the program: shown as a message, not as a traceback."""

from asrppl import AsrError
from asrppl_air.checkpoint import CheckpointError
from asrppl_air.data.digits import DigitsMissingError
from asrppl_air.data.idx import IdxError
from asrppl_air.locate import NotFiniteError
from asrppl_air.options import OptionError
from asrppl_air.run import FolderInUseError

RUN_ERRORS = (
    AsrError,
    CheckpointError,
    DigitsMissingError,
    FolderInUseError,
    IdxError,
    NotFiniteError,
    OptionError,
    OSError,
)

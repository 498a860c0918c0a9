"""What can go wrong in a run through no fault of the program: shown as a message, not as a traceback."""

from asrppl.air.blame import NotFiniteError
from asrppl.air.checkpoint import CheckpointError
from asrppl.air.data.digits import DigitsMissingError
from asrppl.air.data.idx import IdxError
from asrppl.air.options import OptionError
from asrppl.air.run import FolderInUseError
from asrppl.diagnostics import AsrError

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

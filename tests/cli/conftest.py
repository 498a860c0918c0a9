"""What the tests of the command line share."""

from pathlib import Path

import pytest

from asrppl.cli.repl.session import Session
from asrppl.cli.repl.shell import Repl


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Say lines to one session; return what they print."""
    repl = Repl(Session(tmp_path))

    def say(*lines: str) -> str:
        capsys.readouterr()
        for line in lines:
            repl.run(line)
        return capsys.readouterr().out

    return say

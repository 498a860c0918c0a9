"""Little room on the disk; `python -m tests.limits` tries more, and little memory."""

import sys
from pathlib import Path

import pytest

from asrppl.cli import check, main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space and /dev/full are Linux's")


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path) -> None:
    from tests.limits import full_disk

    assert full_disk(tmp_path, (100, 10_000)) == 2


def test_output_to_a_full_disk_ends_in_a_message(tmp_path: Path) -> None:
    from tests.limits import full_output

    full_output(tmp_path)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")])
def test_too_little_memory_is_no_bug(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(file: str, params: object, *, alone: bool) -> None:
        raise error

    monkeypatch.setattr(check, "check_path", lacking)
    assert main.main(["check", "any.asr"]) == 1
    assert capsys.readouterr().err == f"asrppl: there is too little memory for this ({type(error).__name__})\n"

"""Columns are counted in what client and server agreed on, and lines end as the protocol has it."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from lsprotocol.types import Position

from asrppl.cli.main import main
from asrppl.lsp.positions import Places

TEXT = "# größe 🙂 x\r\n\ty\rz\n🙂\u2028a"


@pytest.mark.parametrize(
    ("encoding", "columns"), [("utf-8", (15, 0, 7)), ("utf-16", (11, 0, 3)), ("utf-32", (10, 0, 2))]
)
def test_a_column_counts_units(encoding: str, columns: tuple[int, int, int]) -> None:
    places = Places(TEXT, encoding)
    wanted = [Position(line, column) for line, column in zip((0, 2, 3), columns, strict=True)]
    assert [places.position(TEXT.index(letter)) for letter in "xza"] == wanted
    assert [places.offset(position) for position in wanted] == [TEXT.index(letter) for letter in "xza"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_every_offset_comes_back(encoding: str) -> None:
    places = Places(TEXT, encoding)
    for offset in range(len(TEXT) + 1):
        if TEXT[offset - 1 : offset + 1] != "\r\n":  # which nobody can point into
            assert places.offset(places.position(offset)) == offset


def test_positions_outside_are_the_nearest_inside() -> None:
    places = Places(TEXT, "utf-16")
    assert places.offset(Position(0, 99)) == TEXT.index("\r")
    assert places.offset(Position(99, 0)) == len(TEXT)
    assert places.offset(Position(3, 1)) == TEXT.rindex("🙂")  # in the middle of a character


def test_the_server_needs_no_torch() -> None:
    code = "import sys, asrppl.lsp.server; print(*(m for m in ('torch', 'pyro', 'numpy') if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_without_its_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("asrppl.cli.lsp.find_spec", lambda name: None if name == "pygls" else find_spec(name))
    assert main(["lsp"]) == 1
    assert capsys.readouterr().err == "asrppl lsp: it needs the package pygls: pip install 'asrppl[lsp]'\n"

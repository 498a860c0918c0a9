"""Golden messages beside each bad program, and what holds of all of them."""

import re
from pathlib import Path

import pytest

from asrppl.check import type_program
from asrppl.codes import CODES
from asrppl.diagnostics import AsrError
from tests.check.programs import SIGNATURE, check_named
from tests.conformance import read, said_of_bound, said_of_file
from tests.golden import check_golden

HERE = Path(__file__).parent
ERRORS = sorted((HERE / "errors").glob("*.asr"))
BOUND_ERRORS = sorted((HERE / "bound_errors").glob("*.asr"))


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_messages_of_a_file_by_itself(path: Path, update_golden: bool) -> None:
    check_golden(path.with_suffix(".err"), said_of_file(path), update=update_golden)


@pytest.mark.parametrize("path", BOUND_ERRORS, ids=lambda path: path.stem)
def test_messages_of_a_bound_file(path: Path, update_golden: bool) -> None:
    check_golden(path.with_suffix(".err"), said_of_bound(path), update=update_golden)


def test_every_code_has_a_line_and_every_line_a_case() -> None:
    golden = "".join(path.with_suffix(".err").read_text(encoding="utf-8") for path in (*ERRORS, *BOUND_ERRORS))
    assert set(re.findall(r"\[(ASR\d{3})\]", golden)) == {
        code for code, known in CODES.items() if known.stage == "check"
    }


def test_a_file_with_errors_cannot_be_typed() -> None:
    source, params = read(HERE / "errors" / "sorts.asr")
    found = check_named(source, None, params)
    with pytest.raises(AsrError) as raised:
        type_program(found, SIGNATURE)
    assert raised.value.diagnostics == found.diagnostics

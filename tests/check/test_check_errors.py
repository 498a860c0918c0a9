"""Golden messages beside each bad program, and what holds of all of them."""

import ast
import re
from pathlib import Path

import pytest

from asrppl.check import type_program
from asrppl.codes import CODES
from asrppl.core.pathwise import verify_pathwise
from asrppl.diagnostics import AsrError, Diagnostic, render
from asrppl.source import Source
from tests.check.programs import SIGNATURE, check_named
from tests.golden import check_golden

HERE = Path(__file__).parent
ERRORS = sorted((HERE / "errors").glob("*.asr"))
BOUND_ERRORS = sorted((HERE / "bound_errors").glob("*.asr"))


def source_of(path: Path) -> tuple[Source, dict[str, object]]:
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    params = ast.literal_eval(first.removeprefix("# params: ")) if first.startswith("# params: ") else {}
    return Source(path.name, text), params


def rendered(diagnostics: tuple[Diagnostic, ...]) -> str:
    return "\n\n".join(map(render, diagnostics)) + "\n"


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_messages_of_a_file_by_itself(path: Path, update_golden: bool) -> None:
    source, params = source_of(path)
    found = check_named(source, path.parent, params)
    check_golden(path.with_suffix(".err"), rendered(found.diagnostics), update=update_golden)


@pytest.mark.parametrize("path", BOUND_ERRORS, ids=lambda path: path.stem)
def test_messages_of_a_bound_file(path: Path, update_golden: bool) -> None:
    source, params = source_of(path)
    found = check_named(source, path.parent, params)
    assert not found.failed
    try:
        program, diagnostics = type_program(found, SIGNATURE)
        verify_pathwise(program, SIGNATURE)
    except AsrError as error:
        diagnostics = error.diagnostics
    check_golden(path.with_suffix(".err"), rendered(diagnostics), update=update_golden)


def test_every_code_has_a_line_and_every_line_a_case() -> None:
    golden = "".join(path.with_suffix(".err").read_text(encoding="utf-8") for path in (*ERRORS, *BOUND_ERRORS))
    assert set(re.findall(r"\[(ASR\d{3})\]", golden)) == {
        code for code, known in CODES.items() if known.stage == "check"
    }


def test_a_file_with_errors_cannot_be_typed() -> None:
    source, params = source_of(HERE / "errors" / "sorts.asr")
    found = check_named(source, None, params)
    with pytest.raises(AsrError) as raised:
        type_program(found, SIGNATURE)
    assert raised.value.diagnostics == found.diagnostics

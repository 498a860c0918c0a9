"""What asrppl says of every program of the corpus, in plain Python: the same wherever Python runs, browsers among them.

    python -m tests.conformance

A program of `tests/corpus` may begin with ``# params: {..}``, values for its params. Each of its lines
``# with x = 1; y = [2, 3]`` gives values for its names, at which the reference interpreter says what its rules cost.
What is said of it lies beside it.
"""

import ast
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from asrppl.check import Checked, check_file, type_program
from asrppl.cli.explained import Explanation, Style
from asrppl.codes import Severity
from asrppl.core.pathwise import verify_pathwise
from asrppl.diagnostics import AsrError, Diagnostic, in_order, render
from asrppl.literals import ASSIGNMENT, parse_value
from asrppl.reference import Reference
from asrppl.source import Source
from asrppl.syntax import parse_file
from asrppl.worlds import Why, why
from tests.check.programs import SIGNATURE, check_named

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
PARAMS, WITH = "# params: ", "# with "
PARTS = ("decided", "discrete", "graded")
MEANING: list[dict[str, Any]] = json.loads((HERE / "meaning.json").read_text(encoding="utf-8"))


def programs(kind: str) -> list[Path]:
    """Return the programs of a kind, ``good`` or ``bad``."""
    return sorted((CORPUS / kind).rglob("*.asr"))


def read(path: Path) -> tuple[Source, dict[str, Any]]:
    """Return a program, and what it gives for its params."""
    text = path.read_bytes().decode()
    first = text.partition("\n")[0]
    return Source(path.name, text), ast.literal_eval(first.removeprefix(PARAMS)) if first.startswith(PARAMS) else {}


def rendered(found: tuple[Diagnostic, ...]) -> str:
    return "\n\n".join(map(render, found)) + "\n"


# ---- the corpus


def said(path: Path) -> str:
    """Return what there is to say of a program: findings, what its rules mean, what they cost at its values."""
    source, params = read(path)
    found, checked = findings(source, params)
    blocks = [render(finding) for finding in found]
    if not is_bad(found):
        blocks += explained(checked)
        given = [line.removeprefix(WITH) for line in source.text.splitlines() if line.startswith(WITH)]
        blocks += [f"with {values}\n{evaluated(source, values, params)}" for values in given]
    return "\n\n".join(blocks) + "\n"


def findings(source: Source, params: dict[str, Any]) -> tuple[tuple[Diagnostic, ...], Checked]:
    """Return all findings of a text by itself, and what the checker made of it."""
    parsed = parse_file(source)
    checked = check_file(parsed.file, params, library=None)
    return in_order((*parsed.diagnostics, *checked.diagnostics)), checked


def is_bad(found: tuple[Diagnostic, ...]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in found)


def explained(checked: Checked) -> Iterator[str]:
    """Yield what each rule means, and what holds of all of them."""
    explanation = Explanation(checked, Style())
    for rule in checked.rules:
        yield "\n".join(explanation.rule(rule))
    if notes := list(explanation.notes()):
        yield "\n".join(notes)


def evaluated(source: Source, text: str, params: dict[str, Any]) -> str:
    """Return what the rules cost at given values, or why these do not fit."""
    try:
        return "\n".join(map(outcome, why(source, values_in(text), params, shown=0)))
    except AsrError as error:
        return str(error)


def values_in(text: str) -> dict[str, object]:
    """Return the values of ``x = 1; y = [2, 3]`` by name."""
    found = [ASSIGNMENT.fullmatch(assignment) for assignment in text.split(";")]
    assert None not in found, text
    return {match[1]: parse_value(match[2]) for match in found if match is not None}


def outcome(found: Why) -> str:
    """Return what a rule comes to, in a line."""
    datum = "".join(f" of datum {', '.join(map(str, found.datum))}" if found.datum else "")
    parts = [f"{part:.6g} {name}" for name, part in zip(PARTS, found.parts, strict=True) if part]
    costs = "holds" if found.holds else f"costs {' + '.join(parts)}"
    return f"  {found.rule}{datum}: {found.problem or (costs if found.applies else 'asks nothing')}"


# ---- bad programs with several errors each, by stage


def said_of_syntax(path: Path) -> str:
    """Return the syntax errors of a file."""
    return rendered(parse_file(read(path)[0]).diagnostics)


def said_of_file(path: Path) -> str:
    """Return what is wrong with a file by itself, which its folder's other files may be imported into."""
    source, params = read(path)
    return rendered(check_named(source, path.parent, params).diagnostics)


def said_of_bound(path: Path) -> str:
    """Return what is wrong with a file once its names are bound."""
    source, params = read(path)
    found = check_named(source, path.parent, params)
    assert not found.failed
    try:
        program, diagnostics = type_program(found, SIGNATURE)
        verify_pathwise(program, SIGNATURE)
    except AsrError as error:
        diagnostics = error.diagnostics
    return rendered(diagnostics)


STAGES = {"syntax/errors": said_of_syntax, "check/errors": said_of_file, "check/bound_errors": said_of_bound}


def cases() -> Iterator[tuple[str, Path, Callable[[], str]]]:
    """Yield each program, where what is said of it is kept, and what says it now."""
    for path in (*programs("good"), *programs("bad")):
        yield str(path.relative_to(HERE)), path.with_suffix(".out"), partial(said, path)
    for folder, says in STAGES.items():
        for path in sorted((HERE / folder).glob("*.asr")):
            yield str(path.relative_to(HERE)), path.with_suffix(".err"), partial(says, path)


# ---- worked values


def of_datum(nested: Any, at: int) -> Any:
    if isinstance(nested, dict):
        return {name: of_datum(part, at) for name, part in nested.items()}  # pyright: ignore
    return nested[at]


def costs_as_worked_out(case: Mapping[str, Any]) -> bool:
    """Whether the interpreter has what a case of `meaning.json` says, of each of its data."""
    for at in range(case.get("batch", 1)):
        values = {name: of_datum(nested, at) for name, nested in case["values"].items()}
        cost = sum(found.cost for found in Reference(case["text"], values).violations())
        want = case["want"][at] if isinstance(case["want"], list) else case["want"]
        if not (0 < cost < float("inf") if want == ">0" else cost == want):
            return False
    return True


def main() -> int:
    """Compare all that is said with what is kept; return how many differ."""
    started, count, wrong = time.perf_counter(), len(MEANING), 0
    for name, kept, says in cases():
        count += 1
        now = says()
        if now != kept.read_text(encoding="utf-8"):
            wrong += 1
            print(f"{name} differs; now:\n{now}")
    for case in MEANING:
        if not costs_as_worked_out(case):
            wrong += 1
            print(f"meaning.json differs: {case['text']}")
    seconds, python = time.perf_counter() - started, sys.version.split()[0]
    print(f"{count} cases, {wrong} differ, {seconds:.1f} s, Python {python} on {sys.platform}")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main()))

"""Helpers of the checker's tests: programs from text, and a signature with something of every sort."""

from collections.abc import Mapping
from pathlib import Path

from asrppl.check import Checked, check_file, type_program
from asrppl.check.params import ParamValue
from asrppl.core.laws import Law
from asrppl.core.show import show_program
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.diagnostics import Diagnostic
from asrppl.files import Folder
from asrppl.source import Source
from asrppl.syntax import parse_file

DATUM = frozenset({Level.DATUM})
DRAWN = frozenset({Level.DATUM, Level.DRAW})
NOTHING: frozenset[Level] = frozenset()

SIGNATURE = Signature.of(
    {
        "real": Entry(axes=(5,), density=True, reparameterised=True),
        "six": Entry(axes=(6,)),
        "matrix": Entry(axes=(2, 3)),
        "none": Entry(axes=(0,)),
        "many": Entry(axes=(20_000,)),
        "huge": Entry(axes=(200_000,)),
        "normal": Entry(density=True, origin="guide site 'normal'"),
        "gauss": Entry(law=Law("Normal"), distribution_levels=DATUM, density=True, reparameterised=True),
        "squashed": Entry(law=Law("Normal", ("sigmoid",)), axes=(2,), distribution_levels=DATUM),
        "waiting": Entry(law=Law("Gamma"), distribution_levels=DRAWN),
        "point": Entry(law=Law("Delta"), distribution_levels=DATUM),
        "observed": Entry(law=Law("Delta"), levels=DATUM, distribution_levels=DATUM, given=True),
        "squares": Entry(
            law=Law("Normal"), axes=(2,), fields=("x", "y", "w", "h"), squares=True, distribution_levels=DATUM
        ),
        "datum": Entry(levels=DATUM),
        "group": Entry(kind=Kind.INT, levels=DATUM),
        "learnt": Entry(levels=NOTHING),
        "flag": Entry(kind=Kind.BOOL),
        "n": Entry(kind=Kind.INT, support=(0, 1, 2, 3), distribution_levels=DATUM),
        "u": Entry(kind=Kind.INT, support=(0, 1)),
        "state": Entry(axes=(10,), kind=Kind.INT),
        "hot": Entry(axes=(5,), kind=Kind.BOOL),
        "seen": Entry(axes=(4,), kind=Kind.INT, support=(0, 1), masked=True),
        "box": Entry(axes=(3,), fields=BOX_FIELDS, squares=True, masked=True),
        "rect": Entry(axes=(3,), fields=BOX_FIELDS),
        "phi": Entry(axes=(4, 9), levels=NOTHING),
        "f": Entry(function=True, levels=NOTHING),
        "check": Entry(function=True, kind=Kind.BOOL, levels=NOTHING),
    }
)


def checked(text: str, *, folder: Path | None = None, **params: ParamValue) -> Checked:
    """Check a text that has no syntax errors."""
    return check_named(Source("rules.asr", text), folder, params)


def check_named(source: Source, folder: Path | None, params: Mapping[str, ParamValue]) -> Checked:
    parsed = parse_file(source)
    assert not parsed.diagnostics, [diagnostic.message for diagnostic in parsed.diagnostics]
    return check_file(parsed.file, params, library=None if folder is None else Folder(source.name, folder))


def codes(found: Checked | tuple[Diagnostic, ...]) -> list[str]:
    diagnostics = found.diagnostics if isinstance(found, Checked) else found
    return [diagnostic.code for diagnostic in diagnostics]


def typed(text: str, signature: Signature = SIGNATURE, **params: ParamValue) -> str:
    """Return the typed formulas of a text's rules, a line each, without their names."""
    program, _ = type_program(checked(text, **params), signature)
    return "\n".join(line.split("]: ", 1)[1] for line in show_program(program).splitlines())

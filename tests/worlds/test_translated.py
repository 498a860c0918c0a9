"""Rules as formulas of z3 say what the interpreter says, at any numbers: on generated rules, with guards and counts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import z3

from asrppl.diagnostics import AsrError
from asrppl.program import parse
from asrppl.reference import Given, Reference
from asrppl.reference.values import given
from asrppl.source import Source
from asrppl.worlds.symbolic import Refusing, Untranslatable
from asrppl.worlds.translated import Translated
from asrppl.worlds.unknown import Unknown
from tests.programs import Writer, values, with_statements

pytestmark = [pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")]


class Replaced:
    """The values of a datum with unknowns in the place of its numbers, and what they stand for."""

    def __init__(self, datum: Mapping[str, object], kinds: Mapping[str, Any]) -> None:
        self.numbers: list[tuple[Any, Any]] = []
        self.values = {name: self._given(given(name, value, kinds.get(name))) for name, value in datum.items()}

    def _given(self, value: Given) -> Given:
        fields = {name: self._unknown(nested) for name, nested in value.fields.items()}
        return replace(value, value=self._unknown(value.value), fields=fields)

    def _unknown(self, nested: object) -> object:
        if isinstance(nested, list):
            return [self._unknown(inner) for inner in nested]
        if not isinstance(nested, bool | int | float):
            return nested
        variable = z3.Real(f"v{len(self.numbers)}")
        self.numbers.append((variable, z3.RealVal(nested if isinstance(nested, float) else int(nested))))
        return Unknown(Refusing(), variable)


def compare(text: str, datum: Mapping[str, object]) -> bool | None:
    """Whether both say the same; None where the rule is not translated."""
    reference = Reference(text, datum)
    (outcome,) = reference.violations()
    replaced = Replaced(datum, reference.declared)
    translated = Translated(Source("<rules>", text), replaced.values, {}, None)
    try:
        formula = translated.holds(translated.rules[0])
    except Untranslatable:
        return None
    known = z3.simplify(z3.substitute(formula, *replaced.numbers))
    assert z3.is_true(known) or z3.is_false(known)
    return z3.is_true(known) == outcome.holds


@pytest.mark.parametrize("block", range(4))
def test_translations_hold_where_the_rules_do(block: int) -> None:
    came: list[bool | None] = []
    for seed in range(40 * block, 40 * (block + 1)):
        text = with_statements(f"rule r: {Writer(seed, plain=True).formula(1 + seed % 3, ())}")
        try:
            parse(text)
        except AsrError:
            continue
        tensors, data = values(seed % 97, 3)
        del tensors
        for datum in data:
            same = compare(text, datum)
            assert same in (True, None), (text, datum)
            came.append(same)
    assert came.count(True) > 40
    assert came.count(None) < 0.3 * len(came), came.count(None)


@pytest.mark.parametrize(
    "formula",
    [
        "max(x[0], x[1]) <= 2 and relu(r) >= 0.5",
        "clamp(r, 0, 1) == 1",
        "(if r >= 1 then x[0] else x[1]) <= x[2]",
        "(sum i where x[i] >= 1: x[i]) <= 2",
        "(mean i where x[i] >= 1: x[i]) <= 2",
        "(min i where x[i] >= 1: x[i]) >= 1.5",
        "exists i where x[i] >= 100: x[i] >= 0",
        "(count i where x[i] >= 1: y[i] <= 1) >= 2",
        "(count i where x[i] >= 1: y[i] <= 1) <= 1",
        "floor(n / 2) == mod(n, 2)",
        "r ^ 2 <= 4",
    ],
)
def test_each_kind_of_term_is_translated(formula: str) -> None:
    for seed in range(12):
        _, data = values(seed, 3)
        assert all(compare(f"given n: int\n{formula}", datum) for datum in data), formula


def test_roots_bring_their_own_equation() -> None:
    replaced = Replaced({"r": 9.0}, {})
    translated = Translated(Source("<rules>", "sqrt(r) == 3"), replaced.values, {}, None)
    formula = translated.holds(translated.rules[0])
    solver = z3.Solver()
    solver.add(*(z3.substitute(part, *replaced.numbers) for part in translated.side), z3.Not(formula))
    assert solver.check() == z3.unsat


@pytest.mark.parametrize(
    ("formula", "x", "y"),
    [
        # A real `<` of a guard is read as `<=` where the guard is priced, and only where nobody passes it.
        ("exists i where x[i] > 1: y[i] <= 0", [1.0, 2.0, 0.0], [0.0, 1.0, 1.0]),
        ("exists i where x[i] > 1: y[i] <= 0", [1.0, 0.5, 0.0], [0.0, 1.0, 1.0]),
        ("(count i where x[i] > 1: y[i] <= 0) >= 2", [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]),
        ("(count i where x[i] > 1: y[i] <= 0) >= 2", [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ],
)
def test_guards_are_priced_where_too_few_pass(formula: str, x: list[float], y: list[float]) -> None:
    assert compare(formula, {"x": x, "y": y})

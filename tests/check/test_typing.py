"""Typing against a signature: normal form, domains, guards, masks, kinds, levels."""

import pytest

from asrppl.check import type_program
from asrppl.check.context import Context
from asrppl.check.expand import formulas
from asrppl.check.expand.values import Env
from asrppl.core.show import show_formula
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.core.typed import AtMost, Every, Formula, Reduction, TypedFormula, TypedTerm
from asrppl.core.walk import walk
from asrppl.syntax import ast
from tests.check.programs import SIGNATURE, checked, codes, typed


def shown(expected: dict[str, str]) -> list:
    return [pytest.param(text, result, id=text) for text, result in expected.items()]


@pytest.mark.parametrize(
    ("text", "result"),
    shown(
        {
            "not (normal <= 1)": "1 < normal",
            "not (normal < 1)": "1 <= normal",
            "not (flag and normal <= 1)": "(⟨flag <= 0⟩ or 1 < normal)",
            "not (flag or n == 1)": "(⟨flag <= 0⟩ and ⟨n != 1⟩)",
            "not not flag": "⟨1 <= flag⟩",
            "flag implies normal <= 1": "(⟨flag <= 0⟩ or normal <= 1)",
            "not (flag implies normal <= 1)": "(⟨1 <= flag⟩ and 1 < normal)",
            "flag iff n == 1": "((⟨flag <= 0⟩ or ⟨n == 1⟩) and (⟨1 <= flag⟩ or ⟨n != 1⟩))",
            "not (flag iff n == 1)": "((⟨flag <= 0⟩ or ⟨n != 1⟩) and (⟨1 <= flag⟩ or ⟨n == 1⟩))",
            "not forall i: real[i] <= 1": "(exists i in 0..4: 1 < real[i])",
            "not exists i: real[i] <= 1": "(forall i in 0..4: 1 < real[i])",
            "not forall i where hot[i]: real[i] <= 1": "(exists i in 0..4 where ⟨1 <= hot[i]⟩: 1 < real[i])",
            "not (1 <= normal <= 2)": "(normal < 1 or 2 < normal)",
            "not (normal in [1, 2])": "(normal < 1 or 2 < normal)",
            "flag and (hot[0] and (hot[1] and true))": "(⟨1 <= flag⟩ and ⟨1 <= hot[0]⟩ and ⟨1 <= hot[1]⟩)",
            "flag or false": "(⟨1 <= flag⟩ or false)",
        }
    ),
)
def test_negation_is_pushed_to_the_atoms(text: str, result: str) -> None:
    assert typed(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    shown(
        {
            "n < 2": "⟨n <= 1⟩",
            "2 < n": "⟨3 <= n⟩",
            "n < u": "⟨(n + 1) <= u⟩",
            "n < 2.5": "⟨n <= 2⟩",
            "n > 2.5": "⟨3 <= n⟩",
            "n <= 2.5": "⟨n <= 2.5⟩",
            "n < 3.0": "⟨n <= 2⟩",
            "n / 2 < 1": "⟨(n / 2) < 1⟩",
            "n < normal": "n < normal",
            "flag + u <= 1": "⟨(flag + u) <= 1⟩",
            "n != 2.5 or flag": "true",
            "n in {1, 3}": "(⟨n == 1⟩ or ⟨n == 3⟩)",
            "n not in {1, 3}": "(⟨n != 1⟩ and ⟨n != 3⟩)",
            "n in 1..3": "(⟨1 <= n⟩ and ⟨n <= 3⟩)",
            "n not in 1..3": "(⟨n <= 0⟩ or ⟨4 <= n⟩)",
            "normal in {0, 1}": "(normal == 0 or normal == 1)",
            "entropy(q(n)) <= 1": "entropy(q(n)) <= 1",
            "(if normal > 0 then 1 else 2) <= n": "(if 0 < normal then 1 else 2) <= n",
            "(if flag then 1 else 2) <= n": "⟨(if ⟨1 <= flag⟩ then 1 else 2) <= n⟩",
            "check(normal)": "⟨1 <= check(normal)⟩",
            "f(normal) >= 0": "0 <= f(normal)",
        }
    ),
)
def test_atoms_of_whole_numbers_are_discrete_and_never_strict(text: str, result: str) -> None:
    assert typed(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    shown(
        {
            "(count t: state[t] != state[t + 1]) <= 3": "(count t in 0..8: ⟨state[t] != state[t + 1]⟩) <= 3",
            "(count t: state[t] != state[t + 1]) < 3": "(count t in 0..8: ⟨state[t] != state[t + 1]⟩) <= 2",
            "(count i: hot[i]) >= n": "(count i in 0..4: ⟨1 <= hot[i]⟩) >= n",
            "n < (count i: hot[i])": "(count i in 0..4: ⟨1 <= hot[i]⟩) >= (n + 1)",
            "not ((count i: hot[i]) >= 2)": "(count i in 0..4: ⟨1 <= hot[i]⟩) <= 1",
            "(count i: hot[i]) <= 2.5": "(count i in 0..4: ⟨1 <= hot[i]⟩) <= 2",
            "(count i: real[i] <= 0) == 2": (
                "((count i in 0..4: real[i] <= 0) >= 2 and (count i in 0..4: real[i] <= 0) <= 2)"
            ),
            "(count i: real[i] <= 0) != 2": (
                "((count i in 0..4: real[i] <= 0) >= 3 or (count i in 0..4: real[i] <= 0) <= 1)"
            ),
            "(count i where hot[i]: real[i] <= 0) >= 2": ("(count i in 0..4 where ⟨1 <= hot[i]⟩: real[i] <= 0) >= 2"),
            "(count i != j: real[i] <= real[j]) <= 2": (
                "(count i in 0..4, j in 0..4 where ⟪i != j⟫: real[i] <= real[j]) <= 2"
            ),
            "(count i: hot[i]) <= normal": "(count i in 0..4: ⟨1 <= hot[i]⟩) <= normal",
            "(count i: hot[i]) + 1 <= n": "⟨((count i in 0..4: ⟨1 <= hot[i]⟩) + 1) <= n⟩",
            "(count i: none[i] <= 0) >= n": "(count i in {}: none[i] <= 0) >= n",
        }
    ),
)
def test_counts_compare_by_the_violations_they_count(text: str, result: str) -> None:
    assert typed(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    shown(
        {
            "forall i: real[i] <= real[i + 1]": "(forall i in 0..3: real[i] <= real[i + 1])",
            "forall i: real[i - 1] <= real[i + 1]": "(forall i in 1..3: real[i - 1] <= real[i + 1])",
            "forall i: real[i + 1] <= 1": "(forall i in -1..3: real[i + 1] <= 1)",
            "forall i in {0, 3}: real[i] <= 1": "(forall i in {0, 3}: real[i] <= 1)",
            "forall i in 0..len(real) - 2: real[i] <= 1": "(forall i in 0..3: real[i] <= 1)",
            "forall i: (sum j: matrix[i, j]) == 1": "(forall i in 0..1: (sum j in 0..2: matrix[i, j]) == 1)",
            # guards do not shape a domain, but a value that leaves an axis in its own guard is absent
            "forall i where hot[i + 1]: real[i] <= 1": "(forall i in 0..3 where ⟨1 <= hot[i + 1]⟩: real[i] <= 1)",
            "forall i in 0..4 where hot[i + 1]: real[i] <= 1": (
                "(forall i in 0..3 where ⟨1 <= hot[i + 1]⟩: real[i] <= 1)"
            ),
            "forall i where hot[i]: normal <= i": "(forall i in 0..4 where ⟨1 <= hot[i]⟩: normal <= i)",
            # in the guard of another binder it makes that guard false
            "forall i: (sum j where hot[i + 1]: real[i] * six[j]) <= 1": (
                "(forall i in 0..4: (sum j in 0..5 where ⟨1 <= hot[i + 1] if ⟪i <= 3⟫⟩: (real[i] * six[j])) <= 1)"
            ),
            # ranges whose ends vary are guards
            "forall i in 0..n: real[i] <= 1": "(forall i in 0..4 where ⟨i <= n⟩: real[i] <= 1)",
            "forall t where hot[t]: exists u in t..t + 2: hot[u]": (
                "(forall t in 0..4 where ⟨1 <= hot[t]⟩: (exists u in 0..4 where "
                "(⟪t <= u⟫ and ⟪u <= (t + 2)⟫): ⟨1 <= hot[u]⟩))"
            ),
            "forall k, l where k < l: tv(categorical(phi[k]), categorical(phi[l])) >= 0.3": (
                "(forall k in 0..3, l in 0..3 where ⟪(k + 1) <= l⟫: 0.3 <= "
                "tv(categorical(phi[k]) || categorical(phi[l])))"
            ),
            "real[len(real) - 1] <= 1": "real[4] <= 1",
            "forall i: none[i] <= 1": "true",
            "exists i: none[i] <= 1": "false",
            "(sum i: none[i]) <= normal": "0 <= normal",
        }
    ),
)
def test_an_index_runs_over_what_keeps_it_inside(text: str, result: str) -> None:
    assert typed(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    shown(
        {
            "forall i: box[i].x <= 1": "(forall i in 0..2 present ⟪1 <= box[i].mask⟫: box[i].x <= 1)",
            "exists i: box[i].x <= 1": "(exists i in 0..2 present ⟪1 <= box[i].mask⟫: box[i].x <= 1)",
            "not forall i: box[i].x <= 1": "(exists i in 0..2 present ⟪1 <= box[i].mask⟫: 1 < box[i].x)",
            "(sum i: box[i].size) <= 1": "(sum i in 0..2 where ⟪1 <= box[i].mask⟫: box[i].w) <= 1",
            "(count i: box[i].x > 1) <= 1": ("(count i in 0..2 present ⟪1 <= box[i].mask⟫: 1 < box[i].x) <= 1"),
            "forall i where i + 1 < n: box[i].x <= box[i + 1].x": (
                "(forall i in 0..1 present (⟪1 <= box[i].mask⟫ and ⟪1 <= box[i + "
                "1].mask⟫) where ⟨((i + 1) + 1) <= n⟩: box[i].x <= box[i + 1].x)"
            ),
            # each entry guards the innermost of its indices' binders
            "forall i: exists j: box[i].x <= box[j].x": (
                "(forall i in 0..2 present ⟪1 <= box[i].mask⟫: (exists j in 0..2 "
                "present ⟪1 <= box[j].mask⟫: box[i].x <= box[j].x))"
            ),
            "forall i != j: box[i].x <= box[j].x": (
                "(forall i in 0..2, j in 0..2 present (⟪1 <= box[i].mask⟫ and ⟪1 <= "
                "box[j].mask⟫) where ⟪i != j⟫: box[i].x <= box[j].x)"
            ),
            "forall i: entropy(q(seen[i])) <= 1": (
                "(forall i in 0..3 present ⟪1 <= seen[i].mask⟫: entropy(q(seen[i])) <= 1)"
            ),
            "box[0].x <= 1": "box[0].x <= 1 if ⟪1 <= box[0].mask⟫",
        }
    ),
)
def test_absent_entries_are_guarded_away(text: str, result: str) -> None:
    assert typed(text) == result


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("forall i: exists j: forall k: matrix[i, j] <= real[k]", 1),
        ("forall i: (sum j where hot[j]: real[j]) + box[i].x <= 1", 1),
        # Whether a whole number that is computed is an index depends on the values of `i`: the inner body is expanded
        # to see what `k` indexes, once more below the known `i`, and with `k` known.
        ("forall i: exists k: six[2 * i] <= real[i] + real[k]", 2),
        ("forall i: exists k: six[2 * k] <= real[i] + real[k]", 3),
    ],
)
def test_a_body_is_expanded_again_only_where_it_depends_on_the_values_of_indices(
    text: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, expanded = checked(text), []
    whole = formulas.chain

    def chain(ctx: Context, node: ast.Chain, env: Env, positive: bool) -> Formula:
        expanded.append(node.span.text)
        return whole(ctx, node, env, positive)

    monkeypatch.setattr(formulas, "chain", chain)
    type_program(found, SIGNATURE)
    assert max(map(expanded.count, expanded)) == times


def test_index_variables_in_scope_together_differ_in_slot() -> None:
    text = "def all_below(limit) = forall i: six[i] <= limit\nforall i: all_below(real[i])"
    program, _ = type_program(checked(text), SIGNATURE)
    outer = program.rules[0].formula
    assert isinstance(outer, Every)
    assert isinstance(outer.body, Every)
    assert [variable.slot for variable in (*outer.variables, *outer.body.variables)] == [0, 1]
    assert show_formula(outer) == "(forall i in 0..4: (forall i in 0..5: six[i] <= real[i]))"


def test_a_variable_has_the_same_values_wherever_it_stands() -> None:
    program, _ = type_program(checked("forall i: (sum j: matrix[i, j]) <= matrix[i, 0]"), SIGNATURE)
    values: dict[int, set[tuple[int, ...]]] = {}
    for node in walk(program.rules[0].formula):
        if isinstance(node, Every | Reduction):
            for variable in node.variables:
                values.setdefault(variable.slot, set()).add(variable.values)
        for index in getattr(node, "indices", ()):
            if index.variable is not None:
                values.setdefault(index.variable.slot, set()).add(index.variable.values)
    assert values == {0: {(0, 1)}, 1: {(0, 1, 2)}}


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("normal <= 1", "xz"),
        ("datum <= 1", "x"),
        ("learnt <= 1", ""),
        ("entropy(q(n)) <= 1", "x"),
        ("n <= 1 and entropy(q(n)) <= 1", "xz"),
        ("E[normal] <= 1", "x"),
        ("P[n == 2] <= 0.5", "x"),
        ("aggregate(E[normal]) <= 1", ""),
        ("kl(uniform({1}) || aggregate(q(n))) <= 1", ""),
        ("aggregate(datum where group == 1) <= 1", ""),
        ("aggregate(P[flag]) <= E[normal]", "x"),
        ("f(datum) <= learnt", "x"),
        ("(if flag then learnt else datum) <= 1", "xz"),
        ("forall i: box[i].x <= learnt", "xz"),
    ],
)
def test_levels_are_what_a_rule_varies_with(text: str, levels: str) -> None:
    program, _ = type_program(checked(text), SIGNATURE)
    assert "".join(sorted(level.value for level in program.rules[0].levels)) == levels


def test_an_expectation_of_what_reads_no_draw_is_left_out() -> None:
    assert typed("E[datum] <= 1") == "datum <= 1"
    assert typed("E[normal] <= 1") == "E[normal] <= 1"
    assert typed("kl(uniform({1}) || E[q(n)]) <= 1") == "kl(uniform({1}) || q(n)) <= 1"
    assert typed("kl(uniform({1}) || E[q(u)]) <= 1") == "kl(uniform({1}) || E[q(u)]) <= 1"
    assert typed("kl(uniform({1}) || aggregate(E[q(u)])) <= 1") == "kl(uniform({1}) || aggregate(q(u))) <= 1"


def test_definitions_are_expanded_and_constants_folded() -> None:
    text = "param S = 50\nlet half = S / 2\ndef near(a, b) = abs(a - b) <= half\nnear(normal, 2 * S)"
    assert typed(text) == "abs((normal - 100)) <= 25"
    assert typed(text, S=10) == "abs((normal - 20)) <= 5"


def test_indexed_lets_are_arrays_and_can_be_handed_on() -> None:
    text = "let twice[i] = 2 * real[i]\ndef rises(a) = forall t: a[t] <= a[t + 1]\n"
    assert typed(text + "rises(twice)") == "(forall t in 0..3: (2 * real[t]) <= (2 * real[t + 1]))"
    assert typed(text + "rises(real)") == "(forall t in 0..3: real[t] <= real[t + 1])"
    assert typed(text + "forall i: twice[i + 1] <= twice[i]").startswith("(forall i in 0..3")


def test_a_def_may_take_a_formula_in_either_polarity_and_a_function() -> None:
    text = "def unless(a: formula, b: formula) = not b implies a\nunless(normal <= 1, flag)"
    assert typed(text) == "(⟨1 <= flag⟩ or normal <= 1)"
    assert typed("def through(g, a) = g(a) <= 1\nthrough(f, normal)") == "f(normal) <= 1"
    assert typed("def through(g, a) = g(a) <= 1\nthrough(exp, normal)") == "exp(normal) <= 1"


def test_records_are_taken_apart_into_scalars() -> None:
    text = "param S = 10\nsite w[i]: (scale, x, y)\nlet b[i] = square(x: S * w[i].x, y: S * w[i].y, size: w[i].scale)\n"
    signature = Signature.of({"w": Entry(axes=(2,), fields=("scale", "x", "y"))})
    assert typed(text + "forall i: b[i].size <= b[i].x", signature) == (
        "(forall i in 0..1: w[i].scale <= (10 * w[i].x))"
    )
    squares = Signature.of({"s": Entry(axes=(2,), fields=("x", "y", "size"))})
    assert "s[i].size" in typed("site s[i]: (x, y, size)\nforall i != j: nonoverlap(s[i], s[j])", squares)


def test_a_program_of_one_line_is_named_after_its_line() -> None:
    program, _ = type_program(checked("\n\nforall i != j: nonoverlap(box[i], box[j])"), SIGNATURE)
    assert [rule.name for rule in program.rules] == ["line 3"]


def test_the_bounds_of_a_strict_comparison_are_marked_for_the_margin() -> None:
    program, _ = type_program(checked("rule a margin 0.5: normal < 1"), SIGNATURE)
    rule = program.rules[0]
    assert isinstance(rule.formula, AtMost)
    assert rule.formula.strict
    assert rule.margin == 0.5


def test_what_the_binding_brings_out_is_returned_and_not_repeated() -> None:
    program = checked("rule a: normal == 1\nrule b: abs(datum) >= 0")
    assert codes(program) == ["ASR057"]
    _, warnings = type_program(program, SIGNATURE)
    assert codes(warnings) == ["ASR050"]
    assert codes(type_program(checked("(sum i: real[i]) == 1"), SIGNATURE)[1]) == []


def test_every_node_knows_its_place() -> None:
    program, _ = type_program(checked("forall i: box[i].x <= 1 and flag"), SIGNATURE)
    for node in walk(program.rules[0].formula):
        if isinstance(node, TypedTerm | TypedFormula):
            assert node.span.text


def test_a_typed_program_is_hashable_and_equal_to_itself_typed_again() -> None:
    found = checked("forall i != j: nonoverlap(box[i], box[j])")
    one, _ = type_program(found, SIGNATURE)
    other, _ = type_program(found, SIGNATURE)
    assert one == other
    assert hash(one) == hash(other)


def test_boxes_of_two_sides_work_wherever_squares_do() -> None:
    rect = Signature.of({"b": Entry(axes=(2,), fields=BOX_FIELDS, kind=Kind.REAL, levels=frozenset({Level.DRAW}))})
    text = typed("forall i: inside(b[i], frame(0, 0, 10, 20))", rect)
    assert text == (
        "(forall i in 0..1: (0 <= (b[i].x - (b[i].w / 2)) and (b[i].x + (b[i].w / 2)) <= 10 and "
        "0 <= (b[i].y - (b[i].h / 2)) and (b[i].y + (b[i].h / 2)) <= 20))"
    )


@pytest.mark.parametrize("operator", ["and", "or", "+", "-", "*"])
def test_a_long_chain_makes_no_deep_tree(operator: str) -> None:
    operand = "flag" if operator in ("and", "or") else "six[0]"
    tail = "" if operator in ("and", "or") else " <= 1"
    text = f" {operator} ".join([operand] * 1_200) + tail
    assert typed(text).count(operand) == 1_200


def test_a_long_difference_is_what_it_says() -> None:
    text = "1" + "".join(f" {'+--+-'[k % 5]} {k}" for k in range(2, 60))
    assert typed(f"u <= {text}") == f"⟨u <= {eval(text)}⟩"

"""What two ways to say the same have to cost alike, magnitude included: compiled, and as the interpreter has it."""

import random
import re
from collections.abc import Callable, Iterator, Mapping

import pytest
import torch

from tests.evaluators import EVALUATORS, Evaluate
from tests.programs import LENGTH, Writer, values, with_statements

pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

BATCH = 3
SEEDS = range(40)
Values = dict[str, object]
ABSENT = re.compile(r"box|\b[uc]\[|\[[^\]]*[-+*n(]|a\[[^\]]*\]\]|g\[[^\]]*\]\]")
"""What may read an entry that is absent, or outside its axis."""
OPTIONS = ("", "", " smooth 2", " margin 0.25", " power 2")


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Rules that read no real are computed in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=EVALUATORS)
def evaluate(request: pytest.FixtureRequest) -> Evaluate:
    return EVALUATORS[request.param]


def rule(options: str, formula: str) -> str:
    return with_statements(f"rule r{options}: {formula}")


def pieces(seed: int) -> tuple[Writer, str, str, str]:
    """Return a writer, options, and formulas over no index variable and over ``i``."""
    writer = Writer(seed)
    options = random.Random(seed).choice(OPTIONS)
    return writer, options, writer.formula(2, ()), writer.formula(2, ("i",))


def one(nested: object) -> object:
    """Return a mask of all the entries."""
    return [one(item) for item in nested] if isinstance(nested, list) else True


def assert_alike(evaluate: Evaluate, cases: Iterator[tuple[str, str]], at_least: int = 20) -> None:
    """Assert that each two texts cost the same, and that enough of them are taken by the checker."""
    compared = 0
    for seed, (left, right) in enumerate(cases):
        tensors, data = values(seed, BATCH)
        costs = evaluate(left, tensors, data), evaluate(right, tensors, data)
        if costs[0] is None and costs[1] is None:
            continue
        # What is refused in one way only has to be refused for a matter of form.
        if costs[0] is not None and costs[1] is not None:
            compared += 1
            assert costs[0] == pytest.approx(costs[1], rel=1e-9, abs=1e-9), f"{left}\n{right}"
    assert compared >= at_least


def both(make: Callable[[Writer, str, str, str], tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield two texts for each seed."""
    for seed in SEEDS:
        writer, options, closed, indexed = pieces(seed)
        left, right = make(writer, options, closed, indexed)
        yield rule(options, left), rule(options, right)


QUANTIFIERS = ("forall", "exists")
LOGIC: dict[str, Callable[[Writer, str, str, str], tuple[str, str]]] = {
    "not not": lambda w, o, f, g: (f, f"not (not {f})"),
    "de morgan, and": lambda w, o, f, g: (f"not ({f} and {(h := w.formula(2, ()))})", f"not {f} or not {h}"),
    "de morgan, or": lambda w, o, f, g: (f"not ({f} or {(h := w.formula(2, ()))})", f"not {f} and not {h}"),
    "implies": lambda w, o, f, g: (f"{f} implies {(h := w.formula(2, ()))}", f"not {f} or {h}"),
    "iff": lambda w, o, f, g: (f"{f} iff {(h := w.atom(1, ()))}", f"(not {f} or {h}) and (not {h} or {f})"),
    "not forall": lambda w, o, f, g: (
        f"not (forall i in 0..2 where {(h := w.guard(('i',)))}: {g})",
        f"exists i in 0..2 where {h}: not {g}",
    ),
    "not exists": lambda w, o, f, g: (
        f"not (exists i in 0..2 where {(h := w.guard(('i',)))}: {g})",
        f"forall i in 0..2 where {h}: not {g}",
    ),
    "not a count": lambda w, o, f, g: (f"not ((count i in 0..2: ({g})) >= 2)", f"(count i in 0..2: ({g})) <= 1"),
    "a count that is one of the two": lambda w, o, f, g: (
        f"(count i in 0..2: ({g})) == n",
        f"(count i in 0..2: ({g})) >= n and (count i in 0..2: ({g})) <= n",
    ),
    "exists is a count": lambda w, o, f, g: (
        f"(count i in 0..2 where {(h := w.guard(('i',)))}: ({g})) >= 1",
        f"exists i in 0..2 where {h}: {g}",
    ),
    "i != j is a guard": lambda w, o, f, g: (
        f"{(q := w.random.choice(QUANTIFIERS))} i != j in 0..2: {(h := w.formula(1, ('i', 'j')))}",
        f"{q} i, j in 0..2 where i != j: {h}",
    ),
    "where true": lambda w, o, f, g: (
        f"{(q := w.random.choice(QUANTIFIERS))} i in 0..2: {g}",
        f"{q} i in 0..2 where true: {g}",
    ),
    "where true, of another guard": lambda w, o, f, g: (
        f"{(q := w.random.choice(QUANTIFIERS))} i in 0..2 where {(h := w.guard(('i',)))}: {g}",
        f"{q} i in 0..2 where {h} and on: {g}",
    ),
    "a guard in two": lambda w, o, f, g: (
        f"forall i in 0..2 where {(h := w.guard(('i',)))} and {(k := w.atom(0, ('i',)))}: {g}",
        f"forall i in 0..2 where {h}: forall j in 0..0 where {k}: {g}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGIC)
def test_what_is_the_same_costs_the_same(evaluate: Evaluate, name: str) -> None:
    assert_alike(evaluate, both(LOGIC[name]), at_least=8)


def test_a_domain_is_a_guard(evaluate: Evaluate) -> None:
    def make(writer: Writer, options: str, closed: str, indexed: str) -> tuple[str, str]:
        # `i + 1` keeps an index inside its axis by itself, and a constant range does not.
        formula = re.sub(r"i [+-] 1", "i", indexed)
        # (Where nothing is there of 0 and 1, `exists` prices the guard at 2 as well.)
        quantifier = "forall" if ABSENT.search(formula) else writer.random.choice(QUANTIFIERS)
        return f"{quantifier} i in 0..1: {formula}", f"{quantifier} i in 0..2 where i < 2: {formula}"

    assert_alike(evaluate, both(make))


def test_a_conjunction_is_two_rules(evaluate: Evaluate) -> None:
    def cases() -> Iterator[tuple[str, str]]:
        for seed in SEEDS:
            writer, options, first, _ = pieces(seed)
            second = writer.formula(2, ())
            split = with_statements(f"rule r{options}: {first}\nrule s{options}: {second}")
            yield rule(options, f"{first} and {second}"), split

    assert_alike(evaluate, cases())


def test_a_rule_guard_is_that_of_a_forall(evaluate: Evaluate) -> None:
    def cases() -> Iterator[tuple[str, str]]:
        for seed in SEEDS:
            writer, options, formula, _ = pieces(seed)
            guard = writer.atom(1, ())
            yield rule(f"{options} where {guard}", formula), rule(options, f"forall z in 0..0 where {guard}: {formula}")

    assert_alike(evaluate, cases())


def test_names_mean_nothing(evaluate: Evaluate) -> None:
    def cases() -> Iterator[tuple[str, str]]:
        for seed in SEEDS:
            _, options, formula, _ = pieces(seed)
            text = rule(options, formula)
            yield text, re.sub(r"\b([ijkl])\b(?!\[)", r"\1_renamed", text)

    assert_alike(evaluate, cases())


def test_definitions_fold_in_and_out(evaluate: Evaluate) -> None:
    def cases() -> Iterator[tuple[str, str]]:
        for seed in SEEDS:
            writer, options, formula, indexed = pieces(seed)
            quantifier = writer.random.choice(QUANTIFIERS)
            written = f"{formula} or ({quantifier} i in 0..2: {indexed})"
            folded = f"let whole = {formula}\ndef one(i) = {indexed}\nlet many[i] = one(i)\n"
            folded += (
                f"rule r{options}: whole or ({quantifier} i in 0..2: {writer.random.choice(['one(i)', 'many[i]'])})"
            )
            yield rule(options, written), with_statements(folded)

    assert_alike(evaluate, cases(), at_least=8)


def test_an_exists_without_a_guard_is_an_or_and_a_forall_an_and(evaluate: Evaluate) -> None:
    def cases() -> Iterator[tuple[str, str]]:
        for seed in range(4 * len(SEEDS)):
            writer, options, _, indexed = pieces(seed)
            # What is absent, or outside, a quantifier skips and a comparison leaves undefined.
            if ABSENT.search(indexed):
                continue
            quantifier, joint = writer.random.choice([("forall", " and "), ("exists", " or ")])
            unrolled = joint.join(re.sub(r"\bi\b", str(at), indexed) for at in range(LENGTH))
            yield rule(options, f"{quantifier} i in 0..2: {indexed}"), rule(options, unrolled)

    assert_alike(evaluate, cases(), at_least=8)


def test_a_mask_of_all_is_none(evaluate: Evaluate) -> None:
    compared = 0
    for seed in SEEDS:
        _, options, formula, _ = pieces(seed)
        text = rule(options, re.sub(r"\bu\[", "x[", formula))
        tensors, data = values(seed, BATCH)
        masked = {**tensors, "x": {"value": tensors["x"], "mask": torch.ones(BATCH, LENGTH, dtype=torch.bool)}}
        masked_data: list[Values] = [{**datum, "x": {"value": datum["x"], "mask": one(datum["x"])}} for datum in data]
        plain, found = evaluate(text, tensors, data), evaluate(text, masked, masked_data)
        assert (plain is None) == (found is None)
        if plain is not None:
            compared += 1
            assert plain == pytest.approx(found), text
    assert compared >= 20


def test_a_constant_may_be_given(evaluate: Evaluate) -> None:
    compared = 0
    for seed in SEEDS:
        _, options, formula, _ = pieces(seed)
        text = rule(options, re.sub(r"\b(0\.3|w|r)\b", "half", formula))
        tensors, data = values(seed, BATCH)
        given = text.replace("param half = 0.5", "given half")
        bound: Mapping[str, object] = {**tensors, "half": torch.tensor(0.5)}
        costs = evaluate(text, tensors, data), evaluate(given, bound, [{**datum, "half": 0.5} for datum in data])
        if costs[0] is not None and costs[1] is not None:
            compared += 1
            assert costs[0] == pytest.approx(costs[1]), text
    assert compared >= 20


def test_the_order_of_an_axis_means_nothing(evaluate: Evaluate) -> None:
    compared = 0
    for seed in range(6 * len(SEEDS)):
        writer, options, _, indexed = pieces(seed)
        # No index but a variable, and no variable but as an index.
        inside = re.findall(r"\[([^\]]*)\]", indexed)
        outside = re.sub(r"\[[^\]]*\]|(?:forall|exists|sum|mean|max|min|prod|count) \w(?: !=|,)? ?\w?\b", "", indexed)
        if (
            re.search(r" in [\dnL{]", indexed)
            or re.search(r"\b[ijkl]\b|argmax|\bt\b|rows", outside)
            or not all(re.fullmatch(r"[ij](, [ij])?", i) for i in inside)
        ):
            continue
        text = rule(options, f"{writer.random.choice(QUANTIFIERS)} i in 0..2: {indexed}")
        tensors, data = values(seed, BATCH)
        turned = {name: _turned(value) for name, value in tensors.items()}
        costs = evaluate(text, tensors, data), evaluate(text, turned, [_turned_plain(datum) for datum in data])
        if costs[0] is not None and costs[1] is not None:
            compared += 1
            assert costs[0] == pytest.approx(costs[1]), text
    assert compared >= 8


def _turned(value: object) -> object:
    if isinstance(value, dict):
        return {name: _turned(part) for name, part in value.items()}
    if isinstance(value, torch.distributions.Categorical):
        return torch.distributions.Categorical(value.probs.flip(-2))
    assert isinstance(value, torch.Tensor)
    return value.flip(tuple(range(1, value.ndim)))


def _turned_plain(datum: Mapping[str, object]) -> Values:
    def turned(nested: object) -> object:
        return [turned(item) for item in reversed(nested)] if isinstance(nested, list) else nested

    found: Values = {}
    for name, value in datum.items():
        if not isinstance(value, dict):
            found[name] = turned(value)
        elif "probs" in value:
            found[name] = {"probs": list(reversed(value["probs"]))}
        else:
            found[name] = {part: turned(nested) for part, nested in value.items()}
    return found


def test_a_batch_may_be_cut_in_two() -> None:
    evaluate = EVALUATORS["compiler"]
    for seed in SEEDS:
        text = Writer(seed).file()
        tensors, data = values(seed, 2)
        whole = evaluate(text, tensors, data)
        if whole is not None:
            halves = [evaluate(text, {n: _part(v, at) for n, v in tensors.items()}, data[at : at + 1]) for at in (0, 1)]
            assert whole == pytest.approx([cost for half in halves for cost in half or []]), text


def _part(value: object, at: int) -> object:
    if isinstance(value, dict):
        return {name: _part(part, at) for name, part in value.items()}
    if isinstance(value, torch.distributions.Categorical):
        return torch.distributions.Categorical(value.probs[at : at + 1])
    assert isinstance(value, torch.Tensor)
    return value[at : at + 1]

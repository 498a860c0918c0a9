"""Means over draws of finite sites as sums, against enumeration of all joint states, on generated integrands.

    python -m tests.finite --programs 10000 --seed 0

prints each disagreement, and how many agreed. Values and gradients, in the probabilities and in what else is read.
"""

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.bind.values import bind_values
from asrppl.core.exact import summed
from asrppl.core.rebuild import free_variables
from asrppl.core.signature import Entry, Kind, Level, Signature
from asrppl.core.typed import AtMost, Every, Expectation, Formula, Probability, Term
from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.lower.quantities import Quantities, Quantity
from asrppl.program import parse
from tests.programs import LENGTH, Writer, values, with_statements

BATCH = 2
TOLERANCE = 1e-10
POLE = 1e4
"""Integrands that come so near to a pole are passed over: what cancels there is rounding."""
SITES = {"a": (LENGTH, (0, 1, 2)), "b": (LENGTH, (0, 1)), "n": (0, (0, 1, 3))}
"""By name how many entries (0 for a scalar), and the values."""


@dataclass(frozen=True)
class Verdict:
    """What came of one program."""

    came: Literal["agrees", "refused", "no draw", "given", "stays", "pole", "differs"]
    text: str
    why: str = ""


class Drawing(Writer):
    """Writes of what is drawn more than of the rest."""

    def atom(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a comparison, a membership or a Boolean."""
        if self.random.random() < 0.5:
            return super().atom(depth, scope)
        index = self.index(scope)
        operator = self.random.choice(["<=", "<", ">=", ">", "==", "!="])
        other = self.random.choice([self.whole(0, scope), self.drawn(scope)])
        return self.random.choice([f"b[{index}]", f"({self.drawn(scope)} {operator} {other})"])

    def real(self, depth: int, scope: tuple[str, ...]) -> str:
        """Return a term."""
        return self.drawn(scope) if self.random.random() < 0.3 else super().real(depth, scope)

    def drawn(self, scope: tuple[str, ...]) -> str:
        """Return an entry of a site."""
        return self.random.choice([f"a[{self.index(scope)}]", f"a[{self.index(scope)}]", "n"])


def written(seed: int) -> str:
    """Return a rule about one mean, that of a formula or of a term, for each index or not."""
    writer, choices = Drawing(seed), random.Random(seed)
    scope = ("i",) if choices.random() < 0.3 else ()
    depth = choices.choice([1, 2, 2, 3])
    if choices.random() < 0.6:
        mean = f"P[{writer.formula(depth, scope)}]"
    else:
        mean = f"E[{choices.choice([writer.real, writer.whole])(depth, scope)}]"
    return with_statements(f"rule r: {'forall i in 0..2: ' if scope else ''}{mean} <= 0.5")


def compare(seed: int) -> Verdict:
    """Return whether one mean is what the enumeration of all states gives."""
    text = written(seed)
    choices = random.Random(seed + 1)
    drawn = [name for name in SITES if choices.random() < 0.7]
    tensors, _ = values(seed % 97, BATCH, coarse=False)
    try:
        program = parse(text)
        found = bind_values(program.free, {name: tensors[name] for name in program.free})
        drawn = [name for name in drawn if name in program.free]
        signature = _signature(found.signature, drawn)
        (rule,) = program.typed(signature).rules
    except AsrError:
        return Verdict("refused", text)
    mean = _mean(rule.formula)
    if not isinstance(mean, Expectation | Probability) or not drawn:
        return Verdict("no draw", text)
    if isinstance(mean, Expectation) and mean.where is not None:
        return Verdict("given", text)  # a mean over some of the draws is no sum but a ratio, which is tracked
    known = summed(rule, signature, frozenset(drawn), lambda key: frozenset({key[0]} & set(drawn)))
    term = _mean(known.formula)
    if isinstance(term, Expectation | Probability):
        return Verdict("stays", text)
    try:
        why = _differs(mean, term, found.tensors, signature, drawn, seed)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    if why == "pole":
        return Verdict("pole", text)
    return Verdict("differs" if why else "agrees", text, why)


def _signature(known: Signature, drawn: list[str]) -> Signature:
    entries: dict[str, Entry] = {}
    for name, entry in known.entries:
        levels = frozenset[Level]() if entry.function else frozenset({Level.DATUM})
        entries[name] = replace(entry, levels=levels)
        if name in drawn:
            kind = Kind.BOOL if name == "b" else Kind.INT
            entries[name] = replace(entry, kind=kind, levels=frozenset({Level.DRAW}), support=SITES[name][1])
    return Signature.of(entries)


def _mean(formula: Formula) -> Term:
    while isinstance(formula, Every):
        formula = formula.body
    assert isinstance(formula, AtMost)
    return formula.left


def _differs(
    mean: Expectation | Probability,
    term: Term,
    given: dict[InputKey, Tensor],
    signature: Signature,
    drawn: list[str],
    seed: int,
) -> str:
    generator = torch.Generator().manual_seed(seed)
    probs: dict[str, Tensor] = {}
    for name in drawn:
        count, support = SITES[name]
        shape = (BATCH, *((count,) if count else ()), len(support))
        probs[name] = (torch.rand(shape, generator=generator, dtype=torch.float64) + 0.05).requires_grad_()
    laws = {name: part / part.sum(-1, keepdim=True) for name, part in probs.items()}
    reals = {
        key: part.clone().requires_grad_()
        for key, part in given.items()
        if part.is_floating_point() and key[0] not in (*drawn, "k") and key[1] != "mask"
    }
    leaves = [*probs.values(), *reals.values()]
    variables = free_variables(mean)
    read = {**given, **reals, **{(name, "log_probs"): law.log() for name, law in laws.items()}}
    (sums,) = Quantities([Quantity(term, variables)], signature, BATCH)(read, {})
    states, weight = _states(laws, drawn)
    (each,) = Quantities([Quantity(mean.body, variables)], signature, BATCH)({**read, **states}, {})
    batch = each.dim() - len(variables)
    if batch < 2:
        each = each.reshape((*(1,) * (2 - batch), *each.shape))
    if not float(each.detach().abs().max()) < POLE:
        return "pole"
    exact = (weight.reshape((*weight.shape, *(1,) * len(variables))) * each).sum(0)
    wanted = (
        torch.autograd.grad(exact.sum(), leaves, retain_graph=True, allow_unused=True) if exact.requires_grad else []
    )
    slopes = (
        torch.autograd.grad(sums.expand(exact.shape).sum(), leaves, allow_unused=True) if sums.requires_grad else []
    )
    pairs = [(sums.expand(exact.shape), exact)]
    for place, leaf in enumerate(leaves):
        one, other = (
            found[place] if found and found[place] is not None else torch.zeros_like(leaf) for found in (slopes, wanted)
        )
        pairs.append((one, other))
    for place, (one, other) in enumerate(pairs):
        if not torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
            what = "value" if not place else f"gradient {[*probs, *reals][place - 1]}"
            return f"{what}: {one.tolist()}, enumerated {other.tolist()}"
    return ""


def _states(laws: dict[str, Tensor], drawn: list[str]) -> tuple[dict[InputKey, Tensor], Tensor]:
    """Return the values of all joint states, and their probabilities ``(states, batch)``."""
    entries = [(name, at) for name in drawn for at in range(max(1, SITES[name][0]))]
    joint = list(product(*(range(len(SITES[name][1])) for name, _ in entries)))
    weight = torch.ones((len(joint), BATCH), dtype=torch.float64)
    columns: dict[str, list[Tensor]] = {}
    for place, (name, at) in enumerate(entries):
        chosen = torch.tensor([state[place] for state in joint])
        law = laws[name][:, at] if SITES[name][0] else laws[name]
        weight = weight * law[:, chosen].T
        columns.setdefault(name, []).append(torch.tensor(SITES[name][1], dtype=torch.float64)[chosen])
    states: dict[InputKey, Tensor] = {}
    for name, found in columns.items():
        states[name, None] = torch.stack(found, -1).unsqueeze(1) if SITES[name][0] else found[0].unsqueeze(1)
    return states, weight


def main() -> None:
    """Compare many programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=10_000, help="that are compared; others are drawn anew")
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    options = parser.parse_args()
    warnings.simplefilter("ignore", AsrWarning)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    counts: Counter[str] = Counter()
    started, seed = time.perf_counter(), options.seed
    while counts["agrees"] + counts["differs"] < options.programs:
        verdict = compare(seed)
        counts[verdict.came] += 1
        if verdict.came == "differs":
            print(f"seed {seed}\n{verdict.text}\n{verdict.why}\n", file=sys.stderr)
        seed += 1
    print(f"{dict(counts)} in {time.perf_counter() - started:.0f} s, seeds {options.seed} to {seed - 1}")


if __name__ == "__main__":
    main()

"""Compiled violations against the reference interpreter, on 2,000 generated rule files; tests/agreement.py has more."""

import itertools
import random
from statistics import NormalDist

import pytest
import torch

from asrppl import parse
from asrppl.reference import Reference
from tests.agreement import BATCH, compare

# Odd rules on purpose: what is warned of is tested elsewhere.
pytestmark = [pytest.mark.filterwarnings("ignore::asrppl.AsrWarning"), pytest.mark.usefixtures("double_precision")]


def _agree(seeds: range, at_least: float, **options: object) -> None:
    verdicts = [(seed, compare(seed, **options)) for seed in seeds]  # pyright: ignore[reportArgumentType]
    assert [(seed, verdict) for seed, verdict in verdicts if verdict.came == "differs"] == []
    assert sum(verdict.came == "agrees" for _, verdict in verdicts) >= at_least * len(seeds)


@pytest.mark.parametrize("block", range(20))
def test_compiled_violations_are_those_of_the_interpreter(block: int) -> None:
    _agree(range(90 * block, 90 * (block + 1)), 0.65)


@pytest.mark.parametrize("block", range(4))
def test_loops_over_parts_of_an_index_change_nothing(block: int) -> None:
    _agree(range(5000 + 50 * block, 5050 + 50 * block), 0.65, bound=2 * BATCH)


@pytest.mark.parametrize("block", range(4))
def test_gradients_are_the_slopes_that_finite_differences_see(block: int) -> None:
    _agree(range(8000 + 25 * block, 8025 + 25 * block), 0.65, gradient=True)


LAWS = ("q(z[0])", "q(z[1])", "normal(r, s)", "normal(loc: 1, scale: 0.5 + abs(r))", "normal(0, 1)")
ONES = ("mean({p})", "var({p})", "sd({p})", "entropy({p})", "cdf({p}, r)", "cdf({p}, 0)", "quantile({p}, 0.1)")
FINITE = ("q(k)", "uniform({0, 2, 5})", "delta(1)", "aggregate(q(k))")
OF_FINITE = ("mean({p})", "sd({p})", "var({p})", "cdf({p}, 1)", "cdf({p}, n)", "{p}[2]", "{p}[n]", "{p}[n - 7]")


def _rules() -> list[str]:
    found = [one.format(p=p) for one, p in itertools.product(ONES, LAWS)]
    found += [f"kl({p} || {r})" for p, r in itertools.product(LAWS, LAWS)]
    found += [one.format(p=p) for one, p in itertools.product(OF_FINITE, FINITE)]
    found += ["sum i: sd(q(z[i])) * cdf(q(z[i]), r)", "max i: mean(q(z[i]))", "sum j in 0..4: j * q(k)[j]"]
    return found


@pytest.mark.parametrize("seed", range(5))
def test_functionals_of_laws_are_those_of_the_interpreter(seed: int) -> None:
    rng = random.Random(seed)
    batch = 3
    locs = [[rng.uniform(-2, 2) for _ in range(2)] for _ in range(batch)]
    scales = [[rng.uniform(0.1, 2) for _ in range(2)] for _ in range(batch)]
    weights = [[rng.uniform(0.1, 1) for _ in range(4)] for _ in range(batch)]
    probs = [[w / sum(row) for w in row] for row in weights]
    reals = {name: [rng.uniform(-1, 2) for _ in range(batch)] for name in ("r", "s")}
    whole = [rng.randrange(6) for _ in range(batch)]
    values = {
        "z": torch.distributions.Normal(torch.tensor(locs), torch.tensor(scales)),
        "k": torch.distributions.Categorical(torch.tensor(probs)),
        "n": torch.tensor(whole),
        **{name: torch.tensor(given) for name, given in reals.items()},
    }
    data = [
        {
            "z": {"law": [NormalDist(loc, scale) for loc, scale in zip(locs[at], scales[at], strict=True)]},
            "k": {"probs": probs[at]},
            "n": whole[at],
            **{name: given[at] for name, given in reals.items()},
        }
        for at in range(batch)
    ]
    rules = [f"rule a{at}: ({term}) <= -0.3\nrule b{at}: ({term}) >= 0.7" for at, term in enumerate(_rules())]
    program = parse("\n".join((*rules, "given n: int", "given r")))
    compiled = program.violations({name: values[name] for name in program.free})
    for at, datum in enumerate(data):
        for outcome in Reference(program.source.text, datum, data=data).violations():
            cost = float(compiled[outcome.name].expand(batch)[at])
            assert cost == pytest.approx(outcome.cost, rel=1e-9, abs=1e-9), (outcome, rules)

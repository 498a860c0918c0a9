"""The words of the second meaning under `regularize`: costs by hand, per datum, exact over an enumerated n."""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceEnum_ELBO, config_enumerate

import asrppl

LABELS = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0])
PLACES = torch.tensor([0.2, 1.0, 3.0])

# `y` is data and 1 for three data of six; s is (0.2, 1, 3) for each datum; n is 0, 1 or 2 with probability 1/3 each.
pytestmark = pytest.mark.filterwarnings("ignore:.*asks nothing:asrppl.AsrWarning")


def model() -> None:
    with pyro.plate("data", 6):
        s = pyro.sample("s", dist.Normal(torch.zeros(6, 3), 1.0).to_event(1))
        pyro.sample("n", dist.Categorical(torch.ones(6, 3) / 3))
        pyro.sample("y", dist.Bernoulli(logits=s[..., 0]), obs=LABELS)


@config_enumerate
def guide() -> None:
    with pyro.plate("data", 6):
        pyro.sample("s", dist.Normal(PLACES.expand(6, 3), 1e-6).to_event(1))
        pyro.sample("n", dist.Categorical(logits=torch.zeros(6, 3)))


def attached(rules: str) -> Any:
    elbo = asrppl.regularize(model, guide, rules, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    elbo.loss(model, guide)
    return elbo


@pytest.mark.parametrize(
    ("rules", "cost"),
    [
        ("s[n] <= 1", 2 / 3),
        ("s[2 - n] <= 1", 2 / 3),
        ("s[n + 1] <= 1", 2 / 3),  # at n = 2 there is no entry
        ("rule r where y: s[n] <= 1", 1 / 3),
        ("s[argmax i: detach(s[i])] <= 1", 2),
        ("forall i where detach(s[i]) > 0.5: s[i] <= 0.5", 3),
        ("rule p power 2: forall i: s[i] <= 0", 0.04 + 1 + 9),
        ("mod(n, 2) == 1", 2 / 3),
        ("y implies s[0] >= 1", 0.4),
        ("given y: int\ny == 1 implies s[0] >= 1", 0.4),
        ("exists i where y: s[i] <= 1", 1 / 2),  # no index passes where the label is 0: 1, decided
        ("(prod i: s[i]) <= 0", 0.6),
        ("forall i where i < n: s[i] <= 0", (0.2 + 1.2) / 3),
        ("(count i where i < n: s[i] <= 1) >= 1", 1 / 3),  # at n = 0 the first is filled in, and its guard costs 1
        ("(count i: s[i] > 0.5) <= 1", 0.5),
        ("(min i where i < n: s[i]) >= 1", (0.8 + 0.8) / 3),  # at n = 0 there is nothing to compare
        ("param T = [0, 1, 2]\nforall i: s[i] <= T[i]", 1.2),
        ("s[0] in [-inf, 0]", 0.2),
        ("forall d: s[d, 0] <= 0", 0.2),
        ("(max d: s[d, 0]) <= 0", 0.2),
        ("n == 1 implies s[0] >= 1", 0.8 / 3),
    ],
)
def test_a_rule_costs_what_it_says(rules: str, cost: float) -> None:
    (found,) = attached(rules).report.violations.values()
    assert float(found) == pytest.approx(cost, abs=1e-4)


@pytest.mark.parametrize(
    ("rules", "code", "mend"),
    [
        ("s[argmax i: s[i]] <= 1", "ASR042", "detach"),
        ("forall i where s[i] > 0.5: s[i] <= 1", "ASR064", "detach(s[i])"),
        ("exists i where s[i] > 0.5: s[i] <= 1", "ASR064", "detach(s[i])"),
        ("rule r where s[0] > 0.5: s[1] <= 1", "ASR064", "detach(s[0])"),
        ("(count i where s[i] > 0.5: s[i] <= 1) >= 1", "ASR064", "detach(s[i])"),
        ("detach(n) <= 1", "ASR064", "leave it out"),
        ("floor(s[0]) <= 1", "ASR038", "floor(detach(s[0]))"),
        ("mod(s[0], 2) <= 1", "ASR038", "mod(detach(s[0]), 2)"),
    ],
)
def test_what_would_jump_is_refused_with_a_mend(rules: str, code: str, mend: str) -> None:
    with pytest.raises(asrppl.AsrError) as refused:
        attached(rules)
    assert refused.value.diagnostics[0].code == code
    assert mend in str(refused.value.diagnostics[0].help)

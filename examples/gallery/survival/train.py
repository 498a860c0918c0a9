"""One run in plain torch: a method and a seed, and what the curves are like of women that training never saw."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

import asrppl
from examples.gallery.runs import Key, Metrics
from examples.gallery.survival.data import DATA, NODES, Women, split

TIMES = torch.arange(1, 11) * 0.5
"""Years at which a curve has its values."""
HIDDEN = 32
RATE, DECAY = 3e-3, 1e-2  # of AdamW
LOOKED = 10  # steps from one note of the violations to the next
RULES = Path(__file__).with_name("survival.asr")
METHODS = ("no rule", "survival.asr", "hazards")
RISE = 1e-3  # of a probability: what counts as a rise


class Curves(nn.Module):
    """The probability to be free of relapse up to each of TIMES, ``(women, times)``.

    Each is a sigmoid of its own, in no order; with ``hazards`` they are products of (1 − h), and fall by construction.
    """

    def __init__(self, columns: int, *, hazards: bool) -> None:
        super().__init__()
        self.hazards = hazards
        self.layers = nn.Sequential(
            nn.Linear(columns, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(TIMES))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the curves."""
        out = self.layers(features)
        return logsigmoid(out + 2).cumsum(-1).exp() if self.hazards else out.sigmoid()


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has data, method, seed and steps."""
    train, held_out = split(DATA[key["data"]](), key["seed"])
    start = time.process_time()
    curves, violations = fit(train, key["method"], key["seed"], key["steps"])
    seconds = time.process_time() - start
    return {**measure(curves, train, held_out), "violations": violations, "cpu_seconds": round(seconds, 1)}


def fit(train: Women, method: str, seed: int, steps: int) -> tuple[Curves, dict[str, list[float]]]:
    """Return trained curves, and what the rules' violations were on the way."""
    torch.manual_seed(seed)
    curves = Curves(train.features.shape[1], hazards=method == "hazards")
    program = asrppl.load(RULES)
    adam = torch.optim.AdamW(curves.parameters(), lr=RATE, weight_decay=DECAY)
    free, weight = known(train, train)
    draws = torch.Generator().manual_seed(seed)  # so that moved copies change no other random number
    violations: dict[str, list[float]] = {rule.name: [] for rule in program.rules}
    for step in range(steps):
        survive = curves(train.features)
        loss = scored(survive, free, weight)
        look = step % LOOKED == 0
        if look or method == "survival.asr":
            values = {"survive": survive, "more_nodes": curves(more_nodes(train.features, draws))}
            if look:
                for rule, each in program.violations(values).items():
                    violations[rule].append(round(float(each.mean().detach()), 5))
            if method == "survival.asr":
                loss = loss + program.penalty(values)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return curves, violations


def more_nodes(features: Tensor, draws: torch.Generator) -> Tensor:
    """Return the same women with more positive nodes, up to the most that there are."""
    moved = features.clone()
    moved[:, NODES] += torch.rand(len(features), generator=draws) * (features[:, NODES].max() - features[:, NODES])
    return moved


def known(women: Women, train: Women) -> tuple[Tensor, Tensor]:
    """Return whether each was free of relapse at each of TIMES, and how much that counts, ``(women, times)`` each.

    Who was last seen before a time counts 0 there, and the others stand for them: each counts 1 / G, where G is the
    Kaplan–Meier estimate, on the training part, of the probability to be still seen (Graf et al. 1999, section 5).
    """
    free = women.years[:, None] > TIMES
    at = torch.minimum(women.years[:, None], TIMES)
    times, order = train.years.sort()
    left = 1 - (1 - train.relapsed[order]) / torch.arange(len(times), 0, -1)
    seen = torch.cat([torch.ones(1), left.cumprod(0)])
    weight = (free | (women.relapsed[:, None] == 1)) / seen[torch.searchsorted(times, at)].clamp_min(0.05)
    return free.float(), weight


def scored(survive: Tensor, free: Tensor, weight: Tensor) -> Tensor:
    """Return −log of the probability of what is known, nats a woman and time."""
    survive = survive.clamp(1e-6, 1 - 1e-6)
    return -(weight * torch.where(free == 1, survive.log(), (1 - survive).log())).mean()


@torch.no_grad()
def measure(curves: Curves, train: Women, women: Women) -> dict[str, Any]:
    """Return what the curves are like on ``women``.

    The entries are ``score`` (nats a woman and time), ``brier`` (the same of squares), ``concordance`` (the share of
    comparable pairs, of which one is known to have relapsed first, whose mean curves are in that order: Harrell's),
    ``rising`` (the share of curves that rise somewhere in time by more than 0.001) and ``with_nodes`` (the share of
    women whose curve is somewhere higher, by more than 0.001, with more positive nodes).
    """
    survive = curves(women.features)
    free, weight = known(women, train)
    prospect = survive.mean(-1)
    first = (women.years[:, None] < women.years) & (women.relapsed[:, None] == 1)
    right = (prospect[:, None] < prospect).float() + 0.5 * (prospect[:, None] == prospect).float()
    share = torch.linspace(0, 1, 11)[1:, None]
    moved = women.features.repeat(10, 1, 1)
    moved[..., NODES] += share * (train.features[:, NODES].max() - women.features[:, NODES]).clamp_min(0)
    path = torch.cat([survive[None], curves(moved)])
    return {
        "score": float(scored(survive, free, weight)),
        "brier": float((weight * (survive - free).square()).mean()),
        "concordance": float(right[first].mean()),
        "rising": float((survive.diff(dim=-1) > RISE).any(-1).float().mean()),
        "with_nodes": float((path.diff(dim=0) > RISE).any(0).any(-1).float().mean()),
    }

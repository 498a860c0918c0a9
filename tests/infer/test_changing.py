"""Guides that change their ways in training: a rule's channel follows what the rule depends on now."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate
from pyro.infer.elbo import ELBO
from torch import Tensor

import asrppl
from asrppl.infer.watch.dependence import Watch
from tests.infer.toys import unconstrained

TABLE = torch.tensor([0.0, 3.0], dtype=torch.float64)
SURE = torch.sigmoid(torch.tensor(0.3, dtype=torch.float64))
EXACT = float(2 * 2 * SURE * (1 - SURE))
"""The gradient in p of 2 E max(z − 1, 0) where z follows 3 b, b ~ Bernoulli(σ(p)) at p = 0.3."""


class Network(torch.nn.Module):
    """A module with a flag."""

    late = False

    def forward(self, start: Tensor, b: Tensor) -> Tensor:
        return start + 3 * b if self.late else start


NETWORK = Network()
RUNS: list[bool] = []  # a global: what a guide holds is put back after the runs that it is attached by


def by_flag(start: Tensor, b: Tensor, late: bool) -> Tensor:
    return start + 3 * b if late else start


def by_a_flag_of_a_module(start: Tensor, b: Tensor, late: bool) -> Tensor:
    NETWORK.late = late
    return NETWORK(start, b)


def by_a_branch(start: Tensor, b: Tensor, late: bool) -> Tensor:
    return start + 3 if late and b > 0 else start


def by_a_number(start: Tensor, b: Tensor, late: bool) -> Tensor:
    return start + 3 * float(b) if late else start


def by_a_factor(start: Tensor, b: Tensor, late: bool) -> Tensor:
    return (start + 3) * (b if late else torch.tensor(0.0))  # autograd's graph is the same both ways


def by_a_table(start: Tensor, b: Tensor, late: bool) -> Tensor:
    return TABLE[b.long() if late else 0]  # which has no gradient either way


def by_a_write(start: Tensor, b: Tensor, late: bool) -> Tensor:
    at = torch.zeros(2, dtype=torch.float64)
    if late:
        at[0] = 3 * b
    return start + at.sum()


def by_what_was_there(start: Tensor, b: Tensor, late: bool) -> Tensor:
    used = 3 * b
    return start + used if late else start


WAYS = [
    by_flag,
    by_a_flag_of_a_module,
    by_a_branch,
    by_a_number,
    by_a_factor,
    by_a_table,
    by_a_write,
    by_what_was_there,
]
Way = Callable[[Tensor, Tensor, bool], Tensor]


class Curriculum:
    """A guide that lets its discrete draw into z when it is late."""

    def __init__(self, way: Way, *, exposed: bool = False, chance: bool = False, site: bool = False) -> None:
        self.way = way
        self.exposed = exposed
        self.chance = chance
        self.site = site
        self.late = False
        self.guide: Any = config_enumerate(self.once, "sequential")

    def once(self) -> None:
        p = pyro.param("p", torch.tensor(0.3, dtype=torch.float64))
        start = pyro.param("m", torch.tensor(0.0, dtype=torch.float64))
        b: Any = torch.tensor(1.0, dtype=torch.float64)
        if self.late or not self.site:
            b = pyro.sample("b", dist.Bernoulli(logits=p))
        at = self.way(start, b, self.late)
        if self.exposed:
            asrppl.expose("y", dist.Bernoulli(at) if self.chance else at)
        pyro.sample("z", dist.Normal(at, 1e-3))

    def model(self) -> None:
        if self.late or not self.site:
            pyro.sample("b", dist.Bernoulli(torch.tensor(0.5, dtype=torch.float64)))
        pyro.sample("z", dist.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0))


def gradient(elbo: ELBO, program: Curriculum) -> float:
    pyro.set_rng_seed(0)
    elbo.loss_and_grads(program.model, program.guide)  # pyright: ignore[reportAttributeAccessIssue]
    (p,) = unconstrained(["p"])
    found = 0.0 if p.grad is None else float(p.grad)
    p.grad = None
    return found


def of_rule(elbo: ELBO, program: Curriculum) -> float:
    """The gradient of the rule alone: enumerated, so without noise."""
    return gradient(elbo, program) - gradient(TraceEnum_ELBO(max_plate_nesting=0), program)


@pytest.mark.parametrize("exposed", [False, True], ids=["site", "exposed"])
@pytest.mark.parametrize("way", WAYS)
def test_a_dependence_that_begins_in_training_gets_its_score_function(way: Way, exposed: bool) -> None:
    pyro.clear_param_store()
    program = Curriculum(way, exposed=exposed)
    rule = f"rule r weight 2: {'y' if exposed else 'z'} <= 1"
    elbo = asrppl.regularize(program.model, program.guide, rule, elbo=TraceEnum_ELBO(max_plate_nesting=0))
    for late in (False, False, True, True, False, True):
        program.late = late
        assert of_rule(elbo, program) == pytest.approx(EXACT if late else 0.0, abs=2e-3)
    assert elbo.bindings().rules[0].channel == "S"


@pytest.mark.parametrize("way", WAYS)
def test_a_dependence_that_ends_in_training_leaves_an_unbiased_gradient(way: Way) -> None:
    pyro.clear_param_store()
    program = Curriculum(way)
    elbo = asrppl.regularize(
        program.model, program.guide, "rule r weight 2: z <= 1", elbo=TraceEnum_ELBO(max_plate_nesting=0)
    )
    for late in (True, False, True):
        program.late = late
        assert of_rule(elbo, program) == pytest.approx(EXACT if late else 0.0, abs=2e-3)
    program.late = False
    assert elbo.bindings().rules[0].channel == "P"


@pytest.mark.filterwarnings("ignore:TraceEnum_ELBO found no sample sites")
def test_a_discrete_site_that_appears_later_gets_its_score_function() -> None:
    pyro.clear_param_store()
    program = Curriculum(by_flag, site=True)
    elbo = asrppl.regularize(
        program.model, program.guide, "rule r weight 2: z <= 1", elbo=TraceEnum_ELBO(max_plate_nesting=0)
    )
    for late in (False, True, False, True):
        program.late = late
        assert of_rule(elbo, program) == pytest.approx(EXACT if late else 0.0, abs=2e-3)


def test_sampled_draws_too() -> None:
    pyro.clear_param_store()
    program = Curriculum(by_flag)
    program.guide = program.once
    elbo = asrppl.regularize(program.model, program.guide, "rule r weight 200: z <= 1", elbo=Trace_ELBO(1000))
    elbo.loss_and_grads(program.model, program.guide)
    program.late = True
    with pyro.validation_enabled(False):
        assert gradient(elbo, program) == pytest.approx(100 * EXACT, rel=0.15)


def test_a_dependence_of_some_runs_only_counts_in_them() -> None:
    """The run that the rules are attached by need not show what this one does."""
    pyro.clear_param_store()
    program = Curriculum(by_flag)
    RUNS.clear()

    def way(start: Tensor, b: Tensor, late: bool) -> Tensor:
        RUNS.append(late)
        return by_flag(start, b, len(RUNS) == 5)  # after the first step's and the three that it is attached by

    program.way = way
    guide = program.once
    elbo = asrppl.regularize(program.model, guide, "rule r: z <= 1")
    elbo.loss_and_grads(program.model, guide)
    (pair,) = elbo._pairs.values()
    assert len(RUNS) == 4
    elbo.loss_and_grads(program.model, guide)
    assert [rule.channel for attachment in pair.attachments.values() for rule in attachment.rules] == ["S"]


def test_an_aggregate_that_begins_to_depend_on_such_a_draw_takes_the_other_channel_then() -> None:
    pyro.clear_param_store()
    program = Curriculum(lambda start, b, late: torch.sigmoid(by_flag(start, b, late)), exposed=True, chance=True)
    guide = program.once
    elbo = asrppl.regularize(program.model, guide, "mean(aggregate(q(y))) <= 0.1")
    elbo.loss_and_grads(program.model, guide)
    assert [rule.channel for rule in elbo.bindings().rules] == ["P"]
    program.late = True
    elbo.loss_and_grads(program.model, guide)
    assert [rule.channel for rule in elbo.bindings().rules] == ["S"]


def test_nothing_is_watched_where_no_draw_could_come_in() -> None:
    def guide() -> None:
        z = pyro.sample("z", dist.Normal(pyro.param("m", torch.tensor(0.0)), 1.0))
        pyro.sample("b", dist.Bernoulli(logits=z))

    elbo = asrppl.regularize(guide, guide, "z <= 1")
    elbo.loss_and_grads(guide, guide)
    (pair,) = elbo._pairs.values()
    pair.run_guide()
    assert pair.watch is None


def test_marks_go_from_what_is_taken_to_what_is_made() -> None:
    watch, draw = Watch(), torch.tensor([1.0, 2.0])
    site = frozenset({"b"})
    watch.mark(draw, site)
    with watch:
        made = torch.stack([torch.zeros(2), 2 * draw])
        written, other = torch.zeros(3), torch.zeros(2)
        part = written[:1]
        part.add_(draw[0])
        low, high = torch.split(draw, 1)
        _ = draw.shape, draw.dim()
        assert watch.leaks == 0
        _ = draw[0].item(), bool(draw[0] > 0), draw.tolist()
    assert watch.leaks == 3
    assert all(watch.marks_of(tensor) == site for tensor in (made, written, part, low, high))
    assert not watch.marks_of(other)

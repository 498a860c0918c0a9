"""The law of a count of independent events: values and slopes against enumeration and the recursion."""

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical

from asrppl.bind.values import bind_values
from asrppl.lower import lower
from asrppl.lower.counts import law_of_count, law_of_counts
from asrppl.program import parse

pytestmark = pytest.mark.usefixtures("double_precision")


def enumerated(p: Tensor) -> Tensor:
    count = p.shape[-1]
    law = [torch.zeros(p.shape[:-1]) for _ in range(count + 1)]
    for state in product((0, 1), repeat=count):
        chosen = torch.tensor(state)
        law[sum(state)] = law[sum(state)] + torch.where(chosen == 1, p, 1 - p).prod(-1)
    return torch.stack(law, -1)


def recursion(p: Tensor) -> Tensor:
    law = torch.ones(1)
    for each in p:
        law = torch.cat((law * (1 - each), torch.zeros(1))) + torch.cat((torch.zeros(1), law * each))
    return law


def probabilities(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (torch.rand(shape, generator=generator) * (high - low) + low).requires_grad_()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_small_laws_are_enumerated_ones_with_their_slopes(count: int) -> None:
    p = probabilities(2, count)
    torch.testing.assert_close(law_of_count(p), enumerated(p))
    weights = torch.arange(1.0, count + 2) ** 2
    (found,) = torch.autograd.grad((law_of_count(p) * weights).sum(), p)
    (wanted,) = torch.autograd.grad((enumerated(p) * weights).sum(), p)
    torch.testing.assert_close(found, wanted)
    assert torch.autograd.gradcheck(law_of_count, (p,))
    assert torch.autograd.gradgradcheck(law_of_count, (p,))


@pytest.mark.parametrize("count", [15, 16, 17, 31, 33, 64, 100, 257])
def test_longer_laws_are_those_of_the_recursion(count: int) -> None:
    p = probabilities(count)
    torch.testing.assert_close(law_of_count(p), recursion(p), rtol=1e-12, atol=1e-15)
    chosen = torch.arange(count + 1) % 3 == 0
    (found,) = torch.autograd.grad(law_of_count(p)[chosen].sum(), p)
    (wanted,) = torch.autograd.grad(recursion(p)[chosen].sum(), p)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("low", "high", "at"), [(0.2, 0.8, 500), (1e-4, 2e-3, 1), (0.001, 0.01, 1)])
def test_a_thousand_events(low: float, high: float, at: int) -> None:
    p = probabilities(1000, low=low, high=high)
    found, wanted = law_of_count(p)[at], recursion(p)[at]
    assert float((found - wanted).detach().abs() / wanted.detach()) < 2e-14
    (slope,) = torch.autograd.grad(found, p)
    (exact,) = torch.autograd.grad(wanted, p)
    assert float((slope - exact).abs().max() / exact.abs().max()) < 1e-12


@pytest.mark.parametrize("count", [4, 40, 1000])
def test_events_that_are_sure_have_slopes(count: int) -> None:
    p = torch.tensor([0.0, 1.0]).repeat(count // 2).requires_grad_()
    law = law_of_count(p)
    assert float(law[count // 2].detach()) == pytest.approx(1)
    assert bool(((law >= 0) & (law <= 1)).all())
    (slope,) = torch.autograd.grad(law[count // 2], p)
    torch.testing.assert_close(slope, torch.tensor([-1.0, 1.0]).repeat(count // 2))
    never = torch.zeros(count, requires_grad=True)
    (slope,) = torch.autograd.grad(law_of_count(never)[1], never)
    torch.testing.assert_close(slope, torch.ones(count))


def test_tails_are_no_negative_numbers() -> None:
    law = law_of_count(torch.full((1000,), 0.5))
    assert float(law.min()) >= 0
    assert float(law[900:].sum()) < 1e-14  # 1e-162 in truth: below one rounding of 1 it is noise


def test_counts_along_axes_of_a_grid() -> None:
    p = probabilities(2, 3, 1, 4, 1)  # (batch, *slots): the second and the fourth slot are counted, the last is theirs
    law = law_of_counts(p, (-4, -2), (3, 4), -1)
    torch.testing.assert_close(law, enumerated(p.reshape(2, 12)).reshape(2, 1, 1, 1, 13))
    # What does not vary with an index counts once for each of its values.
    flat = law_of_counts(p[:, :1], (-4, -2), (3, 4), -3)
    wanted = enumerated(p[:, :1].expand(2, 3, 1, 4, 1).reshape(2, 12))
    torch.testing.assert_close(flat, wanted.reshape(2, 1, 13, 1, 1))


@pytest.mark.parametrize("bound", [200, 2000])
def test_parts_of_an_index_change_nothing(bound: int) -> None:
    program = parse("forall g: P[(count i: y[g, i]) in 1..2 or (exists i: y[g, i] and k[i] == 1)] <= -1")
    p = probabilities(2, 3, 4)
    laws = {"y": Bernoulli(p), "k": Categorical(torch.tensor([0.2, 0.3, 0.5]).expand(2, 4, 3))}
    values = bind_values(program.free, laws)
    means = program.means(values)
    parts = lower(means.rules, signature=means.signature, elements=1, bound=bound)
    found, wanted = parts(values.tensors)["line 1"], means.violations(values)["line 1"]
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), p, retain_graph=True), torch.autograd.grad(wanted.sum(), p)
    )


def test_a_count_is_worked_through_in_parts_too() -> None:
    program = parse("forall g: P[(count i: y[g, i]) in 1..2] <= -1")
    p = probabilities(2, 3, 40)
    values = bind_values(program.free, {"y": Bernoulli(p)})
    means = program.means(values)
    parts = lower(means.rules, signature=means.signature, elements=1, bound=7)
    law = law_of_count(p)
    torch.testing.assert_close(parts(values.tensors)["line 1"], (law[..., 1:3].sum(-1) + 1).sum(-1))

"""The sums by hand against sums over all states, one by one."""

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from examples.pyro.cases import cjs
from examples.pyro.cases.mixtures import of_each
from examples.pyro.chains import NEVER, Chain, log, stopped, within

MU = 0.7


def random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).double()


def by_states(chain: Chain) -> tuple[float, float]:
    """Σ log Σ_a p(a, x) exp(−μ ψ(a)), and the mean of E_q[ψ], over all sequences of states."""
    data, steps, states = chain.emit.shape
    move = chain.move.expand(data, -1, -1, -1)
    total = mean = 0.0
    for i in range(data):
        logs, counts = list[Tensor](), list[Tensor]()
        for path in product(range(states), repeat=steps):
            value = chain.start[i, path[0]] + sum(chain.emit[i, t, s] for t, s in enumerate(path))
            value = value + sum(move[i, t, a, b] for t, (a, b) in enumerate(pairwise(path)))
            counted = sum((chain.count[i, t, s] for t, s in enumerate(path)), torch.zeros(()))
            if chain.between is not None:
                counted = counted + sum(chain.between[i, t, a, b] for t, (a, b) in enumerate(pairwise(path)))
            counts.append(counted)
            logs.append(value - MU * counts[-1])
        tilt = torch.stack(logs)
        total += float(tilt.logsumexp(0))
        mean += float((tilt.softmax(0) * torch.stack(counts)).sum()) / data
    return total, mean


def test_forward_and_backward_are_the_sum_over_all_states() -> None:
    logs = random(2, 3).log_softmax(-1), random(1, 3, 3, 3).log_softmax(-1), random(2, 4, 3)
    chain = Chain(*logs, random(2, 4, 3))
    total, mean = chain.tilted(MU)
    assert (float(total), float(mean)) == pytest.approx(by_states(chain))


def test_what_is_counted_of_moves_is_the_sum_over_all_states_too() -> None:
    logs = random(2, 3).log_softmax(-1), random(1, 3, 3, 3).log_softmax(-1), random(2, 4, 3)
    chain = Chain(*logs, random(2, 4, 3), random(2, 3, 3, 3))
    total, mean = chain.tilted(MU)
    assert (float(total), float(mean)) == pytest.approx(by_states(chain))


def test_past_its_length_a_sequence_is_what_it_is_without_those_steps() -> None:
    start, move, emit, count = (
        random(1, 3).log_softmax(-1),
        random(3, 3).log_softmax(-1),
        random(1, 4, 3),
        random(1, 4, 3),
    )
    lengths = torch.tensor([2])
    whole = Chain(start, stopped(move, lengths, 4), within(emit, lengths), within(count, lengths))
    short = Chain(start, move.expand(1, 1, 3, 3), emit[:, :2], count[:, :2])
    assert list(map(float, whole.tilted(MU))) == pytest.approx(list(map(float, short.tilted(MU))))


def test_a_chance_of_0_has_a_gradient() -> None:
    chance = torch.tensor([0.0, 0.5], requires_grad=True)
    found = log(chance)
    found.sum().backward()
    assert found.tolist() == pytest.approx([NEVER, -0.6931472])
    assert chance.grad is not None
    assert chance.grad.tolist() == [0.0, 2.0]


def test_animals_by_all_that_may_have_happened_to_them() -> None:
    chain = cjs.chain([torch.tensor(0.6)] * cjs.TIMES, torch.tensor(0.4))
    total, mean = chain.tilted(MU)
    assert (float(total), float(mean)) == pytest.approx(by_states(chain), rel=1e-5)
    assert float(cjs.chain([torch.tensor(1.0)] * cjs.TIMES, torch.tensor(0.4)).tilted(0.0)[1]) == pytest.approx(1)


def test_of_data_by_themselves_the_sum_over_states_is_by_each() -> None:
    logits, count = random(3, 2, 4), random(4)
    total, mean = of_each(logits, count)(MU)
    wanted = [torch.exp(logits[i, j] - MU / 2 * count) for i in range(3) for j in range(2)]  # half of a datum each
    assert float(total) == pytest.approx(sum(float(each.sum().log()) for each in wanted))
    assert float(mean) == pytest.approx(sum(float((each * count).sum() / each.sum()) for each in wanted) / 6)

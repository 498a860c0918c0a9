"""Rules about means on plain values: draws, laws and data."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, Normal

import asrppl
from asrppl.lower.counts import law_of_count

X = torch.tensor([[0.5, 2.0, 3.0], [1.5, -1.0, 4.0], [0.0, 1.0, 5.0], [2.0, 2.0, 6.0]])  # 4 draws for each of 3 data
GROUP = torch.tensor([0, 1, 1])


def violation(rule: str, values: dict[str, Any]) -> Tensor:
    (found,) = asrppl.parse(rule).violations(values).values()
    return found


def close(found: Tensor, wanted: Any) -> None:
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype))


def test_aggregates_of_plain_arrays() -> None:
    p, g = torch.rand(6, requires_grad=True), torch.tensor([0, 1, 0, 1, 1, 1])
    found = violation("aggregate(p where g == 0) <= 0.1", {"p": p, "g": g})
    close(found, (p[g == 0].mean() - 0.1).clamp_min(0).detach())
    (slope,) = torch.autograd.grad(violation("aggregate(p where g == 0) <= -1", {"p": p, "g": g}), p)
    close(slope, (g == 0) / 2)
    parity = "abs(aggregate(p where g == 0) - aggregate(p where g == 1)) <= 0"
    close(violation(parity, {"p": p, "g": g}), (p[g == 0].mean() - p[g == 1].mean()).abs().detach())


def test_a_group_without_a_member_asks_nothing() -> None:
    assert violation("aggregate(p where g == 7) <= -1", {"p": torch.rand(3), "g": GROUP}) == 0
    assert violation("not (aggregate(p where g == 7) <= 5)", {"p": torch.rand(3), "g": GROUP}) == 0


def test_the_mean_of_what_is_known_is_itself() -> None:
    close(violation("E[x] <= 1", {"x": X[0]}), [0.0, 1.0, 2.0])
    close(violation("P[x <= 1] >= 0.25", {"x": X[0]}), [0.0, 0.25, 0.25])
    close(violation("aggregate(E[x] * x) <= 0", {"x": X[0]}), (X[0] ** 2).mean())


def test_means_over_draws() -> None:
    x = {"draws": X}
    close(violation("E[x] <= 0", {"x": x}), X.mean(0))
    close(violation("P[x <= 1.5] >= 1", {"x": x}), 1 - (X <= 1.5).float().mean(0))
    close(violation("E[(x - E[x]) ^ 2] <= 0", {"x": x}), X.var(0, unbiased=False))
    close(violation("aggregate(E[x]) <= 0", {"x": x}), X.mean())
    close(violation("aggregate(E[x] where g == 1) <= 0", {"x": x, "g": GROUP}), X[:, 1:].mean())
    close(violation("aggregate(E[x] ^ 2) <= 0", {"x": x}), (X.mean(0) ** 2).mean())
    close(
        violation("forall k in 0..6: aggregate(P[x >= k]) <= 0", {"x": x}),
        sum((k <= X).float().mean() for k in range(7)),
    )


def test_draws_of_all_data_and_of_each() -> None:
    y = torch.tensor([1.0, 2.0, 0.0, 1.0])  # one of all the data
    close(violation("E[x * y] <= 0", {"x": {"draws": X}, "y": {"draws": y}}), (X * y[:, None]).mean(0))
    close(violation("E[x * c] <= 0", {"x": {"draws": X}, "c": GROUP}), X.mean(0) * GROUP)
    arrays = torch.stack((X, 2 * X), -1)
    close(violation("forall i: E[z[i]] <= 0", {"z": {"draws": arrays}}), 3 * X.mean(0))


def test_a_rule_on_draws_says_something_of_each() -> None:
    close(violation("x <= E[x]", {"x": {"draws": X}}), (X - X.mean(0)).clamp_min(0))
    program = asrppl.parse("rule r weight 2: x <= 0")
    close(program.penalty({"x": {"draws": X}}), 2 * X.clamp_min(0).mean())
    assert asrppl.parse("rule r hard: E[x] <= 0").violations({"x": {"draws": X}})["r"].shape == (3,)


def test_masks_and_fields_of_draws() -> None:
    boxes = torch.rand(5, 2, 3) + 1
    inside = {"box": {"draws": boxes}}
    close(violation("E[box[0].x] <= 0", inside), boxes[:, 0, 0].mean())
    close(
        violation(
            "E[box[0].x] <= 0", {"box": {"draws": {"x": boxes[..., 0], "y": 0 * boxes[..., 1], "size": boxes[..., 2]}}}
        ),
        boxes[:, 0, 0].mean(),
    )
    there = {"draws": X, "mask": torch.tensor([True, False, True])}  # of the entries, the same in each draw
    close(violation("E[sum i: x[i]] <= 0", {"x": there}), X[:, [0, 2]].sum(-1).mean())
    each = {"draws": X, "mask": X > 0}
    close(violation("E[sum i: x[i]] <= 0", {"x": each}), X.clamp_min(0).sum(-1).mean())


def test_gradients_flow_through_draws() -> None:
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(violation("aggregate(E[x ^ 2]) <= 0", {"x": {"draws": x}}), x)
    close(slope, 2 * X / X.numel())


def test_of_laws_means_are_exact() -> None:
    p = torch.tensor([[0.1, 0.7, 0.4], [0.3, 0.2, 0.9]], requires_grad=True)  # 2 data, 3 entries
    law = Bernoulli(p)
    close(violation("P[y[0] >= y[1]] >= 1", {"y": law}), ((1 - p[:, 0]) * p[:, 1]).detach())
    close(violation("P[y[0] >= y[1]] >= 1", {"y": Independent(law, 1)}), ((1 - p[:, 0]) * p[:, 1]).detach())
    close(violation("aggregate(E[sum i: y[i]]) <= 0", {"y": law}), p.sum(-1).mean().detach())
    found = violation("P[(count i: y[i] == 1) == 1] >= 1", {"y": law})
    close(found, 1 - law_of_count(p)[:, 1].detach())
    (slope,) = torch.autograd.grad(found.sum(), p)
    (wanted,) = torch.autograd.grad(-law_of_count(p)[:, 1].sum(), p)
    close(slope, wanted)
    close(
        violation("P[y[0] == x] >= 1", {"y": law, "x": torch.tensor([1, 0])}),
        torch.stack((1 - p[0, 0], p[1, 0])).detach(),
    )


def test_laws_are_independent_of_draws() -> None:
    law = Categorical(torch.tensor([0.2, 0.3, 0.5]))
    close(violation("E[k * x] <= 0", {"k": law, "x": {"draws": X}}), 1.3 * X.mean(0).clamp_min(0))


def test_what_is_given_of_a_name_decides() -> None:
    law = Bernoulli(torch.tensor(0.25))
    draws = torch.tensor([1.0, 1.0, 0.0, 1.0])
    close(violation("y <= E[y]", {"y": {"draws": draws, "distribution": law}}), draws * 0.25)  # of draws their mean
    with pytest.raises(asrppl.AsrError, match="the value of `y` is read, but a Bernoulli was given") as error:
        violation("y <= E[y]", {"y": law})
    assert '{"draws": law.sample((1000,))}' in str(error.value)


def test_a_thousand_bernoullis() -> None:
    p = torch.full((1000,), 0.001, dtype=torch.float64, requires_grad=True)
    found = violation("P[(count i: y[i]) in {1, 3}] >= 1", {"y": Bernoulli(p)})
    close(found, 1 - law_of_count(p)[[1, 3]].sum().detach())
    found.backward()
    assert p.grad is not None


def refused(rule: str, values: dict[str, Any]) -> asrppl.Diagnostic:
    with pytest.raises(asrppl.AsrError) as error:
        violation(rule, values)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.span is not None
    return diagnostic


def test_what_does_not_fit_is_told_with_a_mend() -> None:
    found = refused("E[x * y] <= 0", {"x": {"draws": X}, "y": {"draws": torch.rand(5)}})
    assert (found.code, found.message) == ("ASR073", "there are 4 draws of `x` and 5 of `y`")
    found = refused("E[x[0]] <= 0", {"x": {"draws": X[0]}})
    assert found.code == "ASR073"
    assert "first axis is that of draws" in found.message
    found = refused("P[x <= 1] >= 0.5", {"x": Normal(0.0, 1.0)})
    assert found.code == "ASR075"
    assert found.help == 'give draws of it: {"x": {"draws": law.sample((1000,))}}'
    law = Bernoulli(torch.full((20,), 0.1))
    found = refused("P[(sum i: (i + 1) * y[i]) <= 3] >= 0.9", {"y": law})
    assert found.code == "ASR078"
    assert found.span is not None
    assert found.span.text == "P[(sum i: (i + 1) * y[i]) <= 3]"
    assert violation("P[(sum i: (i + 1) * y[i]) <= 3] >= 0.9", {"y": {"draws": law.sample((100,))}}).shape == ()


def test_nan_in_a_condition_of_a_mean_is_told() -> None:
    x = X.clone()
    x[1, 2] = float("nan")
    with pytest.warns(asrppl.AsrWarning, match=r"`x\[1\]\[2\]` is nan"):
        found = violation("P[x <= 1] <= 0.1", {"x": {"draws": x}})
    assert found.isnan().tolist() == [False, False, True]


def test_the_dtype_is_that_of_the_values() -> None:
    whole = {"draws": torch.tensor([0, 1, 1, 1])}
    assert violation("P[k == 1] <= w", {"k": whole, "w": torch.tensor(0.1, dtype=torch.float64)}).dtype == torch.float64

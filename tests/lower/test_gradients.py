"""Gradients of the compiled operators: those of finite differences at generic points, and finite at boundaries."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical

from asrppl.bind.bound import Bound
from asrppl.bind.values import bind_values
from asrppl.lower import operators
from asrppl.program import parse
from tests.lower.helpers import compile_rule, violation

# Odd rules on purpose: what is warned of is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

TERMS = {
    "negate": "-x[i]",
    "abs": "abs(x[i])",
    "sqrt": "sqrt(2 + x[i])",
    "exp": "exp(x[i])",
    "log": "log(2 + x[i])",
    "relu": "relu(x[i])",
    "clamp": "clamp(x[i], 0, 0.5)",
    "add": "x[i] + y[i]",
    "subtract": "x[i] - y[i]",
    "multiply": "x[i] * y[i]",
    "divide": "x[i] / y[i]",
    "divide a constant": "1 / y[i]",
    "divide by a constant": "x[i] / 3",
    "square": "x[i] ^ 2",
    "cube": "x[i] ^ 3",
    "root as power": "(2 + x[i]) ^ 0.5",
    "fractional power": "(2 + x[i]) ^ 1.7",
    "negative power": "y[i] ^ -2",
    "power of reals": "(2 + x[i]) ^ y[i]",
    "power of an int draw": "x[i] ^ n",
    "min": "min(x[i], y[i])",
    "max": "max(x[i], y[i])",
    "if": "if x[i] >= y[i] then x[i] * 2 else y[i] ^ 2",
    "sum": "sum j: x[j] * y[j]",
    "sum where": "sum j where x[j] >= 0: x[j] * y[j]",
    "mean": "mean j: x[j] ^ 2",
    "mean where": "mean j where x[j] >= 0: x[j] ^ 2",
    "max over": "max j: x[j] * y[j]",
    "min over": "min j where x[j] >= -0.2: x[j] * y[j]",
    "product": "prod j: x[j] + y[i]",
    "product where": "prod j where x[j] >= 0: y[j]",
    "product of a constant": "prod j in 0..2: x[i]",
    "sine": "sin(x[i]) * y[i]",
    "cosine": "cos(x[i]) * y[i]",
    "tanh": "tanh(x[i])",
    "sigmoid": "sigmoid(x[i])",
    "mod": "mod(n, 2) * x[i]",
    "computed index": "x[n - 1 - i] * y[i]",
    "two computed indices": "m[n - 1 - i, mod(2 * i, 3)] * y[i]",
    "index and computed index": "m[i, n - 2] * y[i]",
    "largest entry of another": "x[argmax j: detach(y[j])] * y[i]",
    "list": "T[i] * x[i]",
    "list by a computed index": "T[n - 1 - i] * x[i]",
    "offset": "x[i + 1] - x[i]",
    "transposed": "sum j: m[j, i] * x[j]",
    "diagonal": "m[i, i] * x[i]",
    "constant index": "m[0, i] * x[1]",
    "count": "(count j: x[j] >= 0) * x[i]",
    "function": "f(x[i], y[i])",
    "kl": "kl(q(k[i]) || categorical(phi[i]))",
    "kl from a point": "kl(delta(1) || q(k[i]))",
    "kl of a part": "kl(uniform({0, 2}) || q(k[i]))",
    "js": "js(q(k[i]) || categorical(phi[i]))",
    "tv": "tv(q(k[i]) || categorical(phi[i]))",
    "entropy": "entropy(q(k[i]))",
    "mean of q": "mean(q(k[i]))",
    "var of q": "var(q(k[i]))",
    "aggregate where": "aggregate(x[i] * m[i, 0] where n >= 3)",
    "kl of an aggregate": "kl(uniform({0, 1, 2}) || aggregate(q(k[i])))",
}


def _inputs() -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(3)
    x = torch.rand((2, 3), generator=g, dtype=torch.float64) - 0.5
    y = torch.rand((2, 3), generator=g, dtype=torch.float64) + 0.4
    m = torch.rand((2, 3, 3), generator=g, dtype=torch.float64)
    logits = torch.randn((2, 3, 3), generator=g, dtype=torch.float64)
    phi = torch.rand((2, 3, 3), generator=g, dtype=torch.float64) + 0.2
    return tuple(part.requires_grad_() for part in (x, y, m, logits, phi))


def _values(x: Tensor, y: Tensor, m: Tensor, logits: Tensor, phi: Tensor) -> dict[str, object]:
    return {
        "x": x,
        "y": y,
        "m": m,
        "k": Categorical(logits=logits, validate_args=False),
        "phi": phi / phi.sum(-1, keepdim=True),
        "n": torch.tensor([2, 3]),
        "f": lambda a, b: torch.sin(a) * b,
    }


def _check(text: str) -> None:
    program = parse(text)

    def bind(inputs: tuple[Tensor, ...]) -> Bound:
        values = _values(*inputs)
        return bind_values(program.free, {name: values[name] for name in program.free})

    means = program.means(bind(_inputs()))

    def function(*inputs: Tensor) -> Tensor:
        return means.violations(bind(inputs))["r"]

    assert torch.autograd.gradcheck(function, _inputs())


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS.keys())
def test_the_gradient_of_a_term_is_that_of_finite_differences(term: str) -> None:
    _check(f"param T = [1, 0.5, 2]\nrule r: forall i in 0..1: ({term}) <= -100")


FORMULAS = {
    "at most": "forall i: x[i] <= y[i] - 0.7",
    "equal": "forall i: abs(x[i] - y[i]) <= 0.01",
    "strict with margin": "forall i: x[i] < y[i]",
    "interval": "forall i: x[i] in [0.1, 0.2]",
    "outside an interval": "forall i: not (x[i] in [-1, 1])",
    "or": "forall i: x[i] <= -1 or y[i] <= -1",
    "exists": "exists i: x[i] <= -1",
    "exists of a sum": "exists i: x[i] <= -1 and forall j: y[j] <= x[i]",
    "pairs": "forall i != j: abs(x[i] - x[j]) >= 0.6",
    "guarded": "forall i where n >= 3: x[i] <= -1",
    "at least": "(count i: x[i] <= -1) >= 2",
    "at least, of pairs": "(count i: x[i] <= -1 and n <= i) >= 2",
    "at most so many": "(count i: x[i] >= -1) <= 1",
    "iff": "forall i: x[i] >= 1 iff y[i] <= 2",
    "guarded by reals": "forall i where x[i] >= 0: y[i] <= -1",
    "exists under a guard": "exists i where x[i] >= 0: y[i] <= -1",
    "exists that nothing passes": "exists i where x[i] >= 2: y[i] <= -1",
    "count of members": "(count i where x[i] >= 0: y[i] <= -1) >= 2",
    "count beyond the members": "(count i where x[i] >= 2: y[i] <= -1) >= 2",
    "count of members at most": "(count i where x[i] <= 2: y[i] >= -1) <= 1",
    "undefined": "(min i where x[i] >= 2: x[i]) >= 3 and x[0] <= -1",
}


@pytest.mark.parametrize(
    "options", ["", " smooth 3", " power 2", " power 1.5 smooth 2"], ids=["minimum", "power mean", "squared", "both"]
)
@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS.keys())
def test_the_gradient_of_a_formula_is_that_of_finite_differences(formula: str, options: str) -> None:
    _check(f"param T = [1, 0.5, 2]\nrule r{options} margin 0.3: {formula}")


@pytest.mark.parametrize(
    ("term", "x"),
    [
        ("sqrt(x)", [0.0, -1.0, 1e-40]),
        ("log(x)", [0.0, -1.0]),
        ("1 / x", [0.0]),
        ("x / x", [0.0]),
        ("x ^ 0.5", [0.0, -1.0]),
        ("x ^ 2", [0.0]),
        ("x ^ -1", [0.0]),
        ("x ^ 1.5", [0.0, -1.0]),
        ("abs(x)", [0.0]),
        ("exp(x)", [1e4, -1e4]),
        ("x ^ x", [0.0]),
        ("sqrt(x ^ 2 + x ^ 2)", [0.0]),
        ("max(x, -x)", [0.0]),
        ("exp(exp(x))", [50.0]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_at_boundaries(term: str, x: list[float], dtype: torch.dtype) -> None:
    for sign in ("<= -1", ">= 1"):
        values = torch.tensor(x, dtype=dtype, requires_grad=True)
        result = violation(f"rule r: {term} {sign}", {"x": values})
        result.sum().backward()
        assert values.grad is not None
        assert result.dtype == dtype
        assert bool(torch.isfinite(result).all())
        assert bool(torch.isfinite(values.grad).all())


@pytest.mark.parametrize("options", ["", " smooth 2", " smooth 0.5"])
@pytest.mark.parametrize(
    "formula",
    [
        "exists i: x[i] <= 0",
        "forall i: x[i] <= 0 or -x[i] <= 0",
        "(count i: x[i] <= 0) >= 2",
        "exists i where b[i]: x[i] <= -1",
        "forall i where b[i]: sqrt(x[i]) <= -1",
        "(max i where b[i]: x[i]) <= -1",
        "(mean i where b[i]: x[i]) <= -1",
        "forall i: x[i] == x[i]",
    ],
)
def test_gradients_are_finite_at_ties_zeros_and_where_nothing_is_present(formula: str, options: str) -> None:
    for start in ([0.0, 0.0, 0.0], [1.0, 1.0, 2.0], [0.0, 1e-35, 1.0]):
        x = torch.tensor([start, start], requires_grad=True)
        b = torch.tensor([[False, False, False], [True, False, True]])
        given = {"x": x, "b": b} if "b[" in formula else {"x": x}
        result = violation(f"rule r{options}: {formula}", given)
        result.sum().backward()
        assert x.grad is not None
        assert bool(torch.isfinite(result).all())
        assert bool(torch.isfinite(x.grad).all())


def test_a_probability_of_zero_is_handled_finitely() -> None:
    probabilities = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], requires_grad=True)
    phi = probabilities * 1.0
    for term in (
        "kl(categorical(phi) || uniform({0, 1, 2}))",
        "kl(uniform({0, 1, 2}) || categorical(phi))",
        "js(categorical(phi) || uniform({0, 1}))",
        "entropy(categorical(phi))",
    ):
        result = violation(f"rule r: {term} <= -1", {"phi": phi})
        (gradient,) = torch.autograd.grad(result.sum(), probabilities, retain_graph=True)
        assert bool(torch.isfinite(result).all())
        assert bool(torch.isfinite(gradient).all())
    exact = violation("rule r: entropy(categorical(phi)) <= -1", {"phi": phi})
    assert exact.tolist() == pytest.approx([1 + 0.6931471805599453, 1.0])


def test_absent_entries_get_no_gradient_whatever_they_hold() -> None:
    x = torch.tensor([1.0, 1e30, -1e30], requires_grad=True)
    mask = torch.tensor([True, False, False])
    plan, bound = compile_rule("rule r: forall i: exp(x[i]) <= 0", {"x": {"value": x, "mask": mask}})
    result = plan(bound.tensors)["r"]
    result.backward()
    assert x.grad is not None
    assert float(result.detach()) == pytest.approx(2.718281828)
    assert x.grad.tolist() == pytest.approx([2.718281828, 0.0, 0.0])


def test_a_bernoulli_stays_finite_at_certainty() -> None:
    logits = torch.tensor([-200.0, 0.0, 200.0], requires_grad=True)
    result = violation("rule r: forall i: kl(delta(1) || q(b[i])) <= 0", {"b": Bernoulli(logits=logits)})
    result.backward()
    assert float(result.detach()) == pytest.approx(200 + 0.6931471805599453)
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([-1.0, -0.5, 0.0])


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 10.0])
def test_the_power_mean_is_zero_where_one_is_and_at_most_the_smaller(p: float) -> None:
    values = torch.tensor(
        [[0.3, 0.7], [2.0, 2.0], [0.0, 1.0], [5.0, 0.0], [0.0, 0.0], [1e-8, 3.0]], dtype=torch.float64
    )
    mean = operators.power_mean(values[:, 0], values[:, 1], p)
    smallest = values.amin(-1)
    assert bool((mean <= smallest).all())
    assert ((mean == 0) == (smallest == 0)).all()
    exact = (values[:2] ** -p).sum(-1) ** (-1 / p)
    torch.testing.assert_close(mean[:2], exact)


def test_the_power_mean_tends_to_the_minimum_and_gives_every_branch_a_gradient() -> None:
    values = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    means = [float(operators.power_mean(values[0], values[1], p).detach()) for p in (1, 4, 16, 64, 1024)]
    assert means == sorted(means)
    assert means[-1] == pytest.approx(0.3, abs=1e-3)
    operators.power_mean(values[0], values[1], 2.0).backward()
    assert values.grad is not None
    assert bool((values.grad > 0).all())


def test_smooth_grows_with_each_branch() -> None:
    low = violation("rule r smooth 3: exists i: x[i] <= 0", {"x": torch.tensor([1.0, 2.0, 3.0])})
    for place in range(3):
        more = torch.tensor([1.0, 2.0, 3.0])
        more[place] += 0.5
        assert float(violation("rule r smooth 3: exists i: x[i] <= 0", {"x": more})) > float(low)

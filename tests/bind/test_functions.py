"""Functions from Python that misbehave: what they raise comes with the place of the call, and the shapes given."""

import pickle

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

import asrppl

RULES = (
    "rule low: forall i: x[i] <= 9\nrule near: forall i: abs(x[i]) + f(x[i]) <= 1\nrule far: forall i: f(2 * x[i]) >= 0"
)
TEXT = """\
error[ASR073]: the function bound to `f` raised RuntimeError for values of shape (4,): mat1 and mat2 shapes cannot be \
multiplied (1x4 and 3x1)
 --> <rules>:2:34
  |
2 | rule near: forall i: abs(x[i]) + f(x[i]) <= 1
  |                                  ^^^^^^^
  = help: it is given numbers, one for each index and datum, and returns as many; of a network that takes vectors: \
lambda x: net(x.unsqueeze(-1)).squeeze(-1)"""


def guide() -> None:
    pyro.sample("x", dist.Normal(torch.zeros(4), 1.0).to_event(1))


def test_an_error_in_a_function_has_its_place_its_shapes_and_a_mend() -> None:
    network = torch.nn.Linear(3, 1)
    with pytest.raises(asrppl.AsrError) as error:
        asrppl.parse(RULES).violations({"x": torch.ones(4), "f": network})
    assert str(error.value) == TEXT
    assert isinstance(error.value.__cause__, RuntimeError)
    assert error.value.__cause__.__traceback__ is not None


def test_the_mend_mends() -> None:
    net = torch.nn.Linear(1, 1)
    values = {"x": torch.ones(4), "f": lambda x: net(x.unsqueeze(-1)).squeeze(-1)}
    assert asrppl.parse(RULES).violations(values)["near"].requires_grad


def test_so_has_one_under_regularize() -> None:
    elbo = asrppl.regularize(guide, guide, RULES, bind={"f": torch.nn.Linear(3, 1)})
    with pytest.raises(asrppl.AsrError) as error:
        elbo.loss(guide, guide)
    assert str(error.value) == TEXT
    assert isinstance(error.value.__cause__, RuntimeError)


def test_the_second_call_of_a_function_is_named_where_it_fails() -> None:
    def picky(x: Tensor) -> Tensor:
        if bool((x > 1).any()):
            raise KeyError("too far")
        return x

    with pytest.raises(asrppl.AsrError, match=r"raised KeyError for values of shape \(4,\): 'too far'") as error:
        asrppl.parse(RULES).violations({"x": torch.ones(4), "f": picky})
    (found,) = error.value.diagnostics
    assert found.span is not None
    assert found.span.text == "f(2 * x[i])"
    assert pickle.loads(pickle.dumps(error.value)).diagnostics == error.value.diagnostics


def test_calls_that_are_the_same_are_made_once() -> None:
    calls: list[int] = []

    def counted(x: Tensor) -> Tensor:
        calls.append(1)
        return x

    rules = "forall i: f(x[i]) <= 1\nforall i: f(x[i]) >= 0"
    asrppl.parse(rules).violations({"x": torch.ones(4), "f": counted})
    assert len(calls) == 1


def test_a_function_in_place_of_a_formula_has_its_place() -> None:
    with pytest.raises(asrppl.AsrError, match="stands where a formula is needed, and returned float32") as error:
        asrppl.parse("forall i: p(x[i])").violations({"x": torch.ones(4), "p": lambda x: x})
    (found,) = error.value.diagnostics
    assert found.span is not None
    assert found.span.text == "p(x[i])"

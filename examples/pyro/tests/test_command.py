"""The command without a checkout of Pyro: what it reads, compares and says."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor

import asrppl
from examples.pyro.__main__ import main, row
from examples.pyro.cases.mixtures import of_each
from examples.pyro.checkout import Checkout, MissingError
from examples.pyro.compare import Case, Example, Tilted, Values, compare


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# ---- reading


def test_a_folder_that_is_no_checkout_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"{tmp_path} is no checkout of Pyro" in said
    assert "git clone" in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "examples").mkdir()
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2
    assert "has no examples/hmm.py" in capsys.readouterr().err


def test_an_example_imports_what_lies_beside_it_and_a_stand_in_for_what_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "beside.py").write_text("WIDTH = 3\n")
    text = "import torch\nimport visdom\nfrom beside import WIDTH\ntorch.set_default_dtype(torch.float32)\n"
    (tmp_path / "examples" / "one.py").write_text(text)
    before = set(sys.modules)
    assert Checkout(tmp_path).module("examples/one.py").WIDTH == 3
    assert torch.get_default_dtype() == torch.float64
    assert "beside" not in sys.modules
    assert set(sys.modules) - before <= {"visdom"}


def test_cells_of_a_notebook_are_found_by_how_they_begin(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    cells = [{"cell_type": "markdown", "source": ["a = 1"]}]
    cells += [{"cell_type": "code", "source": text} for text in (["%magic\n", "a = 2"], ["a = b\n", "print(a)"])]
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": cells}))
    checkout = Checkout(tmp_path)
    assert checkout.cells("one.ipynb", ("a = ",), {"b": 5})["a"] == 5
    with pytest.raises(MissingError, match="no cell that begins with `c = `"):
        checkout.cells("one.ipynb", ("c = ",), {})


# ---- comparing

SELDOM = asrppl.parse("rule seldom hard: aggregate(P[k == 1]) <= 0.1")
X = torch.tensor([-1.2, 0.3, 1.1, 0.8], dtype=torch.float64)


def mixture() -> None:
    logits = pyro.param("logits", torch.tensor([0.3, -0.2]))
    with pyro.plate("data", len(X)):
        k = pyro.sample("k", dist.Categorical(logits=logits), infer={"enumerate": "parallel"})
        pyro.sample("x", dist.Normal(2.0 * k, 1.0), obs=X)


def nothing() -> None:
    pass


def shares(values: Values) -> Tilted:
    del values
    own = dist.Normal(torch.tensor([0.0, 2.0]), 1.0).log_prob(X.unsqueeze(-1))
    return of_each(pyro.param("logits").log_softmax(-1) + own, torch.tensor([0.0, 1.0]))


def hidden(**other: Any) -> Case:
    made = Example(mixture, nothing, lambda: TraceEnum_ELBO(max_plate_nesting=1), ())
    return Case("tiny", SELDOM, lambda: made, bound=0.1, tilted=other.pop("by", shares), **other)


def test_what_is_right_by_hand_agrees_in_violation_and_gradient() -> None:
    outcome = compare(hidden())
    assert outcome.agrees
    assert outcome.found > 0.05
    assert outcome.off is not None
    assert outcome.off < 1e-10
    assert row(outcome).endswith("| as it should be |")


def test_what_is_wrong_does_not_agree() -> None:
    def other(values: Values) -> Tilted:
        del values
        return of_each(pyro.param("logits").expand(4, 2), torch.tensor([0.0, 1.0]))

    outcome = compare(hidden(by=other))
    assert not outcome.agrees
    assert row(outcome).endswith("| WRONG |")


def test_a_refusal_is_as_it_should_be_where_it_is_the_one_that_is_awaited() -> None:
    def case(refused: str | None) -> Case:
        made = Example(mixture, nothing, Trace_ELBO, ())
        return Case("tiny", SELDOM, lambda: made, bound=0.1, tilted=shares, refused=refused)

    assert compare(case("ASR092")).agrees
    assert not compare(case("ASR090")).agrees
    assert not compare(case(None)).agrees
    assert "ASR092: " in row(compare(case("ASR092")))
    assert not compare(hidden(refused="ASR092")).agrees


def test_of_draws_the_gradient_is_that_of_the_weighted_violation() -> None:
    def guide() -> None:
        m = pyro.param("m", torch.tensor(0.5))
        with pyro.plate("data", len(X)):
            pyro.sample("z", dist.Normal(m, 1.0))

    def model() -> None:
        with pyro.plate("data", len(X)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=X)

    def above(values: Values) -> Tensor:
        return values["z"].clamp(min=0).mean()

    made = Example(model, guide, Trace_ELBO, ())
    below = asrppl.parse("rule below weight 2: z <= 0")
    outcome = compare(Case("tiny", below, lambda: made, len(X), violation=above))
    assert outcome.agrees
    assert not compare(Case("tiny", below, lambda: made, 1, violation=above)).agrees

"""Which data a batch holds: what a plate says of it, where it says so wrongly, and `data_index=`."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI
from torch import Tensor

import asrppl
from asrppl.diagnostics import AsrError

X = torch.tensor([2.0, -1.0, 0.5, -2.0, 1.0, -0.2])
RULE = "rule low hard: E[z] <= 0"


def programs(plate: Callable[[Tensor], Any], observed: Callable[[Tensor, Tensor], Tensor]) -> tuple[Any, Any]:
    """A model and a guide of z ~ N(0, 1) and x ~ N(z, 1); the guide has a location for each datum."""

    def model(index: Tensor) -> None:
        with plate(index) as own:
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=observed(index, own))

    def guide(index: Tensor) -> None:
        loc: Any = pyro.param("loc", torch.zeros(len(X)))
        with plate(index) as own:
            rows = own if observed(torch.tensor([0]), torch.tensor([3])).item() == X[3] else index
            pyro.sample("z", dist.Normal(loc[rows], 0.5**0.5))

    return model, guide


def drawn(index: Tensor) -> Any:
    return pyro.plate("data", len(X), subsample_size=len(index))


def chosen(index: Tensor) -> Any:
    return pyro.plate("data", len(X), subsample=index)


def unsized(index: Tensor) -> Any:
    return pyro.plate("data", len(index))


def of_the_batch(index: Tensor, own: Tensor) -> Tensor:
    return X[index]


def of_the_plate(index: Tensor, own: Tensor) -> Tensor:
    return X[own]


def known(plate: Callable[[Tensor], Any], observed: Callable[[Tensor, Tensor], Tensor], **options: Any) -> str:
    """How the mean of a rule of each datum is known after a step."""
    model, guide = programs(plate, observed)
    elbo = asrppl.regularize(model, guide, RULE, **options)
    svi: Any = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), elbo)  # pyright: ignore[reportAttributeAccessIssue]
    svi.step(torch.tensor([4, 0, 2]))
    return elbo.report.moments["low"]["E[z]"]


def test_a_plate_tells_data_apart_where_its_entries_choose_them() -> None:
    assert known(drawn, of_the_plate) == "tracked per datum"
    assert known(chosen, of_the_plate) == "tracked per datum"
    # The programs know the entries by themselves: that the observations do not follow the plate says nothing.
    assert known(chosen, of_the_batch) == "tracked per datum"


def test_a_plate_that_draws_entries_of_a_batch_that_is_handed_to_it_tells_nothing_apart() -> None:
    assert known(drawn, of_the_batch) == "drawn anew"
    assert known(drawn, of_the_batch, data_index=lambda index: index) == "tracked per datum"


def multipliers(plate: Callable[[Tensor], Any], batches: list[list[int]], **options: Any) -> Tensor:
    """The multiplier of each datum after a step on each batch."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    model, guide = programs(plate, of_the_batch)
    elbo = asrppl.regularize(model, guide, RULE, **options)
    svi: Any = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), elbo)  # pyright: ignore[reportAttributeAccessIssue]
    for batch in batches:
        svi.step(torch.tensor(batch))
    (state,) = elbo.state_dict()["rules"].values()
    (found,) = state["multipliers"].values()
    return found


def test_each_datum_has_its_multiplier_where_the_caller_says_which_it_is() -> None:
    batches = [[4, 0], [0, 2], [2, 4]] * 30
    told = multipliers(drawn, batches, data_index=lambda index: index)
    assert told[[1, 3, 5]].tolist() == [0, 0, 0]
    assert told[[0, 2, 4]].min() > 0
    by_plate = multipliers(chosen, batches)
    assert torch.equal(multipliers(chosen, batches, data_index=lambda index: index), by_plate)


def test_its_entries_are_those_of_the_report() -> None:
    model, guide = programs(drawn, of_the_batch)
    elbo = asrppl.regularize(model, guide, "rule low: E[z] <= -3", data_index=lambda index: index)
    elbo.loss(model, guide, torch.tensor([5, 1]))
    assert {datum for _, datum, _ in _worst(elbo.report)} == {5, 1}


def _worst(report: Any) -> list[tuple[Any, Any, Any]]:
    return [(each.rule, each.datum, each.violation) for each in report.worst(2)]


@pytest.mark.parametrize(
    ("plate", "data_index", "message", "mend"),
    [
        (drawn, lambda index: index[:2], "a tensor (2,) of torch.int64, for a batch of 3 data", "a tensor (3,)"),
        (drawn, lambda index: index * 1.0, "of torch.float32", "whole numbers"),
        (drawn, lambda index: index + 3, "holds datum 7, and there are 6 data, from 0 on", "say how many there are"),
        (unsized, lambda index: index, "holds datum 4, and there are 3 data, from 0 on", "subsample_size=len(batch)"),
    ],
)
def test_what_is_no_index_of_the_batch_is_refused(
    plate: Any, data_index: Callable[[Tensor], Tensor], message: str, mend: str
) -> None:
    model, guide = programs(plate, of_the_batch)
    elbo = asrppl.regularize(model, guide, RULE, data_index=data_index)
    with pytest.raises(AsrError) as caught:
        elbo.loss(model, guide, torch.tensor([4, 0, 2]))
    (found,) = caught.value.diagnostics
    assert found.code == "ASR098"
    assert message in found.message
    assert mend in (found.help or "")


def test_without_a_data_plate_there_is_nothing_to_index() -> None:
    def model() -> None:
        pyro.sample("x", dist.Normal(pyro.sample("z", dist.Normal(0.0, 1.0)), 1.0), obs=X[0])

    def guide() -> None:
        pyro.sample("z", dist.Normal(0.0, 1.0))

    elbo = asrppl.regularize(model, guide, RULE, data_index=lambda: torch.tensor([0]))
    with pytest.raises(AsrError, match="there is no data plate"):
        elbo.loss(model, guide)

"""One run in plain torch: with or without the rule, and what comes of it on cars that training never saw."""

import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import asrppl
from examples.gallery.monotone.data import DATA, FALLING, Cars, split
from examples.gallery.runs import Key, Metrics

HIDDEN = 64
RATE = 3e-3
CHECKED = 25  # steps from one look at the validation part to the next
RULES = Path(__file__).with_name("monotone.asr")
RISE = 0.01  # miles a gallon: what counts as a rise
CURVE = 25  # points of a curve, from the car's own value to the largest of training


def run(key: Key) -> Metrics:
    """Train and measure: ``key`` has data, seed, steps, and the rule's weight, None without it.

    A key with ``part`` "validation" is measured there: the test part is for the runs of the table alone.
    """
    train, validation, test = split(DATA[key["data"]](), key["seed"])
    start = time.process_time()
    last, stopped, violations = fit(train, validation, key["seed"], key["steps"], key["weight"])
    seconds = time.process_time() - start
    cars = test if key["part"] == "test" else validation
    found = {name: measure(network, train, cars) for name, network in (("last", last), ("stopped", stopped))}
    return {**found, "violations": violations, "cpu_seconds": round(seconds, 1)}


def fit(
    train: Cars, validation: Cars, seed: int, steps: int, weight: float | None
) -> tuple[nn.Module, nn.Module, list[float]]:
    """Return the last network, the one that was best on the validation part, and the rule's violation at each look.

    Both kinds of run have the same start. The rule is said of cars made up for each step: features of two cars of the
    training part mixed, then one of the three raised towards the largest value that training knows.
    """
    torch.manual_seed(seed)
    columns = train.features.shape[1]
    network = nn.Sequential(
        nn.Linear(columns, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
    )
    with torch.no_grad():
        network[-1].bias.fill_(float(train.miles.mean()))  # pyright: ignore
    program = asrppl.load(RULES)
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    draws = torch.Generator().manual_seed(seed)  # so that what is made up moves no other random number
    best, kept, violations = float("inf"), deepcopy(network), list[float]()
    for step in range(steps):
        adam.zero_grad()
        loss = (network(train.features)[:, 0] - train.miles).square().mean()
        look = step % CHECKED == 0
        if weight is not None or look:
            pairs = predicted(network, made_up(train.features, draws))
            if look:
                violations.append(round(float(program.violations(pairs)["falling"].mean().detach()), 5))
            if weight is not None:
                loss = loss + program.scaled(weight / 10).penalty(pairs)
        loss.backward()
        adam.step()
        if look:
            error = squared_error(network, validation)
            if error < best:
                best, kept = error, deepcopy(network)
    return network, kept, violations


def made_up(features: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return cars ``(cars, columns)``, and three copies of each with one feature raised, ``(cars, 3, columns)``."""
    count = len(features)
    other = features[torch.randperm(count, generator=draws)]
    here = torch.where(torch.rand(features.shape, generator=draws) < 0.5, features, other)
    share = torch.rand(count, len(FALLING), generator=draws)
    moved = here[:, None].repeat(1, len(FALLING), 1)
    for place, column in enumerate(FALLING):
        moved[:, place, column] += share[:, place] * (features[:, column].max() - here[:, column])
    return here, moved


def predicted(network: nn.Module, cars: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Return what the rule reads: predictions for cars and for their copies."""
    here, moved = cars
    both = network(torch.cat([here[:, None], moved], 1))[..., 0]
    return {"here": both[:, 0], "moved": both[:, 1:]}


@torch.no_grad()
def squared_error(network: nn.Module, cars: Cars) -> float:
    """Return the mean squared error, in miles² a gallon²."""
    return float((network(cars.features)[:, 0] - cars.miles).square().mean())


@torch.no_grad()
def curves(network: nn.Module, train: Cars, cars: Cars) -> Tensor:
    """Return predictions ``(cars, 3, points)`` as each of three features alone goes up to training's largest."""
    share = torch.linspace(0, 1, CURVE)
    paths = cars.features[:, None, None].repeat(1, len(FALLING), CURVE, 1)
    for place, column in enumerate(FALLING):
        room = (train.features[:, column].max() - cars.features[:, column]).clamp_min(0)
        paths[:, place, :, column] += room[:, None] * share
    return network(paths)[..., 0]


def measure(network: nn.Module, train: Cars, cars: Cars) -> dict[str, Any]:
    """Return what the network is like on ``cars``.

    The entries are ``mse``, ``rising`` (for each of the three features the share of cars whose curve rises somewhere,
    by more than 0.01) and ``rise`` (by how many miles a gallon, all rises of a curve added up, on average).
    """
    ups = curves(network, train, cars).diff(dim=-1)
    return {
        "mse": squared_error(network, cars),
        "rising": (ups > RISE).any(-1).float().mean(0).tolist(),
        "rise": float(ups.clamp_min(0).sum(-1).mean()),
    }

"""Cars: how far they go on a gallon (AutoMPG, UCI 1983), or a small table of the same form that is made here.

The table is a file of the package mlxtend: 392 cars of the years 1970 to 1982 without missing entries.
"""

import csv
import gzip
import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FALLING = (0, 1, 2)
"""Columns of features in which the distance must not rise: displacement, horsepower, weight."""
NAMES = ("displacement", "horsepower", "weight")
TEST_SEED = 2026  # one test part for all runs


@dataclass(frozen=True)
class Cars:
    """Some cars.

    Args:
        features: ``(cars, columns)``; the first three are displacement, horsepower and weight.
        miles: miles a gallon, ``(cars,)``.
    """

    features: Tensor
    miles: Tensor

    def __len__(self) -> int:
        return len(self.miles)

    def of(self, rows: Tensor) -> "Cars":
        """Return those cars."""
        return Cars(self.features[rows], self.miles[rows])


def read_autompg() -> Cars:
    """Return all 392 cars; the origin is three columns of zeros and ones, the name is left out."""
    spec = find_spec("mlxtend")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "data" / "data" / "autompg.csv.gz"
    rows = list(csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    cylinders, displacement, horsepower, weight, acceleration, year, origin, miles = np.array(
        [row[:7] + row[8:] for row in rows], dtype=np.float32
    ).T
    places = [origin == place for place in (1, 2, 3)]
    columns = [displacement, horsepower, weight, cylinders, acceleration, year, *places]
    return Cars(torch.from_numpy(np.stack(columns, 1).astype(np.float32)), torch.from_numpy(miles.copy()))


def synthetic(cars: int = 120) -> Cars:
    """Return cars whose distance falls in the first three of five features, with noise: what tests run on."""
    draws = torch.Generator().manual_seed(0)
    size = torch.randn(cars, 1, generator=draws)  # large cars are large in all three
    features = torch.cat([size + 0.7 * torch.randn(cars, 3, generator=draws), torch.randn(cars, 2, generator=draws)], 1)
    miles = 22 - 5 * torch.tanh(features[:, :3]).sum(1) / 3 + features[:, 3] + 2 * torch.randn(cars, generator=draws)
    return Cars(features, miles)


DATA = {"autompg": read_autompg, "synthetic": synthetic}


def split(cars: Cars, seed: int) -> tuple[Cars, Cars, Cars]:
    """Return cars for training, for validation and for the test, features in standard deviations of the first two.

    A fifth is the test, the same for all seeds; an eighth of the others, drawn by ``seed``, is validation.
    """
    order = torch.randperm(len(cars), generator=torch.Generator().manual_seed(TEST_SEED))
    test, others = order[: len(cars) // 5], order[len(cars) // 5 :]
    others = others[torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))]
    validation, train = others[: len(others) // 8], others[len(others) // 8 :]
    scale = cars.features[others].std(0).clamp_min(1e-6)
    units = Cars((cars.features - cars.features[others].mean(0)) / scale, cars.miles)
    return units.of(train), units.of(validation), units.of(test)

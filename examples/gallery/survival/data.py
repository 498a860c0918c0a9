"""Women after an operation for breast cancer (GBSG2), or a small table of the same form that is made here.

GBSG2 is a trial of the German Breast Cancer Study Group (Schumacher et al. 1994): 686 women, 299 of whom had a relapse
or died. The table is a file of the package lifelines, which is not imported.
"""

import csv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

YEAR = 365.25
NODES = 0
"""Column of the logarithm of the number of positive lymph nodes."""


@dataclass(frozen=True)
class Women:
    """Some women.

    Args:
        features: ``(women, columns)``; the first is log(positive nodes).
        years: time to relapse or death, or to when she was last seen, ``(women,)``.
        relapsed: 1 where the time is one of relapse or death, ``(women,)``.
    """

    features: Tensor
    years: Tensor
    relapsed: Tensor

    def __len__(self) -> int:
        return len(self.years)

    def of(self, rows: Tensor) -> "Women":
        """Return those women."""
        return Women(self.features[rows], self.years[rows], self.relapsed[rows])


def read_gbsg2() -> Women:
    """Return all 686 women; counts that reach into the hundreds are logarithms."""
    spec = find_spec("lifelines")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "gbsg2.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [
        [np.log(float(row["pnodes"])) for row in rows],
        [float(row["age"]) for row in rows],
        [float(row["tsize"]) for row in rows],
        [float(len(row["tgrade"])) for row in rows],  # I, II, III
        [np.log1p(float(row["progrec"])) for row in rows],
        [np.log1p(float(row["estrec"])) for row in rows],
        [float(row["horTh"] == "yes") for row in rows],
        [float(row["menostat"] == "Post") for row in rows],
    ]
    times = [[float(row[name]) for row in rows] for name in ("time", "cens")]
    years, relapsed = torch.tensor(times)
    return Women(torch.tensor(columns, dtype=torch.float32).T.contiguous(), years / YEAR, relapsed)


def synthetic(women: int = 150) -> Women:
    """Return women whose risk grows with the first of three features: what tests run on."""
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(women, 3, generator=draws)
    risk = 0.25 * torch.exp(0.8 * features[:, 0] + 0.3 * features[:, 1])
    relapse = -torch.rand(women, generator=draws).log() / risk
    seen = 1 + 6 * torch.rand(women, generator=draws)
    return Women(features, torch.minimum(relapse, seen), (relapse <= seen).float())


DATA = {"gbsg2": read_gbsg2, "synthetic": synthetic}


def split(women: Women, seed: int) -> tuple[Women, Women]:
    """Return half of them for training and half held out, drawn by ``seed``, features in training's units."""
    order = torch.randperm(len(women), generator=torch.Generator().manual_seed(seed))
    train, held_out = order[: len(order) // 2], order[len(order) // 2 :]
    scale = women.features[train].std(0).clamp_min(1e-6)
    units = (women.features - women.features[train].mean(0)) / scale
    every = Women(units, women.years, women.relapsed)
    return every.of(train), every.of(held_out)

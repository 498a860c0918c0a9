"""The runs that a table is made of, in the order in which they are trained."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from asrppl_air.options import TrainOptions
from asrppl_air.reproduce.recipe import EPOCHS, METHODS, NUMBER, OVERLAP, Method, Preset, Protocol, Setting, recipe

Target = Literal["table1", "table2", "figures", "ablations", "all"]
TableName = Literal["table1", "table2", "ablations"]
SETTINGS_OF: dict[str, tuple[Setting, ...]] = {"table1": NUMBER, "table2": OVERLAP}


@dataclass(frozen=True)
class Regime:
    """How long all runs are trained, from which digits (a folder, or None: the embedded ones), with which preset."""

    protocol: Protocol = "short"
    mnist: str | None = None
    preset: Preset = "ours"
    epochs: float | None = None

    @property
    def all_epochs(self) -> float:
        """Epochs of each run."""
        return EPOCHS[self.protocol] if self.epochs is None else self.epochs

    @property
    def folder(self) -> str:
        """The name of the folder of such runs; runs of two regimes never share one."""
        parts: list[str] = [self.protocol]
        if self.epochs is not None:
            parts.append(f"{self.epochs:g}")
        if self.preset != "ours":
            parts.append(f"{self.preset}-preset")
        if self.mnist is None:
            parts.append("embedded")
        return "-".join(parts)

    @property
    def digits(self) -> str:
        """Where the digits come from, for the results."""
        return "embedded" if self.mnist is None else "mnist"


@dataclass(frozen=True)
class Cell:
    """One run: a method in a setting from a seed; `change` is what an ablation changed, None for the tables' runs."""

    table: TableName
    method: Method
    setting: Setting
    seed: int
    regime: Regime
    options: TrainOptions = field(repr=False)
    change: str | None = None
    slug: str | None = None

    @property
    def name(self) -> str:
        """The name of its folder, and of its lines of progress."""
        return f"{self.slug or self.method}-{self.setting}-{self.seed}"

    def folder(self, out: Path) -> Path:
        """Where it is trained."""
        return out / self.regime.folder / self.name

    @property
    def key(self) -> dict[str, Any]:
        """What tells its result from all others, in the results' order of fields."""
        regime = self.regime
        values: dict[str, Any] = {
            "method": self.method,
            "setting": self.setting,
            "protocol": regime.protocol,
            "seed": self.seed,
            "preset": regime.preset,
            "digits": regime.digits,
        }
        if regime.epochs is not None:
            values["epochs"] = regime.epochs
        if self.change is not None:
            values["change"] = self.change
        return values

    @property
    def command(self) -> str:
        """The command that trains this run alone (and, of the ablations, those beside it)."""
        regime = self.regime
        words = ["asrppl air reproduce", self.table, "--settings", self.setting, "--seeds", str(self.seed)]
        if self.change is None:
            words += ["--methods", self.method]
            if regime.protocol != "custom":
                words += ["--protocol", regime.protocol]
        if regime.preset != "ours":
            words += ["--preset", regime.preset]
        if regime.epochs is not None:
            words += ["--epochs", f"{regime.epochs:g}"]
        if regime.mnist is not None:
            words += ["--mnist", "DIR"]
        return " ".join(words)


def table_cells(
    tables: Sequence[Literal["table1", "table2"]],
    regime: Regime,
    *,
    seeds: Sequence[int],
    methods: Iterable[Method] = METHODS,
    settings: Iterable[Setting] | None = None,
) -> list[Cell]:
    """The runs of the tables, AIR-ASR's first, one seed of every setting before the next seed."""
    wanted = set(methods)
    cells: list[Cell] = []
    for group in (("air-asr",), ("air", "air-pprior")):
        for seed in seeds:
            for table in tables:
                for setting in SETTINGS_OF[table]:
                    if settings is not None and setting not in set(settings):
                        continue
                    for method in group:
                        if method in wanted:
                            run = recipe(
                                method,
                                setting,
                                epochs=regime.all_epochs,
                                seed=seed,
                                mnist=regime.mnist,
                                preset=regime.preset,
                            )
                            cells.append(Cell(table, method, setting, seed, regime, run))
    return cells

"""What becomes of AIR-ASR when one thing is changed: one seed, few epochs, two settings."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from asrppl import Program
from asrppl_air.options import TrainOptions
from asrppl_air.reproduce.grid import Cell, Regime
from asrppl_air.reproduce.recipe import ABLATED, Setting, changes, options, settings

AS_IT_STANDS = "as it stands"
FACTORS = (0.1, 10.0)
SCORE = "score function with learnt baselines, for the exact sum over n"


def ablation_cells(regime: Regime, seeds: Sequence[int], chosen: Iterable[Setting] | None = None) -> list[Cell]:
    """The runs of the ablations in the settings `chosen` (default: all of `ABLATED`), those without a change first."""
    cells: list[Cell] = []
    wanted = set(ABLATED if chosen is None else chosen)
    for seed in seeds:
        for setting in ABLATED:
            if setting not in wanted:
                continue
            known: list[TrainOptions] = []
            for change, run in _changed(setting, regime, seed):
                # A change that changes nothing here (a prior that is the authors' anyway) would be the same run again.
                if run in known:
                    continue
                known.append(run)
                slug = re.sub(r"[^a-z0-9]+", "-", f"asr {change}".lower()).strip("-")[:70].strip("-")
                cells.append(Cell("ablations", "air-asr", setting, seed, regime, run, change, slug))
    return cells


def _changed(setting: Setting, regime: Regime, seed: int) -> Iterator[tuple[str, TrainOptions]]:
    values = settings("air-asr", setting, regime.preset)

    def run(**changes: Any) -> TrainOptions:
        made = {**values, **changes}
        return options(made, setting, epochs=regime.all_epochs, seed=seed, mnist=regime.mnist)

    whole = run()
    yield AS_IT_STANDS, whole
    assert whole.rules is not None
    program = Program.from_dict(whole.rules)
    for rule in program.rules:
        yield f"without the rule {rule.name}", replace(whole, rules=program.without(rule.name).to_dict())
    for factor in FACTORS:
        yield f"all weights × {factor:g}", replace(whole, rules=program.scaled(factor).to_dict())
    for name, change in changes(setting).items():
        yield name, run(**change)
    if not whole.air().fixed_count:
        yield SCORE, run(estimator="score")

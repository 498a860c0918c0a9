"""What was aimed at for AIR-ASR, and what came of it."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asrppl_air.reproduce.grid import TableName
from asrppl_air.reproduce.paper import (
    LOWER_IS_BETTER,
    MEASURES,
    METHOD_NAMES,
    MOST_SPREAD,
    SETTING_NAMES,
    TARGETS,
    Measure,
)
from asrppl_air.reproduce.recipe import METHODS, Method, Setting
from asrppl_air.reproduce.render import DECIMALS, MISSING, line
from asrppl_air.reproduce.results import Record
from asrppl_air.reproduce.tables import Value, regime_of, values_of


@dataclass(frozen=True)
class Verdict:
    """What was aimed at, what came of it, and whether that is enough; `reached` None where runs are missing."""

    setting: Setting
    what: str
    aim: str
    reached: str | None
    met: bool | None


def verdicts(results: Mapping[TableName, Sequence[Record]]) -> list[Verdict]:
    """The targets for AIR-ASR under the short protocol with our settings and all of MNIST, met or missed."""
    runs = [run for name in ("table1", "table2") for run in results.get(name, ())]
    runs = [run for run in runs if regime_of(run) == ("short", "ours", "mnist", None)]
    found: list[Verdict] = []
    for setting, aims in TARGETS.items():
        means: dict[Method, dict[Measure, Value]] = {
            method: values_of([run for run in runs if (run["method"], run["setting"]) == (method, setting)], MEASURES)
            for method in METHODS
        }
        ours = means["air-asr"]
        for measure, aim in aims.items():
            lower = measure in LOWER_IS_BETTER
            value = ours.get(measure)
            met = None if value is None else (value.mean <= aim if lower else value.mean >= aim)
            sign = "≤" if lower else "≥"
            found.append(
                Verdict(setting, MEASURES[measure], f"{sign} {aim:g}", _reached(value, measure, aim, met), met)
            )
        for measure, most in MOST_SPREAD.items():
            sd = ours[measure].sd if measure in ours else None
            if measure in aims:
                reached = None if sd is None else f"{sd:.3f}"
                met = None if sd is None else sd <= most
                found.append(Verdict(setting, f"SD of {MEASURES[measure]}", f"≤ {most:g}", reached, met))
        found.append(_ahead(setting, aims, means))
    return found


def _reached(value: Value | None, measure: Measure, aim: float, met: bool | None) -> str | None:
    if value is None:
        return None
    digits = DECIMALS[measure]
    missed = "" if met else f" (by {abs(value.mean - aim):.{digits}f})"
    return f"{value.mean:.{digits}f}{missed}"


def _ahead(setting: Setting, aims: Iterable[Measure], means: Mapping[Method, Mapping[Measure, Value]]) -> Verdict:
    what, aim = "ahead of AIR and AIR-pPrior", "in each measure"
    if not all(measure in found for found in means.values() for measure in aims):
        return Verdict(setting, what, aim, None, None)
    behind: list[str] = []
    for measure in aims:
        better = operator.lt if measure in LOWER_IS_BETTER else operator.gt
        for method in ("air", "air-pprior"):
            if not better(means["air-asr"][measure].mean, means[method][measure].mean):
                behind.append(f"{METHOD_NAMES[method]} in {MEASURES[measure]}")
    return Verdict(setting, what, aim, f"behind {', '.join(behind)}" if behind else "ahead in all", not behind)


def verdict_table(found: Iterable[Verdict]) -> str:
    """The targets as Markdown."""
    lines = [line(["AIR-ASR", "measure", "target", "reached", ""]), line(["---"] * 5)]
    for verdict in found:
        word = {None: "runs missing", True: "met", False: "**missed**"}[verdict.met]
        lines.append(
            line([SETTING_NAMES[verdict.setting], verdict.what, verdict.aim, verdict.reached or MISSING, word])
        )
    return "\n".join(lines) + "\n"

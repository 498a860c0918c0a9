"""A run as a picture: what the objective, the rules' violations and their weights were, step by step."""

from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Any

from asrppl.infer.report import Report


def curves(reports: Sequence[Report], hard: Collection[str] = ()) -> Any:
    """Return a `matplotlib.figure.Figure` of three panels above each other: loss, violations, weights.

    It is none of pyplot's: a notebook shows it once, and nobody has to close it.

    Args:
        reports: of a run, in order.
        hard: the rules whose weights are multipliers.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: there is no report.
    """
    if not reports:
        raise ValueError("there is nothing to plot: no training call has been made yet")
    try:
        figures: Any = import_module("matplotlib.figure")
    except ImportError:
        raise ImportError("plot needs matplotlib: pip install 'asrppl[plot]', or take history") from None
    rows = [report.to_dict() for report in reports]
    steps = [row["step"] for row in rows]
    figure: Any = figures.Figure(figsize=(7, 7), layout="constrained")
    loss, violations, weights = figure.subplots(3, 1, sharex=True)
    _line(loss, steps, [row["returned"] for row in rows], label="with the rules", color="0.65")
    _line(loss, steps, [row["returned"] - row["penalty"] for row in rows], label="without them", color="0.1")
    for place, name in enumerate(dict.fromkeys(name for row in rows for name in row["rules"])):
        style = {"color": f"C{place}", "linestyle": ("-", "--", ":")[place // 10 % 3]}
        known = [row["rules"].get(name, {}) for row in rows]
        _line(violations, steps, [each.get("violation", float("nan")) for each in known], label=name, **style)
        label = f"{name} (multiplier)" if name in hard else name
        _line(weights, steps, [each.get("weight", float("nan")) for each in known], label=label, **style)
    for axes, title in ((loss, "loss"), (violations, "violation"), (weights, "weight, nats per datum")):
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
        if axes.get_lines():
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    for axes in (violations, weights):
        axes.set_ylim(bottom=0)  # neither is ever below
    weights.set_xlabel("step")
    figure.align_ylabels()
    return figure


def _line(axes: Any, steps: list[int], values: list[float], **style: Any) -> None:
    # One step alone is a point, which a line does not show; a line along the border would lose half of its width.
    axes.plot(steps, values, linewidth=1.2, marker="o" if len(steps) == 1 else None, clip_on=False, **style)

"""The picture: of each run its gap and its objective on held-out data."""

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.fair_classifier.train import GAP, WITHIN
from examples.gallery.runs import Metrics

_LOOKS: dict[str, dict[str, Any]] = {
    "unconstrained": {"marker": "x", "color": "0.4"},
    "asrppl": {"marker": "o", "color": "C0"},
    "cooper": {"marker": "^", "facecolors": "none", "edgecolors": "C1", "s": 60},
    "humancompatible-train": {"marker": "s", "color": "C2"},
    "asrppl, within": {"marker": "o", "facecolors": "none", "edgecolors": "C0"},
}


def draw(by_method: dict[str, list[Metrics]], path: Path) -> None:
    """Draw a point for each run: all of them, and beside it the constrained ones alone."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 3.3), layout="constrained")
        everyone, constrained = figure.subplots(1, 2, width_ratios=(2, 3))
        for panel in (everyone, constrained):
            panel.axvspan(0.0, GAP, color="C2", alpha=0.12, lw=0)
            panel.axvspan(GAP, GAP + WITHIN, color="C2", alpha=0.05, lw=0)
            panel.axvline(GAP, color="0.5", lw=0.8)
            for method, runs in by_method.items():
                if panel is constrained and method == "unconstrained":
                    continue
                held_out = [metrics["held_out"] for metrics in runs]
                gaps, objectives = ([abs(each[name]) for each in held_out] for name in ("gap", "objective"))
                panel.scatter(gaps, objectives, label=method, **{"s": 18, "alpha": 0.8, **_LOOKS[method]})
            panel.set_xlabel("gap of the mean scores, held out")
            panel.grid(alpha=0.3)
        everyone.set_xlim(0.0)
        everyone.set_ylabel("−ELBO, nats a person, held out")
        constrained.set_xlim(left=0.035)
        figure.legend(*everyone.get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8)
        figure.savefig(path, dpi=150)

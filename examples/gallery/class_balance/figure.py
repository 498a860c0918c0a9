"""The picture: accuracy on held-out images, by rules and number of labels."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics


def draw(runs: dict[int, dict[str, list[Metrics]]], path: Path) -> None:
    """Draw a line for each seed through its accuracies; a panel for each number of labels."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 2.8), layout="constrained")
        panels = figure.subplots(1, len(runs), sharey=True)
        for panel, (labels, by_rules) in zip(panels, runs.items(), strict=True):
            shown = list(by_rules)
            places = range(len(shown))
            for seed in range(len(by_rules[shown[0]])):
                panel.plot(
                    places, [100 * by_rules[name][seed]["accuracy"] for name in shown], "C0.-", alpha=0.4, lw=0.8
                )
            means = [100 * sum(each["accuracy"] for each in by_rules[name]) / len(by_rules[name]) for name in shown]
            panel.plot(places, means, "kD", ms=5, label="mean")
            panel.set_xticks(places, shown)
            panel.set_xlim(-0.3, len(shown) - 0.7)
            panel.set_title("one label of each class" if labels == 1 else f"{labels} labels of each class", fontsize=9)
            panel.grid(alpha=0.3)
        panels[0].set_ylabel("accuracy, %, held out")
        panels[-1].legend(loc="lower right", fontsize=8)
        figure.savefig(path, dpi=150)

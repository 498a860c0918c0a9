"""`python -m docs.figures`: the curves of docs/choosing.md, as small SVG files beside this one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import asrppl
from docs.figures.runs import AVERAGES, FAR, train

HERE = Path(__file__).parent
WEIGHTS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 1.0, 3.0, 10.0)
# Colours that people who see few colours tell apart (Okabe and Ito), and a line style of its own for each.
STYLES: dict[str, dict[str, Any]] = {
    "plain": {"color": "#0072b2", "linestyle": "-"},
    "power 2": {"color": "#d55e00", "linestyle": "--"},
    "smooth 2": {"color": "#009e73", "linestyle": "-."},
    "smooth 8": {"color": "#56b4e9", "linestyle": ":"},
    "hard": {"color": "#000000", "linestyle": ":"},
    "warm-up": {"color": "#cc79a7", "linestyle": "--"},
}
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "asrppl",  # the same file each time
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def costs(rule: str, first: torch.Tensor, second: torch.Tensor) -> list[float]:
    """Return what a rule on a and b costs at each pair of values."""
    violations = asrppl.parse(f"rule low {rule}").violations({"a": first, "b": second})
    return violations["low"].tolist()


def shapes() -> Figure:
    """What is charged: `power` of one comparison, `smooth` of two that an `or` joins."""
    figure, (left, right) = _figure()
    at = torch.linspace(0.0, 3.0, 61)
    for name in ("plain", "power 2"):
        options = "" if name == "plain" else name
        left.plot(at, costs(f"{options}: a <= 1 and b <= 1", at, 0 * at), label=name, **STYLES[name])
    left.set(title="a <= 1", xlabel="a", ylabel="costs")
    left.legend()
    for name in ("plain", "smooth 2", "smooth 8"):
        options = "" if name == "plain" else name
        right.plot(at, costs(f"{options}: a <= 1 or b <= 1", torch.full_like(at, 2.0), at), label=name, **STYLES[name])
    right.set(title="a <= 1 or b <= 1, at a = 2", xlabel="b", ylabel="costs")
    right.legend()
    return figure


def weights(steps: int, tried: Sequence[float]) -> Figure:
    """Where the effect ends under each weight, and how it gets there."""
    figure, (left, right) = _figure()
    for name in ("plain", "power 2"):
        ends = [train(f"weight {weight} {name.replace('plain', '')}", steps=steps).effects[-1][0] for weight in tried]
        left.plot(tried, ends, marker=".", label=name, **STYLES[name])
    calm = train("hard", steps=steps, momentum=0.5)
    left.axhline(calm.effects[-1][0], label="hard", **STYLES["hard"])
    left.set(title="where training ends", xlabel="weight, nats per datum", ylabel="first effect", xscale="log")
    left.xaxis.set_major_formatter("{x:g}")
    left.legend()
    for name, run in (("smooth 8", train("hard", steps=steps)), ("plain", calm)):
        momentum = 0.5 if run is calm else 0.9
        right.plot([first for first, _ in run.effects], label=f"first effect, momentum {momentum}", **STYLES[name])
    right.plot(calm.weights, label="multiplier, momentum 0.5", **STYLES["hard"])
    right.set(title="hard", xlabel="step", ylim=(0.0, 2.0))
    right.legend()
    return figure


def paths(steps: int) -> Figure:
    """Which branch of the `or` is taken, from a start that is nearer to the one that fits worse."""
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.subplots()
    first, second = torch.meshgrid(torch.linspace(0.8, 3.2, 60), torch.linspace(0.8, 2.7, 60), indexing="xy")
    loss = 0.25 * ((first - AVERAGES[0]) ** 2 + (second - AVERAGES[1]) ** 2)
    axes.contour(first, second, loss, levels=(0.01, 0.05, 0.15, 0.3, 0.5), colors="#bbbbbb", linewidths=0.7)
    axes.axvspan(0.8, 1.0, color="#009e73", alpha=0.15, linewidth=0)
    axes.axhspan(0.8, 1.0, color="#009e73", alpha=0.15, linewidth=0)
    warm = f"weight 0 -> 0.5 over {steps // 4}..{steps // 2} steps"
    for name, options in (("plain", "weight 0.5"), ("smooth 2", "weight 0.5 smooth 2"), ("warm-up", warm)):
        run = train(options, start=FAR, steps=steps)
        axes.plot(*zip(*run.effects, strict=True), label=name, **STYLES[name])
        axes.plot(*run.effects[-1], marker="o", color=STYLES[name]["color"])
    axes.plot(*FAR, marker="s", color="#000000")
    axes.annotate("start", (FAR[0] - 0.05, FAR[1] + 0.07))
    axes.plot(*AVERAGES, marker="+", color="#000000")
    axes.annotate("the data alone", (AVERAGES[0] + 0.05, AVERAGES[1] + 0.05))
    axes.set(xlabel="first effect", ylabel="second effect", xlim=(0.8, 3.2), ylim=(0.8, 2.7))
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.35))
    return figure


def _figure() -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def save(figure: Figure, file: Path) -> None:
    """Write a figure: the same bytes each time."""
    with mpl.rc_context(SETTINGS):
        figure.savefig(file, metadata={"Date": None})


def main(arguments: list[str] | None = None) -> int:
    """Draw all figures."""
    parser = argparse.ArgumentParser(prog="python -m docs.figures", description=__doc__)
    parser.add_argument("--steps", type=int, default=400, help="of each training (400)")
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS, help="that are tried (0.03 to 10)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the files")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with mpl.rc_context(SETTINGS):
        drawn = {"shapes": shapes(), "weights": weights(options.steps, options.weights), "paths": paths(options.steps)}
    for name, figure in drawn.items():
        save(figure, options.out / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())

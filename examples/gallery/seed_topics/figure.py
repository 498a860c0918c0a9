"""The picture: what topics are like on held-out documents, without and with the rule."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics

TITLES = {
    "named": "right topic, %",
    "mapped": "right by the best map, %",
    "seed_words": "seed words from their topic, %",
    "perplexity": "perplexity",
}


def draw(runs: dict[str, list[Metrics]], path: Path) -> None:
    """Draw a line for each seed, from without the rule to with it."""
    with rc_context({"font.size": 8}):
        figure = Figure(figsize=(7.6, 2.5), layout="constrained")
        for panel, (entry, title) in zip(figure.subplots(1, len(TITLES)), TITLES.items(), strict=True):
            factor = 1 if entry == "perplexity" else 100
            for several in zip(*runs.values(), strict=True):
                values = [factor * each[entry] for each in several]
                panel.plot(range(len(values)), values, "o-", color="C0", alpha=0.6, ms=4, lw=1)
            panel.set_xticks(range(len(runs)), list(runs))
            panel.set_xlim(-0.4, len(runs) - 0.6)
            panel.set_title(title, fontsize=8)
            panel.grid(alpha=0.3)
            if factor > 1:
                panel.set_ylim(-3, 103)
        figure.savefig(path, dpi=150)

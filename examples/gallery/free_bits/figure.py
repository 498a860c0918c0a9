"""The picture: what each latent tells of a held-out image, and the ELBO of each run."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.gallery.runs import Metrics

LEAST = 0.5


def draw(runs: dict[str, list[Metrics]], path: Path) -> None:
    """Draw KL(q(z_d | x) ‖ p(z_d)) by latent, largest first, a line for each run; beside it their ELBO."""
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.0, 3.0), layout="constrained")
        told, bound = figure.subplots(1, 2, width_ratios=(3, 2))
        told.axhline(LEAST, color="0.5", lw=0.8, ls="--")
        for place, (name, metrics) in enumerate(runs.items()):
            for number, each in enumerate(metrics):
                latents = range(1, len(each["kl"]) + 1)
                label = name if number == 0 else None
                told.plot(latents, each["kl"], f"C{place}.-", alpha=0.6, lw=0.9, ms=4, label=label)
            bound.scatter([place] * len(metrics), [each["elbo"] for each in metrics], c=f"C{place}", alpha=0.7, s=20)
        told.set_xlabel("latent, most telling first")
        told.set_ylabel("KL, nats an image")
        told.set_ylim(0.0)
        told.legend(fontsize=8)
        bound.set_xticks(range(len(runs)), [name.replace(" and ", "\nand ") for name in runs])
        bound.set_xlim(-0.5, len(runs) - 0.5)
        bound.set_ylabel("ELBO, nats an image")
        for axes in (told, bound):
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)

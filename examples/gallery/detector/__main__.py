"""`python -m examples.gallery.detector` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, complete, require, spread, table

HERE = Path(__file__).parent
STEPS = 300
PACKAGES = ("asrppl", "torch")


def main(argv: Sequence[str] | None = None) -> None:
    """Train by each method over the seeds, and write what came of it."""
    options = arguments("Boxes of a detector in plain torch, kept apart.", HERE, 3).parse_args(argv)
    require("matplotlib")
    from examples.gallery.detector.figure import draw
    from examples.gallery.detector.train import METHODS, run

    steps = options.steps or STEPS
    keys = [{"method": method, "seed": seed, "steps": steps} for method in METHODS for seed in range(options.seeds)]
    found = complete(
        options.out / "results.json",
        keys,
        run,
        command="python -m examples.gallery.detector",
        packages=PACKAGES,
        workers=options.jobs,
    )
    by_method: dict[str, list[Metrics]] = {}
    for key, metrics in zip(keys, found, strict=True):
        by_method.setdefault(key["method"], []).append(metrics)
    text = written(by_method)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(by_method, options.out / "figure.png")


def written(by_method: dict[str, list[Metrics]]) -> str:
    """Return the table."""
    rows = [
        [
            method,
            spread([100 * each["overlapping"] for each in runs], 1),
            spread([each["iou"] for each in runs], 3),
            spread([100 * each["found"] for each in runs], 1),
            spread([100 * each["counts"] for each in runs], 1),
            f"{sum(each['cpu_seconds'] for each in runs) / len(runs):.0f}",
        ]
        for method, runs in by_method.items()
    ]
    head = ["", "overlapping pairs, %", "mean IoU", "found (IoU ≥ 0.5), %", "counts right, %", "CPU time, s"]
    return table(head, rows)


if __name__ == "__main__":
    main()

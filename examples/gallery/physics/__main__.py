"""`python -m examples.gallery.physics` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, complete, require, seconds, spread, table

HERE = Path(__file__).parent
STEPS = 500
METHODS = ("smooth", "rule", "equation solved")
LAWS = {"decay": "h' = −k h", "ambient": "h' = −k (h − 1)"}
PACKAGES = ("asrppl", "torch", "pyro-ppl")

Runs = dict[str, dict[str, list[Metrics]]]
"""What was measured, by what the truth obeys and by method; a run for each seed."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train each method where the rule is true and where it is not, over the seeds, and write what came of it."""
    options = arguments("A function that is to obey h' = -k h, measured at a few places.", HERE, 5).parse_args(argv)
    require("matplotlib")
    from examples.gallery.physics.figure import draw
    from examples.gallery.physics.train import run

    keys = [
        {"law": law, "method": method, "seed": seed, "steps": options.steps or STEPS}
        for law in LAWS
        for method in METHODS
        for seed in range(options.seeds)
    ]
    make = {"command": "python -m examples.gallery.physics", "packages": PACKAGES, "workers": options.jobs}
    found = complete(options.out / "results.json", keys, run, **make)
    runs: Runs = {law: {method: [] for method in METHODS} for law in LAWS}
    for key, metrics in zip(keys, found, strict=True):
        runs[key["law"]][key["method"]].append(metrics)
    text = written(runs)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(runs, options.out / "figure.png")


def written(runs: Runs) -> str:
    """Return the table."""
    rows = [
        [
            LAWS[law],
            method,
            *(spread([each[entry] for each in metrics], 2) for entry in ("rmse", "rmse_ahead", "log_density")),
            spread([each["k"][0] for each in metrics], 2),
            seconds(metrics),
        ]
        for law, by in runs.items()
        for method, metrics in by.items()
    ]
    head = ["truth", "method", "RMSE", "RMSE, t > 2.5", "log density, nats", "k", "CPU time, s"]
    return table(head, rows)


if __name__ == "__main__":
    main()

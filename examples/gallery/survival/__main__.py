"""`python -m examples.gallery.survival` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, complete, require, spread, table

HERE = Path(__file__).parent
STEPS = 100
PACKAGES = ("asrppl", "torch", "lifelines")
NAMES = {"no rule": "no rule", "survival.asr": "survival.asr", "hazards": "hazards, by construction"}


def main(argv: Sequence[str] | None = None) -> None:
    """Train by each method over the seeds, and write what came of it."""
    parser = arguments("Survival curves that fall in time and with positive nodes.", HERE, 10)
    parser.add_argument("--data", choices=("gbsg2", "synthetic"), default="gbsg2", help="women; synthetic: no file")
    options = parser.parse_args(argv)
    require("matplotlib", *(("lifelines",) if options.data == "gbsg2" else ()))
    from examples.gallery.survival.figure import draw
    from examples.gallery.survival.train import METHODS, run

    common = {"data": options.data, "steps": options.steps or STEPS}
    keys = [{**common, "method": method, "seed": seed} for method in METHODS for seed in range(options.seeds)]
    found = complete(
        options.out / "results.json",
        keys,
        run,
        command="python -m examples.gallery.survival",
        packages=PACKAGES,
        workers=options.jobs,
    )
    by_method: dict[str, list[Metrics]] = {}
    for key, metrics in zip(keys, found, strict=True):
        by_method.setdefault(NAMES[key["method"]], []).append(metrics)
    text = written(by_method)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(options.data, common["steps"], by_method, options.out / "figure.png")


def written(by_method: dict[str, list[Metrics]]) -> str:
    """Return the table, and in how many seeds the rule did better than each other method."""
    rows = [
        [
            method,
            spread([each["score"] for each in runs], 3),
            spread([each["brier"] for each in runs], 3),
            spread([each["concordance"] for each in runs], 3),
            spread([100 * each["rising"] for each in runs], 1),
            spread([100 * each["with_nodes"] for each in runs], 1),
            f"{sum(each['cpu_seconds'] for each in runs) / len(runs):.1f}",
        ]
        for method, runs in by_method.items()
    ]
    head = ["", "−log likelihood", "Brier", "concordance", "rise in time, %", "rise with nodes, %", "CPU time, s"]
    own = by_method["survival.asr"]
    more: list[str] = []
    for method, runs in by_method.items():
        if method != "survival.asr":
            gains = [b["score"] - a["score"] for a, b in zip(own, runs, strict=True)]
            better = f"in {sum(gain > 0 for gain in gains)} of {len(gains)}"
            more.append(f"\n- than {method}: by {spread(gains, 3)}, {better}")
    return table(head, rows) + f"\nBy how much survival.asr is better, seed by seed (nats):\n{''.join(more)}\n"


if __name__ == "__main__":
    main()

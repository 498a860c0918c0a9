"""`python -m examples.gallery.forum` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, complete, require, seconds, spread, table

HERE = Path(__file__).parent
STEPS = 300
STRENGTHS = (0.0, 1.0, 10.0)
ENTRY = {"length": 0, "rising": 3, "clearance": 0}  # which number of a quantity the table shows
PACKAGES = ("asrppl", "torch", "pyro-ppl")

Runs = dict[str, dict[str, list[Metrics]]]
"""What was measured, by question and treatment; a run for each seed."""


def main(argv: Sequence[str] | None = None) -> None:
    """Answer each question without the rule, with it, and by rejection, over the seeds, and write what came of it."""
    options = arguments("Three questions of forums: rules, and an exact treatment.", HERE, 3).parse_args(argv)
    require("matplotlib")
    from examples.gallery.forum.figure import draw
    from examples.gallery.forum.train import run

    keys = [
        {"question": question, "strength": strength, "seed": seed, "steps": options.steps or STEPS}
        for question in ENTRY
        for strength in (*STRENGTHS, None)  # None: by rejection
        for seed in range(options.seeds)
    ]
    make = {"command": "python -m examples.gallery.forum", "packages": PACKAGES, "workers": options.jobs}
    found = complete(options.out / "results.json", keys, run, **make)
    runs: Runs = {question: {} for question in ENTRY}
    for key, metrics in zip(keys, found, strict=True):
        runs[key["question"]].setdefault(treatment(key["strength"]), []).append(metrics)
    text = written(runs)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(runs, options.out / "figure.png")


def treatment(strength: float | None) -> str:
    """Return how a row of the table is called."""
    if strength is None:
        return "rejection"
    return f"weight {strength:g}" if strength else "no rule"


def written(runs: Runs) -> str:
    """Return the table."""
    rows = [
        [
            question,
            name,
            f"{metrics[0]['mean'][ENTRY[question]]:.2f} ± {metrics[0]['sd'][ENTRY[question]]:.2f}",
            spread([100 * each["kept"] for each in metrics], 1),
            spread([each["distance"] for each in metrics], 2),
            seconds(metrics),
        ]
        for question, by in runs.items()
        for name, metrics in by.items()
    ]
    return table(["question", "treatment", "posterior, seed 0", "keeps the rule, %", "distance", "CPU time, s"], rows)


if __name__ == "__main__":
    main()

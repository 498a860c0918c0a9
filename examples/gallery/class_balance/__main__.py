"""`python -m examples.gallery.class_balance` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, by_name, complete, require, seconds, spread, table

HERE = Path(__file__).parent
STEPS = 250
LABELS = (1, 3)  # of each class
PACKAGES = ("asrppl", "torch", "pyro-ppl", "scikit-learn")
RULES: dict[str, list[str]] = {"no rule": [], "balance": ["balance"], "both": ["balance", "sure"]}


def main(argv: Sequence[str] | None = None) -> None:
    """Train with each set of rules, for each number of labels, over the seeds, and write what came of it."""
    options = arguments("A classifier with few labels: known shares of classes as a rule.", HERE, 5).parse_args(argv)
    require("sklearn", "matplotlib")
    from examples.gallery.class_balance.figure import draw
    from examples.gallery.class_balance.train import run

    keys = [
        {"labels": labels, "rules": rules, "seed": seed, "steps": options.steps or STEPS}
        for labels in LABELS
        for rules in RULES.values()
        for seed in range(options.seeds)
    ]
    make = {"command": "python -m examples.gallery.class_balance", "packages": PACKAGES, "workers": options.jobs}
    found = complete(options.out / "results.json", keys, run, **make)
    names = {tuple(rules): name for name, rules in RULES.items()}
    runs = {
        labels: by_name(
            [names[tuple(key["rules"])] for key in keys if key["labels"] == labels],
            [metrics for key, metrics in zip(keys, found, strict=True) if key["labels"] == labels],
        )
        for labels in LABELS
    }
    text = written(runs)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(runs, options.out / "figure.png")


def written(runs: dict[int, dict[str, list[Metrics]]]) -> str:
    """Return the table."""
    rows = [
        [
            str(labels),
            name,
            spread([100 * each["accuracy"] for each in metrics], 1),
            f"{sum(own['accuracy'] > other['accuracy'] for own, other in zip(metrics, by['no rule'], strict=True))}"
            f" of {len(metrics)}",
            spread([each["log_loss"] for each in metrics], 2),
            spread([each["entropy"] for each in metrics], 2),
            seconds(metrics),
        ]
        for labels, by in runs.items()
        for name, metrics in by.items()
    ]
    head = ["labels of each class", "rules", "accuracy, %", "better than no rule", "log loss", "entropy", "CPU time, s"]
    return table(head, rows)


if __name__ == "__main__":
    main()

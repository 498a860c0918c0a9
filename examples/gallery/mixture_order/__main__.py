"""`python -m examples.gallery.mixture_order` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, complete, require, spread, table

HERE = Path(__file__).parent
STEPS = 700
GROUPS = (6,)  # docs/troubleshooting.md has one group
PACKAGES = ("asrppl", "torch", "pyro-ppl")
SORTED = "no rule, sorted afterwards"


def main(argv: Sequence[str] | None = None) -> None:
    """Train by each method over the seeds, and write what came of it."""
    options = arguments("Mixtures in order: by a rule, by sorting, by a transform.", HERE, 3).parse_args(argv)
    require("matplotlib")
    from examples.gallery.mixture_order.figure import draw
    from examples.gallery.mixture_order.train import METHODS, run

    keys = [
        {"groups": groups, "method": method, "seed": seed, "steps": options.steps or STEPS}
        for groups in GROUPS
        for seed in range(options.seeds)
        for method in METHODS
    ]
    found = complete(
        options.out / "results.json",
        keys,
        run,
        command="python -m examples.gallery.mixture_order",
        packages=PACKAGES,
        workers=options.jobs,
    )
    by_groups: dict[int, dict[str, list[Metrics]]] = {groups: {} for groups in GROUPS}
    for key, metrics in zip(keys, found, strict=True):
        by_groups[key["groups"]].setdefault(key["method"], []).append(metrics)
    by_groups = {groups: with_sorted(by_method) for groups, by_method in by_groups.items()}
    text = "\n".join(written(groups, by_method) for groups, by_method in by_groups.items())
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(by_groups, options.out / "figure.png")


def with_sorted(by_method: dict[str, list[Metrics]]) -> dict[str, list[Metrics]]:
    """Return the methods, and after the runs without a rule the same runs with their components sorted."""
    free = by_method["no rule"]
    after = [
        {**each, "accuracy": each["sorted_accuracy"], "proportions": each["sorted_proportions"], "ordered": 1.0}
        for each in free
    ]
    return {"no rule": free, SORTED: after} | by_method


def written(groups: int, by_method: dict[str, list[Metrics]]) -> str:
    """Return the table of that many groups."""
    head = [
        "one group" if groups == 1 else f"{groups} groups",
        "labels right, %",
        "levels found, %",
        "proportions off by",
        "log predictive, nats",
        "draws in order, %",
        "CPU time, s",
    ]
    rows = [
        [
            method,
            spread([100 * each["accuracy"] for each in runs], 1),
            spread([100 * each["found"] for each in runs], 0),
            spread([each["proportions"] for each in runs], 3),
            spread([each["predictive"] for each in runs], 3),
            spread([100 * each["ordered"] for each in runs], 0),
            f"{sum(each['cpu_seconds'] for each in runs) / len(runs):.0f}",
        ]
        for method, runs in by_method.items()
    ]
    return table(head, rows)


if __name__ == "__main__":
    main()

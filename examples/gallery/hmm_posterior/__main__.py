"""`python -m examples.gallery.hmm_posterior` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, by_name, complete, require, seconds, spread, table

HERE = Path(__file__).parent
STEPS = 200
PACKAGES = ("asrppl", "torch", "pyro-ppl")
RULES: dict[str, list[str]] = {
    "no rule": [],
    "verbs": ["verbs"],
    "order": ["first", "phrase", "apart"],
    "all": ["verbs", "first", "phrase", "apart"],
}


def main(argv: Sequence[str] | None = None) -> None:
    """Train with each set of rules over the seeds, and write what came of it."""
    options = arguments("An HMM whose states are told apart by rules.", HERE, 5).parse_args(argv)
    require("matplotlib")
    from examples.gallery.hmm_posterior.figure import draw
    from examples.gallery.hmm_posterior.train import run

    keys = [
        {"rules": rules, "seed": seed, "steps": options.steps or STEPS}
        for seed in range(options.seeds)
        for rules in RULES.values()
    ]
    make = {"command": "python -m examples.gallery.hmm_posterior", "packages": PACKAGES, "workers": options.jobs}
    found = complete(options.out / "results.json", keys, run, **make)
    names = {tuple(rules): name for name, rules in RULES.items()}
    runs = by_name([names[tuple(key["rules"])] for key in keys], found)
    text = written(runs)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(runs, options.out / "figure.png")


def written(runs: dict[str, list[Metrics]]) -> str:
    """Return the table."""
    rows = [
        [
            name,
            *(spread([100 * each[entry] for each in metrics], 1) for entry in ("named", "mapped", "verb_f1")),
            spread([each["log_likelihood"] for each in metrics], 3),
            spread([100 * each["in_range"] for each in metrics], 1),
            seconds(metrics),
        ]
        for name, metrics in runs.items()
    ]
    head = ["rules", "right tags, %", "right by the best map, %", "F1 of the verb, %"]
    return table([*head, "log likelihood, nats a word", "sentences of 1 or 2 verbs, %", "CPU time, s"], rows)


if __name__ == "__main__":
    main()

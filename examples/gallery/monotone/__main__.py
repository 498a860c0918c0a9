"""`python -m examples.gallery.monotone` makes results.json, table.md and figure.png."""

from collections.abc import Sequence
from pathlib import Path

from examples.gallery.runs import Key, Metrics, arguments, complete, require, spread, table

HERE = Path(__file__).parent
STEPS = 600
WEIGHTS = (1.0, 10.0, 100.0)
TUNING_SEEDS = (1000, 1001)  # not among those of the table; on the validation part
PACKAGES = ("asrppl", "torch", "mlxtend")


def main(argv: Sequence[str] | None = None) -> None:
    """Choose the rule's weight on validation cars, train without and with it over the seeds, and write what came."""
    parser = arguments("Miles a gallon that fall in three features of a car, without and with the rule.", HERE, 10)
    parser.add_argument("--data", choices=("autompg", "synthetic"), default="autompg", help="cars; synthetic: no file")
    options = parser.parse_args(argv)
    require("matplotlib", *(("mlxtend",) if options.data == "autompg" else ()))
    from examples.gallery.monotone.figure import draw
    from examples.gallery.monotone.train import run

    def made(keys: list[Key]) -> list[Metrics]:
        common = {"data": options.data, "steps": options.steps or STEPS}
        return complete(
            options.out / "results.json",
            [{**common, **key} for key in keys],
            run,
            command="python -m examples.gallery.monotone",
            packages=PACKAGES,
            workers=options.jobs,
        )

    tried = made(
        [{"part": "validation", "weight": weight, "seed": seed} for weight in WEIGHTS for seed in TUNING_SEEDS]
    )
    errors = [each["last"]["mse"] for each in tried]
    costs = [sum(errors[at : at + len(TUNING_SEEDS)]) for at in range(0, len(errors), len(TUNING_SEEDS))]
    chosen = WEIGHTS[costs.index(min(costs))]
    seeds = range(options.seeds)
    found = made([{"part": "test", "weight": weight, "seed": seed} for weight in (None, chosen) for seed in seeds])
    by_method = {"no rule": found[: len(seeds)], "monotone.asr": found[len(seeds) :]}
    text = written(by_method, chosen)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    draw(by_method, options.out / "figure.png")


def written(by_method: dict[str, list[Metrics]], chosen: float) -> str:
    """Return the table, and what is said below it."""
    rows: list[list[str]] = []
    for when, words in (("last", ""), ("stopped", ", stopped early")):
        for method, runs in by_method.items():
            measured = [metrics[when] for metrics in runs]
            rising = [100 * sum(each["rising"]) / len(each["rising"]) for each in measured]
            errors = [each["mse"] for each in measured]
            rows.append(
                [
                    method + words,
                    spread(errors, 2),
                    f"{min(errors):.2f} to {max(errors):.2f}",
                    spread(rising, 1),
                    spread([each["rise"] for each in measured], 3),
                    f"{sum(metrics['cpu_seconds'] for metrics in runs) / len(runs):.0f}",
                ]
            )
    head = ["", "test MSE", "least and largest", "curves that rise, %", "rise of a curve, mpg", "CPU time, s"]
    return table(head, rows) + f"\nWeight chosen on validation cars: {chosen:g}.\n"


if __name__ == "__main__":
    main()

"""The demonstration: one AIR trained twice, side by side, with and without the rules of `number.asr`."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from asrppl import Program
from asrppl_air.checkpoint import CheckpointError, load_checkpoint
from asrppl_air.evaluate import infer
from asrppl_air.figures import Row, draw_comparison, pick
from asrppl_air.load import held_out, restore
from asrppl_air.metrics import Metrics
from asrppl_air.options import TrainOptions
from asrppl_air.processes import SideBySide, Update
from asrppl_air.reproduce.recipe import Method
from asrppl_air.run import PATIENCE, FolderInUseError, RunFolder
from asrppl_air.sealed import read_json
from asrppl_air.train import Training, training, unless
from asrppl_air.untyped import seed

Name = Literal["no_rules", "rules"]
NAMES: tuple[Name, Name] = ("no_rules", "rules")
METHODS: dict[Name, Method] = {"no_rules": "air-pprior", "rules": "air-asr"}
"""The methods of the paper's Table 1 that the two trainings are (there 300 epochs of 40,000 images: 187,500 steps)."""
TITLES: dict[Name, str] = {"no_rules": "Without rules", "rules": "With rules"}
COLUMNS = 8


DemoUpdate = Update[Name, Metrics]


class DemoError(RuntimeError):
    """One of the two trainings ended with an error."""


class DemoStopped(Exception):  # noqa: N818 - no error: the user asked for it
    """Ctrl-C: both trainings stopped, with checkpoints."""


def demo_options(rules: Program, given: Mapping[str, Any]) -> TrainOptions:
    """The demonstration's run with rules, with the options `given`; without rules it is the same but for `rules`."""
    return TrainOptions(data="13", rules=rules.to_dict(), **given)


def _train(
    folder: Path, options: TrainOptions | None, checkpoint_seconds: float, stop: Callable[[], bool] | None
) -> Training[Metrics]:
    run = RunFolder(folder)
    with run.alone(PATIENCE):
        trainer = yield from training(run, options, checkpoint_seconds=checkpoint_seconds, stop=stop)
        metrics = trainer.evaluate(unless(stop, trainer))
        run.write_json(run.metrics, metrics.to_dict())
        return metrics


def train_both(
    out: Path,
    options: TrainOptions,
    *,
    resume: bool = False,
    checkpoint_seconds: float = 120.0,
    progress: Callable[[DemoUpdate], None] = lambda update: None,
) -> dict[Name, Metrics]:
    """Train in `out/no_rules` and `out/rules`, one process and one thread each, and measure both.

    With `resume` each goes on from its checkpoint, if it has one. Raises `DemoStopped` after Ctrl-C, when both have
    written their checkpoints, and `DemoError` where one ends with an error (the other is stopped, with a checkpoint).
    """
    runs: dict[Name, TrainOptions] = {
        "no_rules": replace(options, rules=None),
        "rules": options,
    }
    ends: dict[Name, DemoUpdate] = {}
    with SideBySide[Name, Metrics]() as running:
        for name in NAMES:
            folder = out / name
            going_on = resume and RunFolder(folder).checkpoint.exists()
            begin = None if going_on else runs[name]
            running.start(name, name, partial(_train, folder, begin, checkpoint_seconds))
        while running:
            for update in running.updates():
                progress(update)
                if update.last:
                    ends[update.of] = update
                    if update.error is not None:
                        running.stop()
    for name, end in ends.items():
        if end.error is not None:
            raise DemoError(f"training {TITLES[name].lower()} failed: {end.error}")
    if running.stopping or any(end.stopped is not None for end in ends.values()):
        raise DemoStopped
    return {name: end.result for name, end in ends.items() if end.result is not None}


def _holds_run(out: Path) -> bool:
    return any(RunFolder(out / name).holds_run() for name in NAMES)


def began_with(out: Path) -> TrainOptions:
    """The options that the demonstration in `out` was started with; raises `CheckpointError` where there is none."""
    settings = RunFolder(out).settings
    if not settings.is_file():
        raise CheckpointError(f"{settings}: there is no run to resume in {out}")
    try:
        return TrainOptions.from_dict(read_json(settings.read_bytes()))
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{settings}: not the settings of a demo, or damaged ones ({error})") from error


def run_demo(
    out: Path,
    options: TrainOptions | None,
    *,
    checkpoint_seconds: float = 120.0,
    progress: Callable[[DemoUpdate], None] = lambda update: None,
) -> dict[Name, Metrics]:
    """Train both, then write `out/metrics.json` and `out/demo.png`; see `train_both`.

    From the start with `options`, or (None) on from where the demonstration in `out` stopped. Raises
    `FolderInUseError` where `out` holds a run and `options` are given, `CheckpointError` the other way round.
    """
    folder = RunFolder(out)
    with folder.alone():
        resume = options is None
        if options is None:
            options = began_with(out)
        elif folder.settings.exists() or _holds_run(out):
            raise FolderInUseError(
                f"{out} already holds a run: continue it with --resume, or give another folder with --out"
            )
        else:
            folder.write_json(folder.settings, options.to_dict())
        try:
            metrics = train_both(out, options, resume=resume, checkpoint_seconds=checkpoint_seconds, progress=progress)
        except DemoError:
            if not _holds_run(out):  # neither could begin: there is nothing that a second try would overwrite
                folder.settings.unlink()
                for name in NAMES:  # a child that was stopped as it began may have left its folder, empty
                    with suppress(OSError):
                        (out / name).rmdir()
            raise
        folder.write_json(folder.metrics, {name: metrics[name].to_dict() for name in ("rules", "no_rules")})
        draw_demo(out, options, metrics)
    return metrics


def draw_demo(out: Path, options: TrainOptions, metrics: dict[Name, Metrics]) -> Path:
    """Draw `out/demo.png` from the two checkpoints."""
    scenes = held_out(options)
    indices = pick(scenes, COLUMNS)
    rows: list[Row] = []
    for name in NAMES:
        model, guide = restore(load_checkpoint(RunFolder(out / name).checkpoint))
        seed(options.seed)
        found = metrics[name]
        figures = f"ACC {found.acc:.2f}   mIoU {found.miou:.2f}\nSE {found.se:.0f}   nELBO {found.nelbo:.0f}"
        rows.append(Row(TITLES[name], figures, infer(model, guide, scenes.batch(indices))))
    title = "AIR on images of 1 or 3 digits, trained twice: without rules, and with the two of number.asr"
    draw_comparison(out / "demo.png", title, scenes, indices, rows)
    return out / "demo.png"

"""The paper's figures from finished runs: reconstructions, samples, learning curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from asrppl_air.checkpoint import load_checkpoint
from asrppl_air.evaluate import infer
from asrppl_air.figures import Curve, Row, draw_comparison, draw_curves, draw_samples, pick
from asrppl_air.load import held_out, restore
from asrppl_air.metrics import Metrics
from asrppl_air.reproduce.grid import Cell
from asrppl_air.reproduce.paper import METHOD_NAMES, SETTING_NAMES
from asrppl_air.reproduce.recipe import METHODS, NUMBER, SETTINGS, Setting
from asrppl_air.reproduce.state import State, state_of
from asrppl_air.run import RunFolder
from asrppl_air.untyped import seed

_COLUMNS, _SAMPLES = 8, 20


def draw_figures(cells: Sequence[Cell], out: Path, figures: Path) -> tuple[list[Path], list[str]]:
    """Draw into `figures` what the finished runs among `cells` (the tables', under `out`) allow.

    Reconstructions and samples are those of each method's first seed that is finished. Returns the pictures, and what
    is missing.
    """
    finished = [(cell, state) for cell in cells if (state := state_of(cell, out)).stage == "finished"]
    figures.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    missing = [
        f"{SETTING_NAMES[cell.setting]}: {METHOD_NAMES[cell.method]}, seed {cell.seed}"
        for cell in cells
        if all(cell is not other for other, _ in finished)
    ]
    panels: dict[str, dict[str, list[Curve]]] = {}
    for setting in SETTINGS:
        here = [(cell, state) for cell, state in finished if cell.setting == setting]
        if not here:
            continue
        firsts = [run for method in METHODS for run in [run for run in here if run[0].method == method][:1]]
        made.append(_reconstructions(setting, firsts, out, figures))
        made.append(_samples(setting, firsts, out, figures))
        panels[SETTING_NAMES[setting]] = {
            METHOD_NAMES[method]: [_curve(cell, out) for cell, _ in here if cell.method == method]
            for method in METHODS
            if any(cell.method == method for cell, _ in here)
        }
    if panels:
        path = figures / "curves.png"
        draw_curves(path, "Learning curves: training loss without the rules, a line for each seed", panels)
        made.append(path)
    return made, missing


def _reconstructions(setting: Setting, runs: Sequence[tuple[Cell, State]], out: Path, figures: Path) -> Path:
    first = runs[0][0]
    scenes = held_out(first.options)
    indices = pick(scenes, _COLUMNS)
    rows: list[Row] = []
    for cell, state in runs:
        # Each on the same images, which are the first run's test images, whatever its own seed.
        model, guide = restore(load_checkpoint(RunFolder(cell.folder(out)).checkpoint))
        seed(0)
        found = Metrics(**(state.record or {})["metrics"])
        acc = f"ACC {found.acc:.2f}   " if setting in NUMBER else ""
        figures_line = f"{acc}mIoU {found.miou:.2f}\nSE {found.se:.0f}   nELBO {found.nelbo:.0f}"
        rows.append(Row(METHOD_NAMES[cell.method], figures_line, infer(model, guide, scenes.batch(indices))))
    path = figures / f"reconstructions-{setting}.png"
    thing = "shape" if setting == "dsprites3" else "digit"
    title = f"{SETTING_NAMES[setting]}: what is inferred of images that were not trained on"
    draw_comparison(path, title, scenes, indices, rows, thing)
    return path


def _samples(setting: Setting, runs: Sequence[tuple[Cell, State]], out: Path, figures: Path) -> Path:
    rows: list[tuple[str, torch.Tensor]] = []
    for cell, _ in runs:
        model, _guide = restore(load_checkpoint(RunFolder(cell.folder(out)).checkpoint))
        seed(0)
        with torch.no_grad():
            canvas: Any = model.sample(_SAMPLES)
        rows.append((METHOD_NAMES[cell.method], canvas.mean))
    path = figures / f"samples-{setting}.png"
    draw_samples(path, f"{SETTING_NAMES[setting]}: images drawn from the generative model", rows)
    return path


def _curve(cell: Cell, out: Path) -> Curve:
    log = RunFolder(cell.folder(out)).read_log()
    return Curve([int(entry["step"]) for entry in log], [float(entry["loss"]) for entry in log])

"""`asrppl air reproduce`: the paper's tables and figures, run by run."""

import argparse
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asrppl.commands import Commands
from asrppl_air.cli.arguments import directory, positive
from asrppl_air.cli.grid_progress import GridBoard
from asrppl_air.cli.output import measures
from asrppl_air.cli.progress import duration

if TYPE_CHECKING:
    from asrppl_air.reproduce.grid import Cell, Regime
    from asrppl_air.reproduce.pace import Pace

_ABOUT = """\
Train and measure what the paper's tables and figures show: three methods (air: fixed prior; air-pprior: learnt prior;
air-asr: learnt prior and rules) in five settings, from three seeds each, and the ablations.

Each run has a folder of its own under --out and writes a checkpoint every two minutes. Stop the command at any point
(Ctrl-C, or kill it); started again with the same words it leaves out what is finished and goes on with what was begun.
Finished runs are entered in --results, one JSON file a table; `asrppl air tables` makes the tables from those alone.
"""
_EXAMPLES = """\
examples:
  asrppl air reproduce all --mnist ~/mnist --jobs 2
      everything under the short protocol: 20 epochs a run, some six hours on two cores
  asrppl air reproduce table1 --settings 13 --methods air-asr --seeds 0
      one run
  asrppl air reproduce all --dry-run
      what is done, and what is left
  asrppl air reproduce all --mnist ~/mnist --device cuda --jobs 14
      the same on a GPU, 14 runs in turns: minutes
  asrppl air reproduce all --mnist ~/mnist --device cuda --jobs 14 --protocol paper
      300 epochs a run, as in the paper
"""

_TABLES = """\
Make the tables from results/*.json alone: means and sample standard deviations over seeds, the paper's rows beside
them, and the targets. Prints Markdown; with --out writes Markdown, LaTeX and JSON into a folder.
"""


def add_parser(commands: Commands) -> None:
    """Register `asrppl air reproduce`."""
    parser = commands.add_parser(
        "reproduce",
        help="train and measure what the paper's tables and figures show",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=("table1", "table2", "figures", "ablations", "all"), help="what to reproduce")
    what = parser.add_argument_group("which runs")
    what.add_argument(
        "--protocol", choices=("short", "paper"), default="short", help="20 or 300 epochs a run (default: short)"
    )
    what.add_argument(
        "--preset", choices=("ours", "paper"), default="ours", help="our settings or the authors' (default: ours)"
    )
    what.add_argument("--seeds", type=_seeds, default=(0, 1, 2), metavar="N,N", help="seeds (default: 0,1,2)")
    what.add_argument("--methods", type=_methods, metavar="M,M", help="of air, air-pprior, air-asr (default: all)")
    what.add_argument(
        "--settings", type=_settings, metavar="S,S", help="of 13, 14, 24, mnist3, dsprites3 (default: all)"
    )
    what.add_argument("--epochs", type=_epochs, metavar="X", help='other epochs; the results then say "custom"')
    what.add_argument(
        "--mnist", type=Path, metavar="DIR", help="folder of MNIST's four IDX files (default: the embedded digits)"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--out", type=directory, default=Path("runs"), metavar="DIR", help="folder of the runs (default: runs)"
    )
    how.add_argument(
        "--results",
        type=directory,
        default=Path("results"),
        metavar="DIR",
        help="folder of the results (default: results)",
    )
    how.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="runs side by side, on a GPU in turns (default: 1)"
    )
    how.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    how.add_argument(
        "--checkpoint-every", type=float, default=120.0, metavar="SECONDS", help="between checkpoints (default: 120)"
    )
    how.add_argument("--dry-run", action="store_true", help="list the runs and what they would take; train nothing")
    parser.set_defaults(run=_reproduce)


def add_tables_parser(commands: Commands) -> None:
    """Register `asrppl air tables`."""
    parser = commands.add_parser(
        "tables",
        help="the tables from the results alone",
        description=_TABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--results",
        type=directory,
        default=Path("results"),
        metavar="DIR",
        help="folder of the results (default: results)",
    )
    parser.add_argument("--out", type=directory, metavar="DIR", help="folder for Markdown, LaTeX and JSON files")
    parser.set_defaults(run=_tables)


def _seeds(text: str) -> tuple[int, ...]:
    seeds = tuple(int(part) for part in text.split(","))
    if min(seeds) < 0:
        raise argparse.ArgumentTypeError("seeds are not negative")
    return seeds


def _of(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    for part in parts:
        if part not in known:
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(known)}")
    return parts


# Written out here, as the recipes' module imports torch; a test holds them together.
METHODS = ("air", "air-pprior", "air-asr")
SETTINGS = ("13", "14", "24", "mnist3", "dsprites3")


def _methods(text: str) -> tuple[str, ...]:
    return _of(text, METHODS)


def _settings(text: str) -> tuple[str, ...]:
    return _of(text, SETTINGS)


def _epochs(text: str) -> float:
    epochs = float(text)
    if not 0 < epochs < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number of epochs")
    return epochs


def _regime(args: argparse.Namespace) -> "Regime":
    from asrppl_air.reproduce.grid import Regime

    mnist = None if args.mnist is None else str(args.mnist.resolve())
    return Regime(args.protocol if args.epochs is None else "custom", mnist, args.preset, args.epochs)


def _table_cells(args: argparse.Namespace) -> "list[Cell]":
    from asrppl_air.reproduce.grid import table_cells

    tables = (args.target,) if args.target in ("table1", "table2") else ("table1", "table2")
    methods, settings = args.methods or METHODS, args.settings or SETTINGS
    return table_cells(tables, _regime(args), seeds=args.seeds, methods=methods, settings=settings)


def _cells(args: argparse.Namespace) -> "list[Cell]":
    from asrppl_air.reproduce.ablations import ablation_cells

    cells = [] if args.target == "ablations" else _table_cells(args)
    ablated = args.target in ("ablations", "all") and "air-asr" in (args.methods or METHODS)
    if ablated:
        regime = _regime(args)
        regime = regime if regime.protocol == "custom" else replace(regime, protocol="ablation")
        cells += ablation_cells(regime, args.seeds[:1], args.settings)
    return cells


def _reproduce(args: argparse.Namespace) -> int:
    # torch takes seconds to import: `asrppl check` must not wait for it
    from asrppl_air.cli.air import fail, verify_device, verify_extra
    from asrppl_air.errors import RUN_ERRORS
    from asrppl_air.locks import InUseError
    from asrppl_air.reproduce.pace import Pace
    from asrppl_air.reproduce.results import ResultsError

    try:
        verify_extra()
        verify_device(args.device)
        cells = _cells(args)
        if not cells:
            return fail("there is no such run: look at --methods and --settings")
        pace = Pace(cells, args.out, args.jobs)
        if args.dry_run:
            _list(pace)
            return 0
        status = 0 if args.target == "figures" else _run(args, cells, pace)
        return max(status, _show(args)) if status < 128 else status
    except (ImportError, InUseError, ValueError, ResultsError, *RUN_ERRORS) as error:
        return fail(error)


def _run(args: argparse.Namespace, cells: "list[Cell]", pace: "Pace") -> int:
    from asrppl_air.locks import InUseError
    from asrppl_air.reproduce.grid import Cell
    from asrppl_air.reproduce.jobs import CellUpdate, run_cells
    from asrppl_air.reproduce.results import TABLES, ResultsError, merge_results

    problems = {name: state.why for name, state in pace.states.items() if state.why is not None}
    # First of all, so that results which cannot be read show before hours of training, not after.
    for table in TABLES:
        records = [pace.states[cell.name].record for cell in cells if cell.table == table]
        merge_results(args.results, table, [record for record in records if record is not None])
    todo = [cell for cell in cells if pace.states[cell.name].stage in ("new", "begun")]
    lines = GridBoard(pace)
    for name, why in problems.items():
        lines.say(f"{name}: {why}")
    where = f"into {args.out}; results in {args.results}"
    lines.say(f"{len(cells)} runs, {len(todo)} to train, {args.jobs} at a time, {where}")
    stopped: list[str] = []

    def started(cell: Cell) -> None:
        pace.start(cell)
        lines.show()

    def tell(update: CellUpdate) -> None:
        pace.note(update)
        name = update.of.name
        if update.result is not None:
            lines.say(f"{name}: {measures(update.result['metrics'])}   ({duration(update.result['seconds'])})")
            try:
                merge_results(args.results, update.of.table, [update.result])
            except (InUseError, OSError, ResultsError) as error:  # the runs beside it go on
                problems[name] = f"trained, but not entered in the results: {error}"
                lines.say(f"{name}: {problems[name]}")
        elif update.error is not None:
            problems[name] = update.error
            lines.say(f"{name}: {update.error}")
        elif update.stopped is not None:
            stopped.append(name)
        lines.show()

    all_done = run_cells(
        todo,
        args.out,
        jobs=args.jobs,
        device=args.device,
        checkpoint_seconds=args.checkpoint_every,
        started=started,
        tell=tell,
    )
    lines.draw()
    if not all_done:
        lines.say(f"stopped, with checkpoints; the same command goes on: {shlex.join(['asrppl', *sys.argv[1:]])}")
        return 128 + signal.SIGINT
    for name in stopped:
        problems[name] = "was stopped; the same command goes on with it"
    if problems:
        print(f"\n{len(problems)} of {len(cells)} runs are not finished:", file=sys.stderr)
        for name, why in problems.items():
            print(f"  {name}: {why}", file=sys.stderr)
        return 1
    return 0


def _show(args: argparse.Namespace) -> int:
    """Write the tables that the results give, and the figures that the finished runs give."""
    from asrppl_air.reproduce.pictures import draw_figures
    from asrppl_air.reproduce.write_tables import write_tables

    made = write_tables(args.results, args.results / "tables")
    missing: list[str] = []
    if args.target in ("figures", "all"):
        pictures, missing = draw_figures(_table_cells(args), args.out, args.results / "figures")
        made += pictures
    for path in made:
        print(path)
    if missing:
        print(f"\nnot in the figures, as these runs are not finished ({len(missing)}):", file=sys.stderr)
        print("\n".join(f"  {line}" for line in missing), file=sys.stderr)
    return 1 if missing else 0


def _list(pace: "Pace") -> None:
    width = max(len(cell.name) for cell in pace.cells)
    for cell in pace.cells:
        state = pace.states[cell.name]
        steps = cell.options.steps
        words = {
            "new": "not begun",
            "begun": "begun",
            "finished": measures(state.record["metrics"]) if state.record else "",
            "refused": state.why or "",
        }[state.stage]
        print(f"{cell.name:<{width}}  {state.step:>9,}/{steps:,}  {words}")
    runs, all_runs = pace.runs
    done, all_steps = pace.steps
    left = pace.seconds_left()
    known = "not known before a run has begun" if left is None else duration(left)
    print(f"\n{runs} of {all_runs} runs, {done:,} of {all_steps:,} steps; time left: {known}")


def _tables(args: argparse.Namespace) -> int:
    from asrppl_air.cli.air import fail
    from asrppl_air.reproduce.results import ResultsError
    from asrppl_air.reproduce.write_tables import all_markdown, write_tables

    try:
        if args.out is not None:
            print("\n".join(str(path) for path in write_tables(args.results, args.out)))
            return 0
        text = all_markdown(args.results)
    except ResultsError as error:
        return fail(error)
    if not text:
        return fail(f"{args.results}: there are no results here; `asrppl air reproduce` makes some")
    print(text, end="")
    return 0

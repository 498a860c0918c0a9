"""Programs out of a checkout of Pyro, as they are: files are imported, cells of a notebook are run."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torch

AFAR = ("visdom", "torchvision", "wget", "scanpy", "matplotlib", "scipy", "tqdm")
"""Packages that the examples load or draw with in their `main`, which is not run. One that is not there has a
stand-in while an example is imported."""


class MissingError(Exception):
    """Something is not where a checkout of Pyro has it."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of Pyro.

    Args:
        root: its folder.

    Raises:
        MissingError: there is no folder `examples` in it.
    """

    root: Path

    def __post_init__(self) -> None:
        if not (self.root / "examples").is_dir():
            raise MissingError(
                f"{self.root} is no checkout of Pyro: there is no folder `examples` in it. Get one by "
                "`git clone https://github.com/pyro-ppl/pyro`"
            )

    def file(self, path: str) -> Path:
        """Return the place of a file.

        Raises:
            MissingError: it is not there.
        """
        found = self.root / path
        if not found.is_file():
            raise MissingError(f"{self.root} has no {path}: it is another version of Pyro's examples")
        return found

    def module(self, path: str) -> Any:
        """Import a file, which may import what lies beside it."""
        file = self.file(path)
        with _beside(file.parent):
            spec = importlib.util.spec_from_file_location(f"pyro_example_{file.stem}", file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        return module

    def cells(self, path: str, starts: tuple[str, ...], names: dict[str, Any]) -> dict[str, Any]:
        """Run those cells of a notebook that begin with these lines; return the names that they make.

        Args:
            path: of the notebook.
            starts: how the cells begin.
            names: that are there before, as imports are.
        """
        notebook = json.loads(self.file(path).read_text(encoding="utf-8"))
        texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        found = dict(names)
        for start in starts:
            text = next((text for text in texts if text.startswith(start)), None)
            if text is None:
                raise MissingError(f"{path} has no cell that begins with `{start}`: it is another version")
            with redirect_stdout(StringIO()):
                exec(compile(text, path, "exec"), found)
        return found


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let an example import what lies beside it, under names that are nobody's afterwards."""
    before = dict(sys.modules)
    path, dtype = sys.path.copy(), torch.get_default_dtype()
    sys.path.insert(0, str(folder))
    for name in AFAR:
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            sys.modules.update(_stand_ins(name))
    try:
        yield
    finally:
        sys.path[:] = path
        torch.set_default_dtype(dtype)  # an example sets its own
        for name in [name for name in sys.modules if name not in before]:
            file = getattr(sys.modules[name], "__file__", None)
            if name.partition(".")[0] in AFAR or (file is not None and Path(file).is_relative_to(folder)):
                sys.modules.pop(name)


def _stand_ins(name: str) -> dict[str, ModuleType]:
    inner = {"torchvision": ("datasets", "transforms")}.get(name, ())
    return {full: MagicMock(name=full) for full in (name, *(f"{name}.{each}" for each in inner))}

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

    def has(self, path: str) -> bool:
        """Whether there is such a file; a checkout says so of all, and names what it lacks when it is read."""
        del path
        return True

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


PROGRAMS = {
    "examples/air/air.py": "air",
    "examples/baseball.py": "baseball",
    "examples/capture_recapture/cjs.py": "cjs",
    "examples/cvae/baseline.py": "cvae",
    "examples/cvae/cvae.py": "cvae",
    "examples/dmm.py": "dmm",
    "examples/eight_schools/svi.py": "eight_schools",
    "examples/hmm.py": "hmm",
    "examples/lda.py": "lda",
    "examples/scanvi/scanvi.py": "scanvi",
    "examples/sparse_gamma_def.py": "sparse_gamma",
    "examples/vae/ss_vae_M2.py": "ss_vae",
    "examples/vae/vae.py": "vae",
    "tutorial/source/bayesian_regression.ipynb": "regression",
    "tutorial/source/dirichlet_process_mixture.ipynb": "dpmm",
    "tutorial/source/gmm.ipynb": "gmm",
}
"""Which of Pyro's programs have one of ours in `programs/`."""


class Own:
    """Programs of ours in place of a checkout: of the same structure, with the same names, and smaller."""

    def has(self, path: str) -> bool:
        """Whether one of ours stands for a file."""
        return path in PROGRAMS

    def module(self, path: str) -> Any:
        """Return what stands for a file."""
        return importlib.import_module(f"examples.pyro.programs.{PROGRAMS[path]}")

    def cells(self, path: str, starts: tuple[str, ...], names: dict[str, Any]) -> dict[str, Any]:
        """Return the names of what stands for a notebook: its own, as a notebook's are the cells' own."""
        del starts, names
        return vars(self.module(path))


Programs = Checkout | Own
"""Where examples are read from."""


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

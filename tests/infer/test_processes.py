"""Rules in two processes that share a batch are those of one process with all of it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.infer import shared_batch


def torchrun(script: Path, *arguments: str) -> None:
    """Run a script in two processes of this machine."""
    command = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "localhost", "--nproc-per-node", "2"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    found = subprocess.run(
        [sys.executable, *command, str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr


def results(folder: Path, what: str) -> list[dict[Any, Any]]:
    """What each of two processes has found."""
    torchrun(Path(shared_batch.__file__), what, str(folder))
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def leaves(state: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The numbers of what is nested, by their places."""
    if isinstance(state, Mapping):
        for key, part in state.items():
            yield from leaves(part, f"{place}/{key}")
    elif isinstance(state, list | tuple):
        for i, part in enumerate(state):
            yield from leaves(part, f"{place}/{i}")
    else:
        yield place, state


def verify_same(found: tuple[list[Tensor], Any], wanted: tuple[list[Tensor], Any], case: object) -> None:
    """Compare gradients, and what rules remember."""
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-9, atol=1e-9)
    there, state = dict(leaves(found[1])), dict(leaves(wanted[1]))
    assert there.keys() == state.keys()
    for place, value in state.items():
        if isinstance(value, float | Tensor):
            torch.testing.assert_close(there[place], value, rtol=1e-9, atol=1e-9, msg=f"{case} {place}")
        else:
            assert there[place] == value, (case, place)


def test_gradients_moments_and_multipliers_are_those_of_one_process(tmp_path) -> None:
    ranks = results(tmp_path, "train")
    for case in shared_batch.cases():
        gradients, state = shared_batch.train(*case, None)
        assert any(bool(gradient.any()) for gradient in gradients)
        for rank in ranks:
            verify_same(rank[case], (gradients, state), case)


def test_modules_and_refusals(tmp_path) -> None:
    """Torch's own data parallelism, rules that differ, and a process that measures or trains by itself."""
    ranks = results(tmp_path, "other")
    gradient = shared_batch.by_module(None)
    for rank in ranks:
        torch.testing.assert_close(rank["module"], gradient, rtol=1e-9, atol=1e-9)
        assert "the rules are not the same in all processes: rank 1 differs from rank 0" in rank["refused"]
    measured, trained = ranks[0]["alone"]
    assert measured == trained  # the first step of a run: nothing is remembered yet


@pytest.mark.usefixtures("double_precision")
def test_what_only_the_model_enumerates_is_known_as_one_process_knows_it(tmp_path) -> None:
    ranks = results(tmp_path, "enumerated")
    for place, parts in enumerate(shared_batch.ENUMERATED):
        one = shared_batch.enumerated(*parts, None)
        for rank in ranks:
            verify_same(rank[place], one, parts)

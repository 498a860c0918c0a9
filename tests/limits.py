"""Too little disk and too little memory: each ends in a message that names the file, and nothing is left half written.

    python -m tests.limits     # make limits

A full disk is played by a limit on the size of files (a write beyond it fails as one on a full disk does), and by
/dev/full where that is; little memory by a limit on the address space.
"""

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from asrppl_air.checkpoint import load_checkpoint
from asrppl_air.options import TrainOptions
from asrppl_air.run import RunFolder
from asrppl_air.train import train
from examples.air.tests.digits import write_digits
from tests.hostile import families

MIB = 1 << 20
_PROCESSES = multiprocessing.get_context("forkserver")
_NO_SPACE = 3


def _train(folder: str, options: TrainOptions | None, bytes_of_a_file: int | None) -> None:
    torch.set_num_threads(1)
    if bytes_of_a_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_of_a_file, bytes_of_a_file))
    run = RunFolder(Path(folder))
    try:
        train(run, options, checkpoint_seconds=0.0)
    except OSError as error:
        named = str(error.filename or "").startswith(folder)
        sys.exit(_NO_SPACE if named else f"the message names no file: {error}")


def _run(folder: Path, options: TrainOptions | None, bytes_of_a_file: int | None = None) -> int | None:
    child = _PROCESSES.Process(target=_train, args=(str(folder), options, bytes_of_a_file))
    child.start()
    child.join()
    return child.exitcode


def full_disk(folder: Path, sizes: tuple[int, ...]) -> int:
    """Train where files of a run may have so many bytes; return how often the disk was too full.

    Raises:
        AssertionError: a run fails without naming the file, leaves litter, or does not go on with more room.
    """
    _PROCESSES.set_forkserver_preload(["asrppl_air.train"])
    (folder / "mnist").mkdir()
    options = TrainOptions(mnist=write_digits(folder / "mnist"), images=40, test_images=20, batch=8, steps=4)
    failed = 0
    for size in sizes:
        run = RunFolder(folder / f"run{size}")
        status = _run(run.path, options, size)
        assert status in (0, _NO_SPACE), (size, status)
        if status == _NO_SPACE:
            failed += 1
            assert not run.path.exists() or not list(run.path.glob(".*")), list(run.path.iterdir())
            resumes = run.checkpoint.exists()
            if resumes:
                load_checkpoint(run.checkpoint)
            assert _run(run.path, None if resumes else options) == 0
    # A disk that fills up in the middle leaves the checkpoint before it.
    run = RunFolder(folder / "half")
    assert _run(run.path, options) == 0
    before = run.checkpoint.read_bytes()
    for size in sizes:
        status = _run(run.path, None, size)
        assert status in (0, _NO_SPACE), status
        assert run.checkpoint.read_bytes() == before or status == 0
        assert not list(run.path.glob(".*"))
    return failed


def asrppl(*words: str, memory: int | None = None, stdout: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command, in so many bytes of memory."""

    def limited() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return subprocess.run(
        [sys.executable, "-m", "asrppl", *words],
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
        timeout=300,
    )


def full_output(folder: Path) -> None:
    """Print to a disk that is full: a message and status 1. Raises AssertionError."""
    path = folder / "rules.asr"
    path.write_text("x <= 1\n")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = asrppl("check", str(path), stdout=full)
    finally:
        os.close(full)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def little_memory(folder: Path, every: int, memory: int) -> int:
    """Check every so many of the hostile texts at their longest in ``memory`` bytes; return how many.

    Raises:
        AssertionError: one does not fit, or ends otherwise than with findings.
    """
    path, count = folder / "hostile.asr", 0
    for number, (name, limit, texts) in enumerate(families()):
        if number % every == 0:
            path.write_text(max((text for text in texts.values() if len(text) <= limit), key=len))
            done = asrppl("check", str(path), memory=memory)
            assert done.returncode in (0, 1), (name, done.stderr[-500:])
            assert "Traceback" not in done.stderr, (name, done.stderr[-500:])
            assert "too little memory" not in done.stderr, name
            count += 1
    return count


def main() -> None:
    """Try all of them, and print what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = (100, 10_000, MIB, 4 * MIB, 16 * MIB, 64 * MIB)
        failed = full_disk(folder, sizes)
        print(f"disk: of {len(sizes)} limits {failed} stopped a run, which named the file and went on with more room")
        if Path("/dev/full").exists():
            full_output(folder)
            print("disk: output to /dev/full ends in a message")
        print(f"memory: {little_memory(folder, 8, 256 * MIB)} hostile texts were checked in 256 MiB of address space")


if __name__ == "__main__":
    main()

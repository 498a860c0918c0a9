"""Waiting for a run in another process."""

import subprocess
import time
from pathlib import Path

from asrppl_air.checkpoint import load_checkpoint


def wait_for_step(checkpoint: Path, step: int, process: "subprocess.Popen[str]") -> None:
    """Return when a run's checkpoint has come so far. (It is read when it is new only: it is large.)"""
    until, read = time.monotonic() + 120, 0
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        if checkpoint.exists() and (written := checkpoint.stat().st_mtime_ns) != read:
            read = written
            if load_checkpoint(checkpoint)["step"] >= step:
                return
        time.sleep(0.02)
    raise AssertionError(f"the run does not come to step {step} in two minutes")

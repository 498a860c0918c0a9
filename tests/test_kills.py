"""A few kills at random moments; `python -m tests.kills` has a hundred."""

import sys
from pathlib import Path

import pytest

from tests.kills import kill


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_runs_killed_at_random_moments_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    tally = kill(6, seed=1, folder=tmp_path)
    assert tally.signals.total() == 6
    assert tally.ended >= 1

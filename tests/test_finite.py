"""Means over draws of finite sites are the sums that they are, on generated formulas; tests/finite.py has more."""

import pytest

from tests.finite import compare

# Odd rules on purpose: what is warned of is tested elsewhere.
pytestmark = [pytest.mark.filterwarnings("ignore::asrppl.AsrWarning"), pytest.mark.usefixtures("double_precision")]


@pytest.mark.parametrize("block", range(6))
def test_means_are_what_the_enumeration_of_all_states_gives(block: int) -> None:
    verdicts = [(seed, compare(seed)) for seed in range(100 * block, 100 * (block + 1))]
    assert [(seed, verdict) for seed, verdict in verdicts if verdict.came in ("differs", "stays")] == []
    assert sum(verdict.came == "agrees" for _, verdict in verdicts) >= 40

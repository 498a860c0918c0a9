"""Compiled violations against the reference interpreter, on 2,000 generated rule files; tests/agreement.py has more."""

import pytest

from tests.agreement import BATCH, compare

# Odd rules on purpose: what is warned of is tested elsewhere.
pytestmark = [pytest.mark.filterwarnings("ignore::asrppl.AsrWarning"), pytest.mark.usefixtures("double_precision")]


def _agree(seeds: range, at_least: float, **options: object) -> None:
    verdicts = [(seed, compare(seed, **options)) for seed in seeds]  # pyright: ignore[reportArgumentType]
    assert [(seed, verdict) for seed, verdict in verdicts if verdict.came == "differs"] == []
    assert sum(verdict.came == "agrees" for _, verdict in verdicts) >= at_least * len(seeds)


@pytest.mark.parametrize("block", range(20))
def test_compiled_violations_are_those_of_the_interpreter(block: int) -> None:
    _agree(range(90 * block, 90 * (block + 1)), 0.65)


@pytest.mark.parametrize("block", range(4))
def test_loops_over_parts_of_an_index_change_nothing(block: int) -> None:
    _agree(range(5000 + 50 * block, 5050 + 50 * block), 0.65, bound=2 * BATCH)


@pytest.mark.parametrize("block", range(4))
def test_gradients_are_the_slopes_that_finite_differences_see(block: int) -> None:
    _agree(range(8000 + 25 * block, 8025 + 25 * block), 0.65, gradient=True)

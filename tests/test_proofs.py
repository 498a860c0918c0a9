"""For some 200 small rules z3 shows, over all reals and ints: the violation is 0 exactly where the formula holds."""

import pytest
import z3

from asrppl.reference import Given, Reference
from asrppl.worlds.unknown import Unknown
from tests.proofs import prove
from tests.symbolic import Explorer

pytestmark = [pytest.mark.filterwarnings("ignore::asrppl.AsrWarning"), pytest.mark.usefixtures("double_precision")]


@pytest.mark.parametrize("block", range(16))
def test_a_violation_is_zero_exactly_where_the_formula_holds(block: int) -> None:
    # `prove` raises where it is not; some are refused, or have too many paths.
    came = [prove(seed)[0] for seed in range(20 * block, 20 * (block + 1))]
    assert came.count("proved") >= 9


def test_a_claim_that_is_wrong_has_a_path_that_shows_it() -> None:
    explorer = Explorer(limit=10)
    x = Given("real", Unknown(explorer, z3.Real("x")))
    negative = []

    def run() -> None:
        (outcome,) = Reference("x <= 1 or x >= 2", {"x": x}).violations()
        negative.append(explorer.certain(outcome.cost.term >= 0.25) if not outcome.holds else None)  # pyright: ignore

    models = list(explorer.paths(run, []))
    assert len(models) >= 3
    assert False in negative  # 1.1 costs less

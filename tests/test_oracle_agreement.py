"""Compiled violations against the slow interpreter, on generated rule files."""

from collections.abc import Iterator

import pytest
import torch
from tests.oracle import Oracle

from asrppl.bind.values import bind_values
from asrppl.diagnostics import AsrError
from asrppl.lower import lower
from asrppl.program import parse
from tests.programs import Writer, values

# Odd rules on purpose: what is warned of is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")

BATCH = 4


def _agreement(seed: int, bound: int) -> bool:
    """Compare one generated rule; return False where the checker refuses it."""
    text = Writer(seed).rule()
    tensors, given = values(seed, BATCH)
    try:
        program = parse(text)
        bound_values = bind_values(program.free, {name: tensors[name] for name in program.free})
        typed = program.typed(bound_values.signature)
    except AsrError:
        return False
    plan = lower(typed, signature=bound_values.signature, elements=BATCH, bound=bound)
    found = plan(bound_values.tensors)["r"].double().expand(BATCH)
    for at in range(BATCH):
        ((violation, holds),) = Oracle(text, given[at]).evaluate()
        assert float(found[at]) == pytest.approx(violation, rel=1e-10, abs=1e-10), text
        if "margin" not in text and "kl(" not in text and "js(" not in text:
            assert (float(found[at]) == 0) == holds, text
    return True


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Rules that read no real are computed in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("block", range(6))
def test_compiled_violations_are_those_of_the_interpreter(block: int) -> None:
    agreed = sum(_agreement(seed, bound=2**22) for seed in range(100 * block, 100 * block + 60))
    assert agreed >= 30


@pytest.mark.parametrize("block", range(3))
def test_loops_over_parts_of_an_index_change_nothing(block: int) -> None:
    agreed = sum(_agreement(seed, bound=2 * BATCH) for seed in range(5000 + 100 * block, 5040 + 100 * block))
    assert agreed >= 20

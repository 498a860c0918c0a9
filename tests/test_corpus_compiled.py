"""The corpus's good programs, compiled: they cost what the reference interpreter says at the values that they give."""

from typing import Any

import pytest
import torch
from torch.distributions import Categorical

import asrppl
from asrppl.worlds import why
from tests.conformance import WITH, programs, read, values_in

# Odd rules on purpose: what is warned of stands in the corpus.
pytestmark = [pytest.mark.filterwarnings("ignore::asrppl.AsrWarning"), pytest.mark.usefixtures("double_precision")]

NO_SUCH_VALUE = {"law_with_its_own_values", "laws_of_data_with_their_own_values"}  # a Categorical is over 0, 1, 2, …


def as_given(value: Any, *, is_box: bool) -> Any:
    """A value as `Program.violations` takes it: laws as distributions, the numbers of boxes as reals."""
    if isinstance(value, dict) and "probs" in value:
        return Categorical(torch.tensor(value["probs"]))
    if isinstance(value, dict):
        return {name: part if name == "mask" else as_given(part, is_box=is_box) for name, part in value.items()}
    return torch.tensor(value, dtype=torch.float64) if is_box else value


def test_compiled_rules_cost_what_the_interpreter_says() -> None:
    compared = 0
    for path in programs("good"):
        source, params = read(path)
        lines = [line.removeprefix(WITH) for line in source.text.splitlines() if line.startswith(WITH)]
        if not lines or path.stem in NO_SUCH_VALUE:
            continue
        program = asrppl.parse(source.text, **params)
        for line in lines:
            values = values_in(line)
            boxes = {name for name, free in program.free.items() if free.shape == "box"}
            given = {name: as_given(value, is_box=name in boxes) for name, value in values.items()}
            compiled = program.violations(given)
            for name, violation in compiled.items():
                wanted = [one.violation for one in why(source, values, params, shown=0, only=[name])]
                found = violation.expand(len(wanted)).tolist()
                assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9), (path, line)
                compared += 1
    assert compared > 450

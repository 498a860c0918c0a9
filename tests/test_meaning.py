"""Worked values: what rules cost, by hand, from docs/language.md (tests/meaning.json has the reasons)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributions import Categorical

import asrppl

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "meaning.json").read_text(encoding="utf-8"))


def value_of(given: Any) -> Any:
    if isinstance(given, dict):
        if "probs" in given:
            return Categorical(probs=torch.tensor(given["probs"], dtype=torch.float64))
        return {name: value_of(part) for name, part in given.items()}
    tensor = torch.tensor(given)
    return torch.tensor(given, dtype=torch.float64).requires_grad_() if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"])
@pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")
def test_a_rule_costs_what_the_reference_says(case: Mapping[str, Any]) -> None:
    values = {name: value_of(given) for name, given in case["values"].items()}
    program = asrppl.parse(case["text"])
    cost = sum(program.violations(values).values(), torch.zeros(())).double()
    if case["want"] == ">0":
        assert bool((cost > 0).all())
        assert bool(torch.isfinite(cost).all())
    else:
        wanted = torch.tensor(case["want"], dtype=torch.float64)
        cost, wanted = torch.broadcast_tensors(cost, wanted)
        torch.testing.assert_close(cost, wanted, rtol=0, atol=1e-12)
    if "warns" in case:
        with pytest.warns(
            asrppl.AsrWarning, match=case["warns"].replace("runs over no instance", "runs over no instance")
        ):
            asrppl.parse(case["text"] + "\n").violations(values)
    for name, slope in case.get("grad", {}).items():
        (found,) = torch.autograd.grad(cost.sum(), values[name], retain_graph=True, allow_unused=True)
        found = torch.zeros_like(values[name]) if found is None else found
        assert found.tolist() == slope, name

"""Values that torch or rules cannot take as they are: read right, or refused with a mend; nan keeps no rule."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import distributions as dist

from asrppl.bind.finite import observed_log_probs
from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.program import parse

ROW = "forall k: w[k] <= 1"
HALF = torch.ones((), dtype=torch.float16)
NUMBERS = np.array([0.0, 1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    "value",
    [
        NUMBERS[::-1],
        NUMBERS.astype(">f8"),
        NUMBERS.astype(">f4"),
        NUMBERS.astype(">i2")[::-1],
        NUMBERS.astype("u2"),
        NUMBERS.astype("u8"),
        np.asfortranarray(np.stack([NUMBERS, NUMBERS]))[0],
    ],
    ids=["turned round", "big-endian", "big-endian float32", "both", "uint16", "uint64", "a column"],
)
def test_arrays_of_any_layout_are_read(value: object) -> None:
    assert float(parse(ROW).violations({"w": value})["line 1"]) == 4.0


@pytest.mark.parametrize(
    ("values", "message", "help"),
    [
        ({"w": torch.eye(3).to_sparse()}, "`w` is a sparse tensor", "give value.to_dense()"),
        ({"w": [torch.zeros(1), torch.zeros(1, device="meta")]}, "are on several devices", "with .to(device)"),
        ({"w": torch.zeros(3, dtype=torch.float16)}, "float16, which has too small a range", "give value.float()"),
        ({"w": NUMBERS.astype("f2")}, "float16, which has too small a range", "give value.float()"),
        ({"w": [torch.zeros(2), torch.zeros(2, dtype=torch.float16)]}, "float16", "give value.float()"),
        ({"w": np.ma.masked_greater(NUMBERS, 2)}, "a masked array, whose mask would be lost", '"mask": '),
        ({"w": NUMBERS.astype("longdouble")}, "which torch does not have", "give it as float64"),
        ({"w": np.array([1, 2**63], dtype="u8")}, "too large for an int64", "give it as floats"),
        ({"w": 10**400}, "too large to be held exactly", "give it as a float"),
        ({"w": 2**63}, "too large to be held exactly", "give it as a float"),
    ],
)
def test_what_rules_cannot_be_evaluated_on_is_refused_with_a_mend(
    values: Mapping[str, object], message: str, help: str | None
) -> None:
    with pytest.raises(AsrError) as caught:
        parse(ROW).violations(values)
    (found,) = caught.value.diagnostics
    assert found.code == "ASR072"
    assert message in found.message
    assert help is None or help in (found.help or "")


@pytest.mark.parametrize("law", [dist.Normal(HALF, HALF), dist.Categorical(logits=torch.zeros(3, dtype=torch.float16))])
def test_laws_of_too_small_a_range_are_refused(law: dist.Distribution) -> None:
    with pytest.raises(AsrError, match="a parameter of the law of `n` is float16, which has too small a range"):
        parse("mean(q(n)) <= 1").violations({"n": law})


def test_values_on_several_devices_are_refused() -> None:
    with pytest.raises(AsrError, match="the values are on several devices: `w` on cpu, `v` on meta"):
        parse("forall k: w[k] <= v[k]").violations({"w": torch.zeros(3), "v": torch.zeros(3, device="meta")})


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_nested_tensors_are_refused() -> None:
    nested = torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)])
    with pytest.raises(AsrError, match="a nested tensor"):
        parse(ROW).violations({"w": nested})


@pytest.mark.parametrize("given", [10**400, -(10**400), 2**53 + 1])
@pytest.mark.parametrize("default", ["1", "{1, 3}", "[1, 3]"])
def test_params_too_large_to_be_held_are_refused(given: int, default: str) -> None:
    value = given if default == "1" else [1, given]
    with pytest.raises(AsrError, match="too large to be held exactly"):
        parse(f"param S = {default}\nrule r: x <= 1", S=value)


@pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")
@pytest.mark.parametrize(
    "term", ["sqrt(x)", "x ^ 2", "x ^ 0", "x ^ 0.5", "x ^ -1", "x ^ y", "y ^ x", "y ^ n", "abs(x)", "log(x)", "x / y"]
)
def test_nan_is_no_rule_kept(term: str) -> None:
    program = parse(f"rule r: {term} <= 100")
    nan = torch.tensor(math.nan)
    values = {name: nan if name in ("x", "n") else torch.tensor(1.0) for name in program.free}
    assert math.isnan(float(program.violations(values)["r"]))


def test_nan_is_named() -> None:
    with pytest.warns(AsrWarning, match=r"the violation of rule `r` is nan: `x\[1\]` is nan"):
        parse("rule r: sqrt(x) <= 100").violations({"x": torch.tensor([1.0, math.nan])})


def test_the_law_of_an_observed_nan_is_nan() -> None:
    found = observed_log_probs(torch.distributions.Bernoulli(torch.tensor(0.5)), torch.tensor([1.0, math.nan]))
    assert found is not None
    assert found[1].isnan().all(-1).tolist() == [False, True]

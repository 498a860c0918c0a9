"""Plain values: what they become, and what is said about those that do not fit."""

from collections.abc import Mapping

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import Bernoulli, Binomial, Categorical, Independent, Normal, VonMises

from asrppl.bind.bound import Bound
from asrppl.bind.finite import finite_log_probs
from asrppl.bind.values import bind_values
from asrppl.codes import CODES
from asrppl.core.signature import BOX_FIELDS, Kind
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.program import parse


def _bind(text: str, values: Mapping[str, object]) -> Bound:
    return bind_values(parse(text).free, values)


def _refusal(text: str, values: Mapping[str, object]) -> Diagnostic:
    with pytest.raises(AsrError) as caught:
        _bind(text, values)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in CODES
    return diagnostic


BOXES = "forall i != j: nonoverlap(box[i], box[j])"


@pytest.mark.parametrize(
    "value",
    [
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        [(1, 2, 3), (4, 5, 6)],
        np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])],
        {"x": [1.0, 4.0], "y": [2.0, 5.0], "size": [3.0, 6.0]},
        {"x": np.array([1.0, 4.0]), "y": torch.tensor([2.0, 5.0]), "size": (3.0, 6.0)},
    ],
)
def test_squares_come_in_many_forms(value: object) -> None:
    bound = _bind(BOXES, {"box": value})
    entry = bound.signature.get("box")
    assert entry is not None
    assert (entry.axes, entry.fields, entry.squares) == ((2,), BOX_FIELDS, True)
    assert bound.tensors["box", "w"] is bound.tensors["box", "h"]
    assert [bound.tensors["box", name].tolist() for name in BOX_FIELDS] == [[1, 4], [2, 5], [3, 6], [3, 6]]


def test_four_columns_are_a_rectangle_and_leading_axes_a_batch() -> None:
    bound = _bind(BOXES, {"box": torch.rand(5, 7, 2, 4)})
    entry = bound.signature.get("box")
    assert entry is not None
    assert (entry.axes, entry.squares, bound.batch_shape) == ((2,), False, (5, 7))


def test_kinds_follow_the_dtype_and_python_floats_the_default_dtype() -> None:
    bound = _bind("forall i: a[i] <= 1 and b[i] and x[i] <= 1.5", {"a": [1, 2], "b": [True, False], "x": [1.0, 2.0]})
    kinds = {name: entry.kind for name, entry in bound.signature.entries}
    assert kinds == {"a": Kind.INT, "b": Kind.BOOL, "x": Kind.REAL}
    assert bound.tensors["x", None].dtype == torch.get_default_dtype()
    double = _bind("forall i: x[i] <= 1.5", {"x": np.array([1.0, 2.0])})
    assert double.tensors["x", None].dtype == torch.float64


def test_the_fields_of_a_site_statement_are_columns() -> None:
    bound = _bind(
        "site z[i]: (scale, u, v)\nforall i: z[i].scale <= z[i].u + z[i].v", {"z": torch.arange(6.0).reshape(2, 3)}
    )
    assert bound.tensors["z", "scale"].tolist() == [0, 3]
    assert bound.tensors["z", "v"].tolist() == [2, 5]


def test_numbered_values_make_one_array() -> None:
    values = {f"w_{k}": torch.full((5,), float(k)) for k in range(3)}
    bound = _bind("forall i: w[i] <= 1", values)
    assert bound.tensors["w", None].shape == (5, 3)
    assert bound.tensors["w", None][0].tolist() == [0, 1, 2]
    records = {f"at{k}": torch.full((5, 2), float(k)) for k in range(3)}
    bound = _bind('site p[i] = "at{i}": (u, v)\nforall i: p[i].u <= 1', records)
    assert bound.tensors["p", "u"].shape == (5, 3)


def test_masks_stand_beside_values_and_fields() -> None:
    mask = torch.tensor([True, False])
    bound = _bind("forall i: x[i] <= 1", {"x": {"value": [3.0, 9.0], "mask": mask}})
    entry = bound.signature.get("x")
    assert entry is not None
    assert entry.masked
    assert float(parse("forall i: x[i] <= 1").violations({"x": {"value": [3.0, 9.0], "mask": mask}})["line 1"]) == 2


def test_a_name_can_have_a_value_and_a_distribution() -> None:
    text = "rule a: n <= 1\nrule b: kl(delta(1) || q(n)) <= 0"
    found = parse(text).violations({"n": {"value": 3, "distribution": Categorical(torch.tensor([0.5, 0.5]))}})
    assert float(found["a"]) == 2
    assert float(found["b"]) == pytest.approx(0.6931472)


def test_probabilities_lie_along_a_further_axis() -> None:
    bound = _bind("forall k in 0..1: entropy(categorical(phi[k])) <= 1", {"phi": torch.full((5, 2, 4), 0.25)})
    entry = bound.signature.get("phi")
    assert entry is not None
    assert (entry.axes, bound.batch_shape) == ((2, 4), (5,))


# ---- what does not fit


@pytest.mark.parametrize(
    ("text", "values", "code", "message"),
    [
        ("x <= 1", {"y": 1.0, "x": 2.0}, "ASR071", "a value was given for `y`, which no rule reads"),
        ("x <= 1", {"x": "three"}, "ASR072", "a str, not a number"),
        ("forall i: x[i] <= 1", {"x": [[1.0, 2.0], [3.0]]}, "ASR072", "not an array of numbers"),
        ("x <= 1", {"x": Normal(0.0, 1.0)}, "ASR072", "the value of `x` is read, but a Normal was given"),
        ("x <= 1", {"x": torch.tensor(1j)}, "ASR072", "complex"),
        (
            "forall i, j: m[i, j] <= 1",
            {"m": [1.0, 2.0]},
            "ASR073",
            "has 2 indices in the rules, but the value given has shape (2,)",
        ),
        ("forall i: x[i] <= y[i]", {"x": torch.rand(4, 3), "y": torch.rand(5, 3)}, "ASR073", "do not fit"),
        (BOXES, {"box": torch.rand(3, 5)}, "ASR074", "of shape (3, 5), has 5"),
        (BOXES, {"box": 3.0}, "ASR074", "one number was given"),
        (BOXES, {"box": {"x": [1.0], "y": [2.0], "w": [3.0]}}, "ASR074", "needs a field `h`"),
        (BOXES, {"box": {"x": [1.0], "y": [2.0], "sise": [3.0]}}, "ASR074", "needs a field `w`"),
        ("site z[i]: (u, v)\nforall i: z[i].u <= 1", {"z": torch.rand(2, 3)}, "ASR074", "(u, v), but the value given"),
        ("x <= 1", {"x": {"u": 1.0}}, "ASR074", "has no fields in the rules"),
        ("mean(q(n)) <= 0", {"n": VonMises(0.0, 1.0)}, "ASR075", "a VonMises was given"),
        ("kl(delta(1) || q(n)) <= 0", {"n": 1.0}, "ASR075", "a float was given"),
        ("f(1) <= 1", {"f": 3.0}, "ASR077", "called in the rules, but a float was given"),
        ("x <= 1", {"x": abs}, "ASR077", "a value in the rules"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(text: str, values: dict[str, object], code: str, message: str) -> None:
    diagnostic = _refusal(text, values)
    assert diagnostic.code == code
    assert message in diagnostic.message
    if code != "ASR071":
        assert diagnostic.span is not None


def test_a_missing_name_points_at_its_use_and_offers_the_nearest() -> None:
    with pytest.raises(AsrError) as caught:
        _bind("rule r: forall i: scale[i] <= 1", {"scales": [1.0]})
    codes = {diagnostic.code: diagnostic for diagnostic in caught.value.diagnostics}
    assert set(codes) == {"ASR070", "ASR071"}
    missing = codes["ASR070"]
    assert missing.span is not None
    assert missing.span.text.startswith("scale")
    assert missing.help == "did you mean `scales`?"


def test_both_the_value_and_the_distribution_are_asked_for_where_both_are_read() -> None:
    text = "rule a: n <= 1\nrule b: kl(delta(1) || q(n)) <= 0"
    diagnostic = _refusal(text, {"n": Categorical(torch.tensor([0.5, 0.5]))})
    assert diagnostic.code == "ASR075"
    assert diagnostic.help is not None
    assert "distribution" in diagnostic.help


# ---- distributions


@pytest.mark.parametrize(
    ("distribution", "support", "shape"),
    [
        (Categorical(torch.ones(5, 3)), (0, 1, 2), (5, 3)),
        (Bernoulli(torch.full((5,), 0.3)), (0, 1), (5, 2)),
        (Independent(Bernoulli(torch.full((5, 4), 0.3)), 1), (0, 1), (5, 4, 2)),
        (dist.Categorical(torch.ones(3)).expand([5]), (0, 1, 2), (5, 3)),
        (dist.Bernoulli(torch.full((5, 4), 0.3)).mask(torch.ones(5, 4).bool()).to_event(1), (0, 1), (5, 4, 2)),
        (dist.Categorical(torch.ones(3)).expand_by([5]).mask(False), (0, 1, 2), (5, 3)),
        (Binomial(2, torch.tensor([0.3, 0.6])), (0, 1, 2), (2, 3)),
    ],
)
def test_finite_distributions_give_log_probabilities(
    distribution: torch.distributions.Distribution, support: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    found = finite_log_probs(distribution)
    assert found is not None
    assert found[0] == support
    assert found[1].shape == shape
    torch.testing.assert_close(found[1].exp().sum(-1), torch.ones(shape[:-1]))


@pytest.mark.parametrize(
    "distribution",
    [
        Normal(0.0, 1.0),
        dist.MultivariateNormal(torch.zeros(2), torch.eye(2)),
        dist.Poisson(torch.tensor(1.0)),
    ],
)
def test_others_have_none(distribution: torch.distributions.Distribution) -> None:
    assert finite_log_probs(distribution) is None


def test_a_box_in_whole_pixels_is_graded_like_any_other() -> None:
    program = parse("forall i != j: nonoverlap(box[i], box[j])")
    whole = program.violations({"box": [[10, 10, 8], [14, 12, 8]]})
    assert torch.equal(whole["line 1"], torch.tensor(8.0))


def test_columns_have_no_order_without_a_site_statement() -> None:
    program = parse("forall i: w[i].b <= w[i].a")
    with pytest.raises(AsrError, match="declare them: site w"):
        program.violations({"w": torch.zeros(3, 2)})
    declared = parse("site w[i]: (a, b)\nforall i: w[i].b <= w[i].a")
    assert declared.violations({"w": torch.tensor([[0.0, 1.0]])})["line 2"] == 1


def test_whether_a_draw_is_boolean_is_read_from_its_distribution_not_its_dtype() -> None:
    program = parse("b implies mean(q(b)) <= 0")
    given = {"value": torch.tensor([1.0, 0.0]), "distribution": Bernoulli(torch.tensor([0.25, 0.25]))}
    torch.testing.assert_close(program.violations({"b": given})["line 1"], torch.tensor([0.25, 0.0]))
    with pytest.raises(AsrError, match="takes whole numbers"):
        program.violations({"b": {**given, "distribution": Categorical(torch.ones(2, 2))}})


@pytest.mark.parametrize(
    ("phi", "why"),
    [([[0.5, 0.5], [0.7, 0.7]], "off by 0.4"), ([[0.5, 0.5], [1.5, -0.5]], "negative"), ([[1, 0], [2, 1]], "off by 2")],
)
def test_probabilities_that_are_none_are_refused(phi: list[list[float]], why: str) -> None:
    program = parse("tv(categorical(phi[0]), categorical(phi[1])) >= 0.3")
    with pytest.raises(AsrError, match=why):
        program.violations({"phi": phi})


def test_a_mask_says_yes_or_no() -> None:
    program = parse("forall i: a[i] <= 0")
    assert program.violations({"a": {"value": [1.0, 3.0], "mask": [0.0, 1.0]}})["line 1"] == 3
    with pytest.raises(AsrError, match="nothing between"):
        program.violations({"a": {"value": [1.0, 3.0], "mask": [0.5, 1.0]}})

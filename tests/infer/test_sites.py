"""What the names of rules are bound to in Pyro programs (language.md, Names)."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch import Tensor

import asrppl

DATA = 4


def _bindings(guide: Callable[[], Any], rules: str, model: Callable[[], Any] | None = None, **options: Any) -> Any:
    return asrppl.regularize(model or guide, guide, rules, **options).bindings()


def _violation(guide: Callable[[], Any], formula: str, model: Callable[[], Any] | None = None, **options: Any) -> float:
    elbo = asrppl.regularize(model or guide, guide, f"rule r: {formula}", **options)
    elbo.loss(model or guide, guide)
    return elbo.report.violations["r"].item()


def _fails(code: str, guide: Callable[[], Any], rules: str, model: Any = None, **options: Any) -> str:
    with pytest.raises(asrppl.AsrError) as error:
        _bindings(guide, rules, model, **options)
    assert {diagnostic.code for diagnostic in error.value.diagnostics} == {code}
    return str(error.value)


def _at(name: str, value: Tensor, event_dim: int = 0) -> Tensor:
    """A site that is nearly certain of ``value``."""
    return pyro.sample(name, dist.Normal(value, 1e-6).to_event(event_dim))


# ---- where a name is looked for


def test_a_site_goes_before_a_family_of_sites() -> None:
    def guide() -> None:
        _at("a", torch.zeros(2), 1)
        _at("a_0", torch.zeros(()))

    assert _bindings(guide, "forall i: a[i] <= 0")["a"].origin == "guide site 'a'"


@pytest.mark.filterwarnings("ignore:warning.ASR116")  # that the rule reads only data is the point here
def test_deterministic_and_observed_sites_of_the_model_are_found() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            _at("z", torch.arange(4.0))

    def model() -> None:
        with pyro.plate("data", DATA):
            z = _at("z", torch.zeros(DATA))
            pyro.deterministic("twice", 2 * z)
            pyro.sample("x", dist.Normal(z, 1.0), obs=torch.arange(4.0))

    assert _violation(guide, "twice <= 0", model) == pytest.approx(3.0, abs=1e-3)
    assert _violation(guide, "x <= 0", model) == pytest.approx(1.5)
    bindings = _bindings(guide, "rule a: twice - x <= 0", model)
    assert bindings["twice"].levels == ("z", "x")
    assert bindings["x"].levels == ("x",)
    assert bindings["x"].origin == "model site 'x'"


def test_a_param_is_found_and_varies_with_nothing() -> None:
    def guide() -> None:
        pyro.param("phi", torch.tensor([[0.2, 0.8], [0.5, 0.5], [0.3, 0.7]]))

    rules = "forall k, l where k < l: tv(categorical(phi[k]), categorical(phi[l])) >= 0.25"
    binding = _bindings(guide, rules)["phi"]
    assert binding.origin == "param 'phi'"
    assert binding.levels == ()
    assert _violation(guide, rules) == pytest.approx(0.15 + 0.05)


def test_a_param_within_the_data_plate_varies_with_the_datum() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            pyro.param("a", torch.arange(4.0), event_dim=0)
            _at("z", torch.zeros(DATA))

    assert _violation(guide, "a <= 1") == pytest.approx(0.75)


@pytest.mark.filterwarnings("ignore:warning.ASR116")  # that the rule reads only data is the point here
def test_numbered_sites_are_an_array() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            for i in range(12):
                _at(f"w_{i}", torch.tensor(float(i)))

    assert _bindings(guide, "forall i: w[i] <= 0")["w"].axes == ((12, "sites"),)
    assert _violation(guide, "w[11] <= 0") == pytest.approx(11.0, abs=1e-3)
    assert _violation(guide, "forall i: v[i] <= 10", bind={"v": [9, 12]}) == pytest.approx(2.0)


def test_numbered_sites_by_a_pattern_with_named_components() -> None:
    def guide() -> None:
        for i in range(3):
            _at(f"z_where_{i}_b", torch.tensor([1.0, 2.0 * i, 3.0]), 1)

    rules = 'site w[i] = "z_where_{i}_b": (a, b, c)\nrule r: forall i: w[i].b <= w[i].a'
    binding = _bindings(guide, rules)["w"]
    assert binding.kind == "record (a, b, c)"
    assert binding.axes == ((3, "sites"),)
    elbo = asrppl.regularize(guide, guide, rules)
    elbo.loss(guide, guide)
    assert elbo.report.violations["r"].item() == pytest.approx(1.0 + 3.0, abs=1e-3)


@pytest.mark.parametrize("numbers", [(0, 2), (1, 3), (3, 4)])
def test_numbered_sites_with_a_gap_are_refused(numbers: tuple[int, ...]) -> None:
    def guide() -> None:
        for i in numbers:
            _at(f"w_{i}", torch.zeros(()))

    assert "without gaps" in _fails("ASR085", guide, "forall i: w[i] <= 0")


def test_numbered_sites_that_differ_are_refused() -> None:
    def guide() -> None:
        _at("w_0", torch.zeros(2), 1)
        _at("w_1", torch.zeros(3), 1)

    assert "'w_0' (2,), 'w_1' (3,)" in _fails("ASR085", guide, "forall i, j: w[i, j] <= 0")


def test_subsample_sites_of_plates_are_no_sites() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA, subsample_size=2):
            _at("z", torch.zeros(()))

    assert "is a plate" in _fails("ASR080", guide, "data <= 0")


def test_a_name_that_nothing_gives_points_at_its_use_and_lists_the_nearest() -> None:
    def guide() -> None:
        _at("z_scale_0", torch.zeros(()))

    text = _fails("ASR080", guide, "rule a: forall i: z_scal[i] <= 0")
    assert "<rules>:1:19" in text
    assert "did you mean `z_scale`" in text


def test_a_name_that_is_bound_and_exposed_is_refused() -> None:
    def guide() -> None:
        asrppl.expose("a", torch.zeros(()))

    _fails("ASR081", guide, "a <= 0", bind={"a": 1.0})


def test_a_name_of_the_file_that_hides_a_site_is_refused() -> None:
    def guide() -> None:
        _at("z", torch.zeros(()))
        _at("width", torch.zeros(()))

    assert "'width'" in _fails("ASR082", guide, "param width = 3\nrule a: z <= width")


def test_a_latent_of_the_model_that_the_guide_lacks_is_refused() -> None:
    def model() -> None:
        _at("z", torch.zeros(()))

    assert "the guide does not sample it" in _fails("ASR083", lambda: None, "z <= 0", model)


# ---- kinds and distributions


def test_kinds_come_from_supports() -> None:
    def guide() -> None:
        pyro.sample("on", dist.Bernoulli(0.5))
        pyro.sample("count", dist.Poisson(torch.tensor(3.0)))
        pyro.sample("place", dist.Normal(0.0, 1.0))
        pyro.sample("which", dist.OneHotCategorical(torch.ones(3)))

    bindings = _bindings(guide, "rule a: on + count + place + which[0] <= 0")
    assert {name: binding.kind for name, binding in bindings.items()} == {
        "on": "bool",
        "count": "int",
        "place": "real",
        "which": "bool",
    }


def test_the_distribution_of_a_site_is_unwrapped() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            pyro.sample("n", dist.Categorical(torch.tensor([0.25, 0.25, 0.5])))
            pyro.sample("b", dist.Bernoulli(torch.tensor([0.5, 0.25])).to_event(1))

    log = torch.log(torch.tensor(4.0)).item()
    assert _bindings(guide, "kl(delta(1) || q(n)) <= 0")["n"].support == (0, 1, 2)
    assert _violation(guide, "kl(delta(1) || q(n)) <= 0") == pytest.approx(log)
    assert _violation(guide, "kl(delta(1) || q(b[1])) <= 0") == pytest.approx(log)


def test_the_distributions_of_numbered_sites_are_an_array() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            for i in range(2):
                pyro.sample(f"b_{i}", dist.Bernoulli(torch.tensor(0.25 * (i + 1))))

    assert _violation(guide, "forall i: mean(q(b[i])) <= 0") == pytest.approx(0.75)


def test_a_continuous_site_is_not_compared_to_finitely_many_values() -> None:
    def guide() -> None:
        _at("z", torch.zeros(()))

    text = _fails("ASR120", guide, "kl(delta(1) || q(z)) <= 0")
    assert "Normal" in text
    assert "<rules>:1:" in text


@pytest.mark.parametrize("given", [dist.Categorical(torch.tensor([0.25, 0.75])), torch.tensor([0.25, 0.75])])
def test_an_exposed_distribution_or_its_probabilities(given: Any) -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            value = given.expand((DATA, 2)) if isinstance(given, Tensor) else given.expand((DATA,))
            asrppl.expose("n", value)
            _at("z", torch.zeros(()))

    assert _violation(guide, "mean(q(n)) <= 0") == pytest.approx(0.75)


def test_a_site_may_have_its_distribution_exposed() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            pyro.sample("n", dist.Delta(torch.ones(DATA)))
            asrppl.expose("n", dist.Categorical(torch.tensor([0.25, 0.75]).expand(DATA, 2)))

    assert _violation(guide, "mean(q(n)) + n <= 0") == pytest.approx(1.75)


# ---- axes


def _tables() -> None:
    with pyro.plate("data", DATA, dim=-1):
        _at("x", torch.zeros(()))
        with pyro.plate("parts", 3, dim=-2):
            _at("z", torch.arange(6.0).reshape(3, 1, 2).expand(3, DATA, 2), 1)


def test_plates_come_before_event_axes_and_only_if_the_rank_asks_for_them() -> None:
    both = _bindings(_tables, "rule a: forall p, e: z[p, e] <= 0", data="data")
    assert both["z"].axes == ((3, "plate 'parts'"), (2, "event"))
    assert both.data == "data"
    event = _bindings(_tables, "rule a: forall e: z[e] <= 0", data="data")
    assert event["z"].axes == ((2, "event"),)
    assert _violation(_tables, "forall p, e: z[p, e] <= 0", data="data") == pytest.approx(15.0, abs=1e-2)
    assert _violation(_tables, "z[2, 1] <= 0", data="data") == pytest.approx(5.0, abs=1e-2)
    assert _violation(_tables, "forall e: z[e] <= 0", data="data") == pytest.approx(15.0 / 3, abs=1e-2)


def test_a_family_within_plates_has_the_sites_axis_first() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA, dim=-1), pyro.plate("parts", 3, dim=-2):
            for i in range(2):
                _at(f"w_{i}", i + torch.arange(3.0)[:, None] / 10)

    assert _bindings(guide, "forall i, p: w[i, p] <= 0", data="data")["w"].axes == ((2, "sites"), (3, "plate 'parts'"))
    assert _violation(guide, "w[1, 2] <= 0", data="data") == pytest.approx(1.2, abs=1e-3)


def test_a_last_axis_of_length_one_is_dropped() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            for i in range(2):
                _at(f"scale_{i}", torch.ones(DATA, 1), 1)

    assert _bindings(guide, "forall i: scale[i] <= 0")["scale"].axes == ((2, "sites"),)
    assert _violation(guide, "forall i: scale[i] <= 0") == pytest.approx(2.0, abs=1e-3)


def test_a_rank_that_fits_no_reading_is_refused() -> None:
    text = _fails("ASR084", _tables, "forall p, e, f, g: z[p, e, f, g] <= 0", data="data")
    assert "plate 'parts' (3)" in text
    assert "event axis of length 2" in text


def test_an_indexed_plate_may_not_be_subsampled() -> None:
    def guide() -> None:
        with pyro.plate("parts", 3, subsample_size=2):
            _at("z", torch.zeros(()))

    assert "2 of 3" in _fails("ASR088", guide, "forall p: z[p] <= 0")


def test_two_plates_around_the_data_need_a_name() -> None:
    def model() -> None:
        with pyro.plate("images", DATA, dim=-1), pyro.plate("pixels", 3, dim=-2):
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.zeros(3, DATA))
        _at("z", torch.ones(()))

    def guide() -> None:
        _at("z", torch.ones(()))

    text = _fails("ASR087", guide, "z <= 0", model)
    assert "`pixels`" in text
    assert "`images`" in text
    elbo = asrppl.regularize(model, guide, "rule r: z <= 0", data="images")
    elbo.loss(model, guide)
    assert elbo.report.penalty.item() == pytest.approx(DATA, abs=1e-3)
    _fails("ASR087", guide, "z <= 0", model, data="nowhere")


# ---- records


@pytest.mark.parametrize(("columns", "kind"), [(3, "square (x, y, w, h)"), (4, "record (x, y, w, h)")])
def test_boxes_have_three_or_four_columns(columns: int, kind: str) -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            _at("box", torch.arange(2.0 * columns).reshape(2, columns).expand(DATA, 2, columns), 2)

    binding = _bindings(guide, "forall i != j: nonoverlap(box[i], box[j])")["box"]
    assert binding.kind == kind
    assert binding.axes == ((2, "event"),)


def test_five_columns_are_no_box() -> None:
    def guide() -> None:
        _at("box", torch.zeros(2, 5), 2)

    assert "5 columns" in _fails("ASR086", guide, "forall i != j: nonoverlap(box[i], box[j])")


def test_a_record_is_exposed_field_by_field() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            place = torch.tensor([1.0, 2.0]).expand(DATA, 2)
            asrppl.expose("box", {"x": place, "y": place, "size": 0.5 * place}, event_dim=1)
            _at("z", torch.zeros(()))

    assert _bindings(guide, "forall i: box[i].size <= 0")["box"].kind == "square (x, y, w, h)"
    assert _violation(guide, "forall i: box[i].size <= 0") == pytest.approx(1.5)


# ---- presence


def test_masks_of_numbered_sites_say_which_are_there() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            for i in range(3):
                with poutine.mask(mask=torch.tensor([0, 1, 2, 3]) > i):
                    _at(f"w_{i}", torch.ones(()))

    assert _bindings(guide, "forall i: w[i] <= 0")["w"].masked
    assert _violation(guide, "forall i: w[i] <= 0") == pytest.approx(6 / 4, abs=1e-3)
    assert _violation(guide, "1 <= (sum i: w[i])") == pytest.approx(1 / 4, abs=1e-3)


def test_a_mask_of_a_distribution_counts_as_one_of_a_handler() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            for i in range(3):
                pyro.sample(f"w_{i}", dist.Normal(1.0, 1e-6).expand([DATA]).mask(torch.tensor([0, 1, 2, 3]) > i))

    assert _violation(guide, "forall i: w[i] <= 0") == pytest.approx(6 / 4, abs=1e-3)


def test_a_mask_of_a_plate_that_is_indexed_says_which_are_there() -> None:
    def guide() -> None:
        with pyro.plate("parts", 3), poutine.mask(mask=torch.tensor([True, False, True])):
            _at("w", torch.ones(3))

    assert _violation(guide, "forall p: w[p] <= 0") == pytest.approx(2.0, abs=1e-3)


def test_an_exposed_mask_is_broadcast_to_the_index_axes() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            present = torch.tensor([1, 0, 1])
            asrppl.expose("w", torch.ones(DATA, 3), event_dim=1, mask=present)
            _at("z", torch.zeros(()))

    assert _bindings(guide, "forall i: w[i] <= 0")["w"].masked
    assert _violation(guide, "forall i: w[i] <= 0") == pytest.approx(2.0)


# ---- bind=


def test_values_and_functions_are_bound() -> None:
    def guide() -> None:
        with pyro.plate("data", DATA):
            _at("z", torch.arange(4.0))

    grid = torch.tensor([0.0, 2.0, 1.0])
    rules = "rule r: forall g in 0..1: f(grid[g]) <= f(grid[g + 1])"
    bindings = _bindings(guide, rules, bind={"f": torch.square, "grid": grid})
    assert bindings["f"].kind == "function"
    assert bindings["grid"].levels == ()
    assert _violation(guide, rules[8:], bind={"f": torch.square, "grid": grid}) == pytest.approx(3.0)
    assert _violation(guide, "z <= top", bind={"top": 1.0}) == pytest.approx(0.75, abs=1e-3)


def test_expose_checks_its_axes_and_returns_its_value() -> None:
    value = torch.zeros(2, 3)
    assert asrppl.expose("a", value, event_dim=2) is value
    with pytest.raises(ValueError, match="event_dim=3"):
        asrppl.expose("a", value, event_dim=3)

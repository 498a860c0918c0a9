"""What does not stop anything reaches people all the same: as Python warnings of a class of their own, once."""

import pickle
import warnings
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoDelta, AutoNormal

import asrppl

EMPTY = "rule all: forall i: x[i] <= 1"


def caught(call: object) -> list[warnings.WarningMessage]:
    assert callable(call)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return found


def test_a_text_and_a_file_warn_in_the_name_of_their_caller(tmp_path: Path) -> None:
    text = "param unused = 3\nrule wide: abs(x) >= 0\n"
    (tmp_path / "rules.asr").write_text(text)
    for call in (lambda: asrppl.parse(text), lambda: asrppl.load(tmp_path / "rules.asr")):
        found = caught(call)
        assert [message.category for message in found] == [asrppl.AsrWarning] * 2
        assert [message.message.diagnostic.code for message in found] == ["ASR055", "ASR057"]
        assert {message.filename for message in found} == {__file__}
        assert "rules" in str(found[0].message)
        assert "1 | param unused = 3" in str(found[0].message)


def test_a_rule_that_runs_over_nothing_says_so_once_for_what_it_is_bound_to() -> None:
    program = asrppl.parse(EMPTY)
    nothing = {"x": torch.zeros(5, 0)}
    (found,) = caught(lambda: program.violations(nothing))
    assert found.message.diagnostic.code == "ASR066"
    assert found.filename == __file__
    assert caught(lambda: program.violations(nothing)) == []
    assert caught(lambda: program.violations({"x": torch.zeros(5, 2)})) == []
    assert len(caught(lambda: asrppl.parse(EMPTY).penalty(nothing))) == 1


def test_regularize_warns_when_it_binds_and_bindings_list_it() -> None:
    def model() -> None:
        pyro.sample("x", dist.Normal(torch.zeros(0), 1.0).to_event(1))

    elbo = asrppl.regularize(model, AutoDelta(model), EMPTY)
    (found,) = caught(lambda: elbo.loss(elbo.model, elbo.guide))
    assert found.message.diagnostic.code == "ASR066"
    bindings = elbo.bindings()
    assert [warning.code for warning in bindings.warnings] == ["ASR066"]
    assert "warning[ASR066]" in str(bindings)
    assert "ASR066" in bindings._repr_html_()


def test_an_equality_of_a_draw_with_a_density_is_warned_of() -> None:
    def model() -> None:
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    elbo = asrppl.regularize(model, AutoNormal(model), "mu == 0.5")
    with pytest.warns(asrppl.AsrWarning, match="ASR050"):
        elbo.bindings()


def test_they_are_data_that_travels() -> None:
    (found,) = caught(lambda: asrppl.parse("rule wide: abs(x) >= 0"))
    again = pickle.loads(pickle.dumps(found.message))
    assert again.diagnostic == found.message.diagnostic
    assert str(again) == str(found.message)

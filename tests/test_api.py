"""The public API: documented, with examples that run; rules are read without torch."""

import doctest
import inspect
import re
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI
from pyro.infer.autoguide import AutoDelta, AutoNormal, init_to_value

import asrppl
import asrppl.commands

ROOT = Path(__file__).parents[1]
NAMES = [name for name in asrppl.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {
        "AutoDelta": AutoDelta, "AutoNormal": AutoNormal, "Path": Path, "SVI": SVI, "asrppl": asrppl, "dist": dist,
        "init_to_value": init_to_value, "pyro": pyro, "torch": torch, "warnings": warnings,
    }  # fmt: skip
    value = getattr(asrppl, name)
    # By its home module: a doctest finder leaves out what it takes for imported.
    found = doctest.DocTestFinder().find(value, name, module=sys.modules[value.__module__], globs=names)
    assert any(test.examples for test in found)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    printed: list[str] = []
    for test in found:
        pyro.clear_param_store()
        runner.run(test, out=printed.append)
    assert not printed, "".join(printed)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_method_says_what_it_does(name: str) -> None:
    value = getattr(asrppl, name)
    members = [value] if not inspect.isclass(value) else [value, *vars(value).values()]
    for member in members:
        if (inspect.isfunction(member) or isinstance(member, property)) and not _hidden(member):
            assert inspect.getdoc(member), member


def _hidden(member: object) -> bool:
    return str(getattr(member, "__name__", getattr(getattr(member, "fget", None), "__name__", ""))).startswith("_")


def test_the_api_page_lists_what_is_public_and_says_that_the_rest_is_not() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([A-Za-z_.]+)", page, re.MULTILINE)
    listed = [name for name in listed if not name.startswith("training.")]  # tests/training: they are extras
    assert len(listed) == len(set(listed)) < 50
    tops = {name.partition(".")[0] for name in listed if not name.startswith("commands.")}
    assert tops == set(asrppl.__all__)
    for name in listed:
        target: object = asrppl
        if name.startswith("commands."):
            target, name = asrppl.commands, name.removeprefix("commands.")
        for part in name.split("."):
            target = getattr(target, part, None) or vars(type(target)).get(part)
            assert target is not None or part in page, name


@pytest.mark.parametrize("call", ["asrppl.parse('x <= 1')", "asrppl.load('low.asr').scaled(2).only('low').to_dict()"])
def test_rules_are_read_without_torch(call: str, tmp_path: Path) -> None:
    (tmp_path / "low.asr").write_text("rule low: x <= 1\n")
    code = f"import asrppl, sys; {call}; sys.exit(bool({{'torch', 'pyro', 'numpy'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


# ---- in a notebook


def regularized() -> asrppl.RegularizedELBO:
    def model() -> None:
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    return asrppl.regularize(
        model, AutoDelta(model), "rule low weight 2: mu <= 1 and mu < 2\nrule off weight 0: mu <= 1"
    )


def test_everything_shows_itself_as_html_with_texts_escaped() -> None:
    elbo = regularized()
    before = elbo._repr_html_()
    assert "not called yet" in before
    assert (
        '<td style="text-align: left; vertical-align: top">mu &lt;= 1 and mu &lt; 2</td>' in elbo.program._repr_html_()
    )
    elbo.loss(elbo.model, elbo.guide)
    assert "not called yet" not in elbo._repr_html_().partition("off")[0]
    assert "<th" in elbo.report._repr_html_()
    assert "guide site &#x27;mu&#x27;" in elbo.bindings()._repr_html_()
    with pytest.raises(asrppl.AsrError) as error:
        asrppl.parse("n == 1 or < 3")
    assert re.sub("<span.*?>|</span>", "", error.value._repr_html_()).startswith("<pre>error[ASR")
    assert "< 3" not in error.value._repr_html_()


def test_everything_says_in_a_line_what_it_is() -> None:
    elbo = regularized()
    elbo.loss(elbo.model, elbo.guide)
    assert repr(elbo) == "RegularizedELBO(Trace_ELBO, step 0, rules: low, off)"
    assert repr(elbo.report).startswith("Report(returned ")
    assert "low 0 × 2" in repr(elbo.report)
    assert repr(elbo.bindings()) == "Bindings(mu; data plate None)"
    with pytest.raises(asrppl.AsrError) as error:
        asrppl.parse("n == 1 or 3")
    assert repr(error.value) == "AsrError(ASR036)"


@pytest.mark.parametrize(
    "call",
    [
        lambda: asrppl.parse("n == 1 or 3"),
        lambda: asrppl.load(Path(__file__)),
        lambda: asrppl.parse("x <= 1").violations({}),
        lambda: asrppl.parse("x <= 1").penalty({}),
        lambda: asrppl.regularize(lambda: None, lambda: None, "x <= 1", bind={"x": "text"}),
        lambda: asrppl.regularize(lambda: None, lambda: None, "x <= 1").bindings(),
    ],
)
def test_an_error_shows_its_text_and_not_the_frames_that_led_to_it(call: object) -> None:
    assert callable(call)
    with pytest.raises(asrppl.AsrError) as error:
        call()
    frames = traceback.extract_tb(error.value.__traceback__)
    assert len(frames) <= 3  # the test's two, and the border
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__

"""Each code has an explanation whose examples are so: the bad one brings the code out, the mended one nothing."""

import ast
import re
import warnings
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import RenyiELBO, Trace_ELBO, TraceMeanField_ELBO, autoguide

import asrppl
from asrppl.cli.main import main
from asrppl.codes import CODES
from asrppl.diagnostics import Diagnostic, render
from asrppl.explanations import Block, explanations, page

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "asrppl" / "explanations.md"
NO_EXAMPLE = {
    "ASR063",  # typing by itself says it; whatever binds names has said it before
    "ASR118",  # takes thousands of steps; tests/infer/test_moments.py has it
}
INTRODUCTION = """\
# Diagnostics

Each error and warning has a code that does not change, the place in the rules, and the mend where there is one. All
errors of a file come at once, in `AsrError.diagnostics` and from `asrppl check`; what binding and `regularize` find
points into the rules too. `asrppl explain ASR036` prints what stands here.

Each code below has an example, what asrppl says of it, and the example mended; a test runs them all. The programs begin
with

```python
from pathlib import Path
import asrppl, pyro, torch
import pyro.distributions as dist
from pyro.infer import RenyiELBO, Trace_ELBO, TraceMeanField_ELBO, autoguide
```

This page is made from `asrppl/explanations.md` and not edited.

"""


def run(block: Block) -> tuple[Diagnostic, ...]:
    """What is found in an example; of a program, in what its last line makes."""
    pyro.clear_param_store()
    names = {
        "Path": Path, "RenyiELBO": RenyiELBO, "TraceMeanField_ELBO": TraceMeanField_ELBO, "Trace_ELBO": Trace_ELBO,
        "asrppl": asrppl, "autoguide": autoguide, "dist": dist, "pyro": pyro, "torch": torch,
    }  # fmt: skip
    try:
        if block.language == "asr":
            return asrppl.parse(block.text).diagnostics
        tree = ast.parse(block.text)
        last = tree.body.pop()
        assert isinstance(last, ast.Expr)
        exec(compile(tree, "example", "exec"), names)
        made = eval(compile(ast.Expression(last.value), "example", "eval"), names)
        if isinstance(made, asrppl.RegularizedELBO):
            with warnings.catch_warnings(record=True) as raised:
                warnings.simplefilter("always")
                for _ in range(16):  # some are said of training only
                    made.loss(made.model, made.guide)
            (pair,) = made._pairs.values()
            later = [w.message.diagnostic for w in raised if isinstance(w.message, asrppl.AsrWarning)]
            return tuple(dict.fromkeys((*(w for bound in pair.attachments.values() for w in bound.warnings), *later)))
        return tuple(getattr(made, "diagnostics", ()))
    except asrppl.AsrError as error:
        return error.diagnostics


def test_every_code_is_explained_in_order_under_its_title() -> None:
    heads = re.findall(r"^## (.*)$", page(), re.MULTILINE)
    assert heads == [f"{code}: {known.title}" for code, known in sorted(CODES.items())]
    assert all(explanation.text for explanation in explanations().values())


@pytest.mark.parametrize("code", sorted(CODES.keys() - NO_EXAMPLE))
def test_the_example_brings_the_code_out_and_the_mended_one_nothing(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update_golden: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    bad, said, mended = explanations()[code].blocks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pyro's of an example's program
        found = [diagnostic for diagnostic in run(bad) if diagnostic.code == code]
        assert found, bad.text
        shown = render(found[0]) + "\n"
        if update_golden:
            section, new = explanations()[code].text, PAGE.read_text(encoding="utf-8")
            start = new.index(section)
            PAGE.write_text(new[:start] + new[start:].replace(f"```text\n{said.text}```", f"```text\n{shown}```", 1))
        else:
            assert said.text == shown
        assert run(mended) == ()


def test_the_docs_have_the_same(update_golden: bool) -> None:
    wanted = INTRODUCTION + PAGE.read_text(encoding="utf-8")
    target = ROOT / "docs" / "diagnostics.md"
    if update_golden:
        target.write_text(wanted, encoding="utf-8")
    assert target.read_text(encoding="utf-8") == wanted


def test_codes_in_the_source_are_registered_and_registered_ones_are_used() -> None:
    used: set[str] = set()
    for file in (ROOT / "asrppl").rglob("*.py"):
        if file.name != "codes.py":
            used |= set(re.findall(r'"(ASR\d{3})"', file.read_text(encoding="utf-8")))
    assert used == set(CODES)


def test_explain_prints_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "asr036"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("error ASR036: a number stands where a formula is needed\n\n")
    assert "    rule r: n == 1 or 3\n" in printed
    assert "    rule r: n in {1, 3}\n" in printed


def test_explain_offers_codes_near_one_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ASR019"]) == 1
    assert "there is no code ASR019" in capsys.readouterr().err

"""The public names beside training: listed, and with examples that run."""

import doctest
import re
import sys
from importlib import import_module
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoDelta, AutoNormal, init_to_value

import asrppl

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
LISTED = re.findall(r"^\| `training\.([a-z]+)\.(\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_some_are_listed() -> None:
    assert {module for module, _ in LISTED} == {"lightning", "logs", "posterior"}


@pytest.mark.parametrize(("module", "name"), LISTED)
def test_they_are_there_and_their_examples_run(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = import_module(f"asrppl.training.{module}")
    value = getattr(home, name)
    assert value.__doc__
    names = {
        "AutoDelta": AutoDelta, "AutoNormal": AutoNormal, "Path": Path, "asrppl": asrppl, "dist": dist,
        "init_to_value": init_to_value, "pyro": pyro, "torch": torch, **vars(home),
    }  # fmt: skip
    printed: list[str] = []
    for test in doctest.DocTestFinder().find(value, name, module=home, globs=names):
        doctest.DocTestRunner().run(test, out=printed.append)
    assert not printed, "".join(printed)


@pytest.mark.parametrize(("module", "needs"), [("lightning", "lightning.pytorch"), ("posterior", "xarray")])
def test_what_is_not_installed_is_named(module: str, needs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, needs, None)
    monkeypatch.delitem(sys.modules, f"asrppl.training.{module}", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'asrppl\[(lightning|xarray)\]'"):
        import_module(f"asrppl.training.{module}")

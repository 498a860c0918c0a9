"""Pyro's programs, in small, with the rules that their users would want; and that the page says what comes of it."""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate

import asrppl
from examples.pyro.__main__ import cases
from examples.pyro.checkout import PROGRAMS, Own
from examples.pyro.compare import RULES, Case, compare
from examples.pyro.page import HAS, entry, page
from examples.pyro.programs.scanvi import SCANVI
from examples.pyro.programs.ss_vae import SSVAE

PAGE = Path(__file__).parents[3] / "docs" / "programs.md"
OPTIM: Any = pyro.optim  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    torch.set_default_dtype(torch.float64)
    logging.disable(logging.INFO)  # Pyro says how many plates it has guessed
    yield
    logging.disable(logging.NOTSET)
    torch.set_default_dtype(torch.float32)


CASES = list(cases(Own()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.title}: {case.rule}")
def test_a_rule_on_a_program_does_what_it_says_or_is_refused_with_the_reason(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asrppl.AsrWarning)  # of rules that ask nothing of most of the made-up data
        outcome = compare(case)
    assert outcome.agrees, outcome
    assert entry(outcome) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_is_the_one_that_is_made_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.endswith(" |")][2:]
    assert len(rows) == len(CASES)
    assert text == page(rows)
    assert set(HAS) == {case.title for case in CASES}


def test_every_rule_file_is_without_findings_and_every_program_has_rules() -> None:
    files = sorted(RULES.glob("*.asr"))
    assert all(not asrppl.load(file).diagnostics for file in files)
    used = {(case.program.source.name, case.rule) for case in CASES}
    ours = {(str(file), rule.name) for file in files for rule in asrppl.load(file).rules}
    originals_alone = {"autoname.asr", "mixed_hmm.asr", "svi_torch.asr", "toy_mixture.asr"}
    assert {Path(name).name for name, _ in ours - used} == originals_alone
    assert {Own().module(path).__name__.rpartition(".")[2] for path in PROGRAMS} == {
        file.stem for file in (RULES.parent / "programs").glob("*.py") if file.stem not in ("__init__", "nets")
    }


def test_calls_with_and_without_labels_share_an_objective_and_a_mean_over_all_data() -> None:
    net = SSVAE(z_dim=2, hidden_layers=[4])
    guide = config_enumerate(net.guide, "parallel", expand=True)
    base = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
    elbo = asrppl.regularize(net.model, guide, "rule few hard: aggregate(q(y)[3]) <= 0", elbo=base, data_size=12)
    svi = SVI(net.model, guide, OPTIM.Adam({"lr": 0.0}), elbo)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no site to enumerate in calls with labels
        warnings.simplefilter("ignore", asrppl.AsrWarning)  # that rules train nothing in those
        images = torch.rand(6, 784)
        labels = torch.eye(10)[torch.tensor([3, 3, 3, 0, 1, 2])]
        for _ in range(20):
            svi.step(images, labels)
            svi.step(images)
    wanted = (0.5 + float(net.encoder_y(images)[:, 3].mean().detach())) / 2
    assert float(elbo.report.violations["few"]) == pytest.approx(wanted, abs=0.05)


def test_layers_that_normalise_batches_see_each_batch_once() -> None:
    counts, labels = torch.poisson(torch.full((6, 9), 3.0)), torch.eye(4)[torch.tensor([0, 1, 2, 3, 0, 1])]
    seen: list[list[torch.Tensor]] = []
    for rules in (None, "rule near weight 1e-9: forall d: abs(E[z2[d]]) <= 0.1"):  # E of a datum: 32 further runs
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        net = SCANVI(num_genes=9, num_labels=4, l_loc=2.0, l_scale=1.0, scale_factor=0.1)
        guide = config_enumerate(net.guide, "parallel", expand=True)
        base: Any = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
        elbo = base if rules is None else asrppl.regularize(net.model, guide, rules, elbo=base)
        svi = SVI(net.model, guide, OPTIM.Adam({"lr": 0.0}), elbo)
        for step in range(4):
            svi.step(counts + step, None if step % 2 else labels)
        norms = [layer for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
        (first,) = (layer for layer in net.into.modules() if isinstance(layer, torch.nn.BatchNorm1d))
        seen.append([torch.stack([layer.num_batches_tracked for layer in norms]), first.running_mean])
        if rules is not None:
            assert elbo.report.moments["near"] == {"E[z2[d]]": "drawn anew"}
    torch.testing.assert_close(seen[0], seen[1])

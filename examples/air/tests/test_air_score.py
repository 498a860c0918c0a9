"""The score function's programs: the exact ones' expectations, less variance with baselines, runs that resume."""

import argparse
import json
from dataclasses import replace
from typing import Any

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceEnum_ELBO, TraceGraph_ELBO
from torch import Tensor

import asrppl
from asrppl_air.checkpoint import load_checkpoint, save_checkpoint
from asrppl_air.cli import air as command
from asrppl_air.locate import NotFiniteError
from asrppl_air.options import TrainOptions
from asrppl_air.run import RunFolder
from asrppl_air.score import Baseline, ScoreGuide, ScoreModel
from asrppl_air.sealed import read_json
from asrppl_air.train import train
from asrppl_air.trainer import Trainer
from examples.air.tests.small_air import BATCH, OBJECTS, parameters, small_air, small_settings

SIZE = 40  # of the data set that the batch is taken from
PARTICLES = 100
Z = 5.0  # some 1,500 coordinates; seeds are fixed
RULES = """
param L = {1, 3}
rule admissible weight 10: exists k in L: kl(delta(k) || q(n)) <= 0
rule balanced   weight 20: kl(uniform(L) || aggregate(q(n))) <= 0
rule members    weight 30: n in L
rule apart      weight 2:  forall i != j: nonoverlap(box[i], box[j])
"""


def baseline_of(seed: int = 1) -> Baseline:
    torch.manual_seed(seed)
    return Baseline(small_settings()).double()


def gradient_of(loss: Tensor, wanted: list[Tensor]) -> Tensor:
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    flat = [torch.zeros_like(p) if g is None else g for p, g in zip(wanted, found, strict=True)]
    return torch.cat([g.reshape(-1) for g in flat]) / SIZE


def objectives(programs: Any, rules: str | None, kind: Any) -> Any:
    base = kind(max_plate_nesting=1, num_particles=PARTICLES, vectorize_particles=True)
    elbo = asrppl.regularize(*programs, rules or "", elbo=base)
    images = small_air()[2]
    elbo.loss(*programs, images, SIZE)  # binds, with draws of its own
    return elbo


@pytest.fixture(autouse=True)
def _no_validation():
    with pyro.validation_enabled(False):
        yield


@pytest.mark.filterwarnings("ignore:.*asks nothing:asrppl.AsrWarning")
@pytest.mark.parametrize(
    ("prior", "rules", "with_baseline"),
    [("learned", None, True), ("fixed", None, False), ("learned", RULES, True)],
    ids=["learned", "fixed-bare", "rules"],
)
def test_loss_and_gradient_agree_with_the_exact_programs_in_the_mean(prior, rules, with_baseline) -> None:
    """With one seed both draw the same objects, so that what differs is the drawing of presence alone."""
    model, guide, images = small_air(prior)
    exact = model, guide
    score = ScoreModel(model), ScoreGuide(guide, baseline_of() if with_baseline else None)
    exact_elbo = objectives(exact, rules, TraceEnum_ELBO)
    score_elbo = objectives(score, rules, TraceGraph_ELBO)
    wanted = parameters(model, guide)
    differences: list[Tensor] = []
    own: list[Tensor] = []
    for seed in range(30):
        rows: list[Tensor] = []
        for elbo, programs in ((exact_elbo, exact), (score_elbo, score)):
            torch.manual_seed(seed)
            loss = elbo.differentiable_loss(*programs, images, SIZE)
            rows.append(torch.cat([loss.detach().reshape(1) / SIZE, gradient_of(loss, wanted)]))
        differences.append(rows[1] - rows[0])
        own.append(rows[0])
    found = torch.stack(differences)
    error = found.std(0) / len(found) ** 0.5
    noisy = error > 1e-12
    assert (found.mean(0)[~noisy].abs() < 1e-9).all()
    z = found.mean(0)[noisy] / error[noisy]
    assert float(z.abs().max()) < Z
    assert 0.4 < float(z.std()) < 2  # many coordinates, but they move together
    # It would show: most gradients of the presence head are far from 0 in units of these errors.
    where = 1 + sum(p.numel() for p in wanted) - sum(p.numel() for p in guide.encoder.parameters())
    head = slice(where - sum(p.numel() for p in guide.presence.parameters()), where)
    assert float((torch.stack(own).mean(0)[head].abs() / error[head].clamp_min(1e-12)).median()) > 3


def variance(model: Any, guide: Any, images: Tensor, baseline: Baseline | None) -> Tensor:
    """The summed variance of the presence head's gradient in nats per image, for one particle."""
    programs = ScoreModel(model), ScoreGuide(guide, baseline)
    elbo = objectives(programs, None, TraceGraph_ELBO)
    wanted = list(guide.presence.parameters())
    torch.manual_seed(11)
    rows = [gradient_of(elbo.differentiable_loss(*programs, images, SIZE), wanted) for _ in range(60)]
    return torch.stack(rows).var(0).sum()


def test_a_trained_baseline_lowers_the_variance_of_the_gradient() -> None:
    model, guide, images = small_air()
    baseline = baseline_of()
    bare = variance(model, guide, images, None)
    programs = ScoreModel(model), ScoreGuide(guide, baseline)
    module = objectives(programs, None, TraceGraph_ELBO)(*programs)
    optimiser = torch.optim.Adam(baseline.parameters(), lr=1e-2)
    torch.manual_seed(5)
    for _ in range(80):
        optimiser.zero_grad()
        module(images, SIZE).backward()
        optimiser.step()
    assert variance(model, guide, images, baseline) < 0.25 * bare


def test_baselines_learn_from_their_own_error_alone_and_teach_nobody() -> None:
    model, guide, images = small_air()
    baseline = baseline_of()
    programs = ScoreModel(model), ScoreGuide(guide, baseline)
    draft = guide.draft(images)
    assert all(
        g is None
        for g in torch.autograd.grad(
            torch.stack(baseline(images, draft)).sum(), parameters(model, guide), allow_unused=True
        )
    )
    losses = []
    for shift in (0.0, 3.0):
        with torch.no_grad():
            baseline.head[-1].bias.add_(shift)
        torch.manual_seed(0)
        losses.append(objectives(programs, None, TraceGraph_ELBO).differentiable_loss(*programs, images, SIZE).detach())
    assert torch.equal(*losses)


@pytest.mark.parametrize("prior", ["learned", "fixed"])
def test_presence_ends_with_the_first_absence_and_the_absent_cost_nothing(prior) -> None:
    model, guide, images = small_air(prior)
    torch.manual_seed(0)
    images = images.repeat(10, 1, 1)
    traced = poutine.trace(ScoreGuide(guide, None)).get_trace(images)
    replayed = poutine.trace(poutine.replay(ScoreModel(model), trace=traced)).get_trace(images)
    present = torch.stack([traced.nodes[f"z_pres_{t}"]["value"] for t in range(OBJECTS)], -1)
    assert torch.equal(present, present.cumprod(-1))
    assert torch.equal(traced.nodes["n"]["value"], present.sum(-1).long())
    assert {0, 1, 2, 3} >= set(present.sum(-1).tolist()) > {1.0}
    for trace in (traced, replayed):
        trace.compute_log_prob()
        for t in range(OBJECTS):
            for name in (f"z_loc_{t}", f"z_scale_{t}", f"z_what_{t}"):
                assert torch.equal(trace.nodes[name]["log_prob"] != 0, present[:, t] == 1)
            before = torch.ones_like(present[:, 0]) if t == 0 else present[:, t - 1]
            assert torch.equal(trace.nodes[f"z_pres_{t}"]["log_prob"] != 0, before == 1)


def test_the_model_generates_on_its_own() -> None:
    model, _, images = small_air()
    nodes = poutine.trace(ScoreModel(model)).get_trace(images).nodes
    assert nodes["n"]["value"].shape == (BATCH,)
    sites = {f"z_{part}_{t}" for part in ("pres", "loc", "scale", "what") for t in range(OBJECTS)} | {"n"}
    assert {name for name, node in nodes.items() if node["type"] == "sample" and name not in ("x", "data")} == sites


def test_what_rules_read_has_the_same_channels_where_it_has_no_presence_in_it() -> None:
    model, guide, images = small_air()
    elbo = asrppl.regularize(
        ScoreModel(model), ScoreGuide(guide, None), RULES, elbo=TraceGraph_ELBO(max_plate_nesting=1)
    )
    bindings = elbo.bindings(images, SIZE)
    channels = {rule.name: rule.channel for rule in bindings.rules}
    assert channels == {"admissible": "P", "balanced": "P", "members": "S", "apart": "S"}
    assert bindings["n"].kind == "int"


def test_a_fixed_count_is_refused() -> None:
    model, guide, _ = small_air(fixed_count=True)
    with pytest.raises(ValueError, match="leaves nothing to the score function"):
        ScoreModel(model)
    with pytest.raises(ValueError, match="leaves nothing to the score function"):
        ScoreGuide(guide, None)


# ---- training


@pytest.fixture
def options(mnist) -> TrainOptions:
    text = "rule admissible weight 10: exists k in {1, 3}: kl(delta(k) || q(n)) <= 0\nrule low weight 2: n <= 2"
    rules = asrppl.parse(text).to_dict()
    return TrainOptions(mnist=mnist, images=40, test_images=20, batch=8, steps=8, estimator="score", rules=rules)


@pytest.mark.parametrize("with_rules", [True, False])
def test_a_run_stopped_anywhere_goes_on_as_if_it_had_not_been(tmp_path, options, with_rules) -> None:
    options = options if with_rules else replace(options, rules=None)
    never_stopped = train(RunFolder(tmp_path / "a"), options).state()
    folder = RunFolder(tmp_path / "b")
    five_steps = Trainer(options)
    for _ in range(5):
        five_steps.advance()
    folder.path.mkdir()
    save_checkpoint(folder.checkpoint, five_steps.state())
    torch.manual_seed(99)
    train(folder, None)
    resumed = load_checkpoint(folder.checkpoint)
    for part in ("model", "guide", "baseline"):
        assert all(torch.equal(value, resumed[part][name]) for name, value in never_stopped[part].items())
    assert torch.equal(never_stopped["random"], resumed["random"])
    for key, moments in never_stopped["optimiser"]["state"].items():
        assert all(torch.equal(value, resumed["optimiser"]["state"][key][name]) for name, value in moments.items())
    start = Trainer(options).state()["baseline"]
    assert all(not torch.equal(value, resumed["baseline"][name]) for name, value in start.items())


def test_the_command_trains_and_its_checkpoint_is_measured_by_the_exact_programs(tmp_path, mnist, capsys) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    data = ["--mnist", mnist, "--images", "16", "--test-images", "6", "--batch", "8", "--steps", "2"]
    args = parser.parse_args(["air", "train", "--out", str(tmp_path / "run"), *data, "--estimator", "score"])
    assert args.run(args) == 0
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["estimator"] == "score"
    trained = read_json((tmp_path / "run" / "metrics.json").read_bytes())
    capsys.readouterr()
    args = parser.parse_args(["air", "eval", str(tmp_path / "run"), "--json"])
    assert args.run(args) == 0
    assert json.loads(capsys.readouterr().out) == trained
    args = parser.parse_args(["air", "train", "--out", str(tmp_path / "run"), "--resume", "--estimator", "exact"])
    assert args.run(args) == 1
    assert "these differ: estimator" in capsys.readouterr().err


def test_nan_names_its_site_here_too(options) -> None:
    trainer = Trainer(replace(options, rules=None))
    with torch.no_grad():
        trainer.guide.scale.net[2].bias.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="comes from site `z_scale_0` of the guide"):
        trainer.advance()


def test_clipping_and_the_schedule_are_those_of_model_and_guide_alone(options) -> None:
    trainer = Trainer(replace(options, clip=1e-6))
    rates = []
    for _ in range(3):
        trainer.advance()
        rates.append([group["lr"] for group in trainer.optimiser.param_groups])
    assert rates[0][0] > rates[2][0]
    assert rates[0][1] == rates[2][1]
    assert trainer.baseline is not None
    norms = [
        torch.stack([p.grad.norm() for p in part if p.grad is not None]).norm()
        for part in (trainer.parameters, list(trainer.baseline.parameters()))
    ]
    assert norms[0] < 2e-6 < 1 < norms[1]

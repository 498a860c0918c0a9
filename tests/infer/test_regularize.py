"""`regularize` as a user meets it: arguments, reports, schedules, state, and what a run leaves behind."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO, config_enumerate
from pyro.infer.autoguide import AutoNormal

import asrppl
from tests.infer.toys import PATHWISE_RULES, RULES, START, N, Toy, X


def test_rules_may_be_a_path_a_text_or_a_program(tmp_path: Path) -> None:
    toy = Toy()
    file = tmp_path / "globe.asr"
    file.write_text("param top = 0\nrule globe: mu <= top\n")
    for rules in (file, str(file), file.read_text()):
        assert asrppl.regularize(toy.model, toy.guide, rules, top=1).program.params == {"top": 1}
    program = asrppl.load(file)
    assert asrppl.regularize(toy.model, toy.guide, program).program is program
    with pytest.raises(asrppl.AsrError, match=r"ASR098.*`top`"):
        asrppl.regularize(toy.model, toy.guide, program, top=1)


def test_a_value_in_bind_that_no_rule_reads_is_an_error() -> None:
    toy = Toy()
    with pytest.raises(asrppl.AsrError, match="`nu`"):
        asrppl.regularize(toy.model, toy.guide, "rule a: mu <= 0", bind={"nu": 1.0})


# ---- the report


@pytest.mark.parametrize("base", [Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO])
@pytest.mark.parametrize("particles", [1, 3])
def test_the_report_splits_what_a_call_returns(base: Any, particles: int) -> None:
    toy = Toy(discrete=base is not TraceMeanField_ELBO, enumerate=base is TraceEnum_ELBO)
    objective = base(num_particles=particles, vectorize_particles=particles > 1, max_plate_nesting=1)
    elbo = asrppl.regularize(toy.model, toy.guide, RULES if toy.discrete else PATHWISE_RULES, elbo=objective)
    for call in (elbo.loss, elbo.loss_and_grads, elbo.differentiable_loss):
        pyro.set_rng_seed(5)
        returned = call(toy.model, toy.guide)
        report = elbo.report
        pyro.set_rng_seed(5)
        plain = objective.loss(toy.model, toy.guide)
        assert float(report.loss) == pytest.approx(plain)
        assert float(report.loss + report.penalty) == pytest.approx(float(torch.as_tensor(returned).detach()))
        expected = sum(report.weights[name] * float(value) for name, value in report.violations.items())
        assert float(report.penalty) == pytest.approx(N * expected)
        for value in report.violations.values():
            assert value.shape == ()
            assert not value.requires_grad
            assert type(value) is torch.Tensor


def test_the_report_averages_enumerated_draws_by_their_probabilities() -> None:
    toy = Toy(enumerate=True)
    elbo = asrppl.regularize(
        toy.model, toy.guide, "rule on: b <= 0.25", elbo=TraceEnum_ELBO(num_particles=2, max_plate_nesting=1)
    )
    elbo.loss(toy.model, toy.guide)
    assert elbo.report.violations["on"].item() == pytest.approx(float(0.75 * torch.sigmoid(START["w"]).mean()))


# ---- schedules


def test_a_warm_up_advances_once_a_training_call() -> None:
    toy = Toy()
    rules = "rule globe weight 0 -> 10 over 4 steps: mu <= -5"
    elbo = asrppl.regularize(toy.model, toy.guide, rules, elbo=Trace_ELBO(num_particles=3))
    seen: list[float] = []
    for _ in range(3):
        elbo.loss_and_grads(toy.model, toy.guide)
        seen.append(elbo.report.weights["globe"])
        elbo.loss(toy.model, toy.guide)
    elbo.differentiable_loss(toy.model, toy.guide)
    seen.append(elbo.report.weights["globe"])
    assert seen == [0.0, 2.5, 5.0, 7.5]
    with torch.no_grad():
        elbo.differentiable_loss(toy.model, toy.guide)
    assert elbo.step == 4
    assert elbo.report.weights["globe"] == 10.0


def test_a_run_goes_on_where_it_was_stopped() -> None:
    toy = Toy()
    rules = "rule globe weight 0 -> 10 over 4 steps: mu <= -5"
    elbo = asrppl.regularize(toy.model, toy.guide, rules)
    elbo.loss_and_grads(toy.model, toy.guide)
    state = elbo.state_dict()
    assert state == {"step": 1, "same_data": True, "rules": {}}
    again = asrppl.regularize(toy.model, toy.guide, rules)
    again.load_state_dict(state)
    again.loss(toy.model, toy.guide)
    assert again.report.weights["globe"] == 2.5
    assert asrppl.regularize(toy.model, toy.guide, rules, step=3).step == 3


def test_a_rule_whose_weight_is_zero_changes_nothing() -> None:
    toy = Toy()
    elbo = asrppl.regularize(toy.model, toy.guide, "rule globe weight 0: mu <= -5")
    pyro.set_rng_seed(2)
    with_rules = [elbo.loss_and_grads(toy.model, toy.guide) for _ in range(3)]
    pyro.set_rng_seed(2)
    plain = [Trace_ELBO().loss_and_grads(toy.model, toy.guide) for _ in range(3)]
    assert with_rules == plain
    assert elbo.report.violations == {}


# ---- what a run leaves behind


def test_binding_uses_up_no_random_numbers() -> None:
    toy = Toy(subsample=3)
    pyro.set_rng_seed(2)
    plain = [Trace_ELBO().loss(toy.model, toy.guide) for _ in range(3)]
    elbo = asrppl.regularize(toy.model, toy.guide, "rule tiny weight 1e-300: z <= 0")
    pyro.set_rng_seed(2)
    assert [elbo.loss(toy.model, toy.guide) for _ in range(3)] == pytest.approx(plain, rel=1e-12)


def test_bindings_leave_no_trace() -> None:
    toy = Toy()

    def guide() -> None:
        pyro.param("fresh", lambda: torch.randn(3))
        toy.guide()

    elbo = asrppl.regularize(toy.model, guide, RULES)
    before = torch.get_rng_state()
    elbo.bindings()
    assert torch.equal(torch.get_rng_state(), before)
    assert not list(pyro.get_param_store().keys())
    assert elbo.step == 0


def test_bindings_print_as_a_table() -> None:
    toy = Toy()
    assert str(asrppl.regularize(toy.model, toy.guide, RULES).bindings()) == (
        "b   bool  scalar  varies with z, x  guide site 'b'\n"
        "mu  real  scalar  varies with z     guide site 'mu'\n"
        "z   real  scalar  varies with z, x  guide site 'z'\n"
        "data plate: 'data'\n"
        "rule mixed   channel S  depends on the draw of 'b'\n"
        "rule globe   channel P  depends on reparameterised draws only\n"
        "rule post    channel P  depends on no draw\n"
        "rule people  channel P  depends on no draw"
    )


@pytest.mark.parametrize("base", [Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO])
def test_an_objective_can_be_copied_and_pickled_in_training(base: Any) -> None:
    objective = base(max_plate_nesting=1, strict_enumeration_warning=False)
    elbo = asrppl.regularize(_picklable_model, _picklable_guide, RULES, elbo=objective)
    elbo.loss_and_grads(_picklable_model, _picklable_guide)
    for again in (copy.deepcopy(elbo), pickle.loads(pickle.dumps(elbo))):
        assert again.step == 1
        pyro.set_rng_seed(4)
        expected = elbo.loss(_picklable_model, _picklable_guide)
        pyro.set_rng_seed(4)
        assert again.loss(_picklable_model, _picklable_guide) == expected


def _picklable_model() -> None:
    Toy().model()


def _picklable_guide() -> None:
    Toy().guide()


def test_nothing_of_a_step_is_kept_but_the_report() -> None:
    toy = Toy()
    elbo = asrppl.regularize(toy.model, toy.guide, RULES)
    elbo.differentiable_loss(toy.model, toy.guide)
    (pair,) = elbo._pairs.values()
    assert not pair.recorder.samples


# ---- in Pyro


@pytest.mark.parametrize("base", [Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO])
def test_svi_trains_towards_the_rules(base: Any) -> None:
    toy = Toy(enumerate=base is TraceEnum_ELBO)
    rules = "rule on weight 100: kl(delta(1) || q(b)) <= 0\nrule low weight 100: mu <= -2"
    elbo = asrppl.regularize(toy.model, toy.guide, rules, elbo=base(max_plate_nesting=1))
    svi = SVI(toy.model, toy.guide, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
    first = svi.step()
    assert isinstance(first, float)
    violations = dict(elbo.report.violations)
    for _ in range(60):
        svi.step()
    assert elbo.report.violations["on"] < 0.1 * violations["on"]
    assert pyro.param("m").item() < -1.5
    assert svi.evaluate_loss() < first


def test_it_is_a_torch_module_with_modules() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> None:
            with pyro.plate("data", len(x)):
                z = pyro.sample("z", dist.Normal(0.0, 1.0))
                pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    x = torch.linspace(-1.0, 1.0, 5)
    model = Model()
    guide = AutoNormal(model)
    guide(x)
    elbo = asrppl.regularize(model, guide, "rule positive weight 50: z >= 0", elbo=TraceMeanField_ELBO())
    module = elbo(model, guide)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        module(x).backward()
        optimizer.step()
    assert elbo.step == 100
    assert elbo.report.violations["positive"] < 0.05


def test_another_model_and_guide_are_bound_on_their_own() -> None:
    small, large = Toy(), Toy(discrete=False)
    elbo = asrppl.regularize(small.model, small.guide, "rule globe: z <= mu")
    elbo.loss(small.model, small.guide)
    elbo.loss(large.model, large.guide)
    assert len(elbo._pairs) == 2


def test_programs_whose_structure_changes_are_bound_again() -> None:
    def model(count: int) -> None:
        for i in range(count):
            pyro.sample(f"z_{i}", dist.Normal(5.0 + i, 0.01))

    elbo = asrppl.regularize(model, model, "rule low: forall i: z[i] <= 0")
    for count in (3, 1, 3):
        elbo.loss(model, model, count)
        assert elbo.report.violations["low"].item() == pytest.approx(sum(5.0 + i for i in range(count)), abs=0.2)


def test_a_last_smaller_batch_needs_no_binding_again() -> None:
    def model(x: torch.Tensor) -> None:
        with pyro.plate("data", 100, subsample=torch.arange(len(x))):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x: torch.Tensor) -> None:
        with pyro.plate("data", 100, subsample=torch.arange(len(x))):
            pyro.sample("z", dist.Normal(x, 0.001))

    elbo = asrppl.regularize(model, guide, "rule low: z <= 0")
    for size in (8, 8, 3):
        elbo.loss(model, guide, torch.ones(size))
        assert elbo.report.violations["low"].item() == pytest.approx(1.0, abs=0.01)
        assert elbo.report.penalty.item() == pytest.approx(100.0, abs=1.0)
    (pair,) = elbo._pairs.values()
    assert len(pair.attachments) == 1


def test_rules_on_an_unchanged_guide_with_numbered_sites() -> None:
    """language.md's first look: sites z_where_0, z_where_1, … and no box."""

    def model(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            places = [
                pyro.sample(f"z_where_{i}", dist.Normal(torch.zeros(3, dtype=X.dtype), 1.0).to_event(1))
                for i in range(3)
            ]
            pyro.sample("x", dist.Normal(sum(places).sum(-1), 1.0), obs=x)

    means = torch.tensor([[0.2, 0.0, 0.0], [0.4, 0.1, 0.0], [0.1, 0.5, 0.9]], dtype=X.dtype)

    def guide(x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            for i in range(3):
                pyro.sample(f"z_where_{i}", dist.Normal(means[i], 1e-6).to_event(1))

    rules = """
    param S = 50
    site z_where[i]: (scale, x, y)
    let box[i] = square(x: S * (z_where[i].x + 1) / 2, y: S * (z_where[i].y + 1) / 2, size: S * z_where[i].scale)
    forall i!=j: nonoverlap(box[i], box[j])
    """.replace("\n    ", "\n")
    elbo = asrppl.regularize(model, guide, rules, S=64)
    elbo.loss(model, guide, X)
    side, place = 64 * means[:, 0], 64 * (means[:, 1:] + 1) / 2
    expected = sum(
        max(0.0, float((side[i] + side[j]) / 2 - (place[i] - place[j]).abs().max()))
        for i in range(3)
        for j in range(3)
        if i != j
    )
    assert expected > 10
    assert elbo.report.violations["line 5"].item() == pytest.approx(expected, abs=1e-2)
    assert str(elbo.bindings(X)).startswith("z_where  record (scale, x, y)  3 (sites)")


def test_an_exposed_array_with_a_mask_skips_what_is_absent() -> None:
    boxes = torch.tensor([[10.0, 10, 8], [12, 10, 8], [13, 10, 8]])

    @config_enumerate
    def guide() -> None:
        with pyro.plate("data", 2):
            n = pyro.sample("n", dist.Categorical(torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(2, 4)))
            asrppl.expose("box", boxes.expand(2, 3, 3), event_dim=2, mask=n[..., None] > torch.arange(3))

    def model() -> None:
        with pyro.plate("data", 2):
            n = pyro.sample("n", dist.Categorical(torch.ones(4)))
            pyro.sample("x", dist.Normal(n.to(torch.float32), 1.0), obs=torch.zeros(2))

    elbo = asrppl.regularize(
        model, guide, "forall i != j: nonoverlap(box[i], box[j])", elbo=TraceEnum_ELBO(max_plate_nesting=1)
    )
    elbo.loss(model, guide)
    of_two, of_three = 2 * 6.0, 2 * (6.0 + 5.0 + 7.0)
    assert elbo.report.violations["line 1"].item() == pytest.approx(0.3 * of_two + 0.4 * of_three)


def test_sites_of_a_plate_run_through_one_by_one_are_numbered_sites() -> None:
    def model() -> None:
        for i in pyro.plate("steps", 3):
            z = pyro.sample(f"z_{i}", dist.Normal(0.0, 1.0))
            pyro.sample(f"x_{i}", dist.Normal(z, 1.0), obs=torch.tensor(float(i)))

    def guide() -> None:
        for i in pyro.plate("steps", 3):
            pyro.sample(f"z_{i}", dist.Normal(float(i), 1e-6))

    for base in (Trace_ELBO(), TraceGraph_ELBO()):
        elbo = asrppl.regularize(model, guide, "rule falls: forall t: z[t + 1] <= z[t]", elbo=base)
        elbo.loss_and_grads(model, guide)
        assert elbo.report.penalty.item() == pytest.approx(2.0, abs=1e-4)


def test_supports_and_index_plates_that_change_are_bound_again() -> None:
    def model(count: int) -> None:
        with pyro.plate("objects", count):
            pyro.sample("z", dist.Normal(1.0, 1e-6))
        pyro.sample("n", dist.Categorical(torch.ones(count)))

    elbo = asrppl.regularize(model, model, "rule few: forall i: z[i] <= 0\nrule mean: mean(q(n)) <= 0")
    for count in (3, 5, 2):
        elbo.loss(model, model, count)
        assert elbo.report.violations["few"].item() == pytest.approx(count, abs=1e-4)
        assert elbo.report.violations["mean"].item() == pytest.approx((count - 1) / 2)


def test_rules_on_a_mixture_whose_assignments_the_model_enumerates() -> None:
    def model(x: torch.Tensor) -> None:
        with pyro.plate("components", 3):
            locs = pyro.sample("locs", dist.Normal(0.0, 10.0))
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(torch.ones(3)), infer={"enumerate": "parallel"})
            pyro.sample("x", dist.Normal(locs[k], 1.0), obs=x)

    def guide(x: torch.Tensor) -> None:
        with pyro.plate("components", 3):
            pyro.sample("locs", dist.Normal(pyro.param("m", torch.tensor([2.0, 0.0, 1.0])), 0.1))

    x = torch.tensor([-2.0, -2.1, 0.0, 0.1, 2.0, 1.9])
    rules = "rule ordered weight 20: forall k: locs[k] <= locs[k + 1]"
    elbo = asrppl.regularize(model, guide, rules, elbo=TraceEnum_ELBO(max_plate_nesting=1))
    assert elbo.bindings(x).data == "data"
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), loss=elbo)
    for _ in range(150):
        svi.step(x)
    means = pyro.param("m").detach()
    assert means[0] < means[1] < means[2]


def test_binding_leaves_the_buffers_of_modules_alone() -> None:
    class Guide(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(1)

        def forward(self) -> None:
            with pyro.plate("data", N):
                pyro.sample("z", dist.Normal(self.norm(X[:, None].float())[:, 0], 1.0))

    guide = Guide()
    elbo = asrppl.regularize(guide, guide, "rule low: z <= 0")
    elbo.bindings()
    assert guide.norm.num_batches_tracked == 0
    assert guide.norm.running_mean is not None
    assert not guide.norm.running_mean.any()

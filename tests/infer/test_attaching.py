"""Rules on programs as people write them: what binding leaves alone, and what it sees of masks, scales and plates."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoDelta, AutoIAFNormal, AutoNormal, init_to_value
from pyro.infer.reparam import AutoReparam, LocScaleReparam
from torch import Tensor

import asrppl

X = torch.linspace(-1.0, 1.0, 8)
HERE = torch.tensor([True, True, True, False, False])


def model(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, s), obs=x)


class Buffered(torch.nn.Module):
    """A guide whose backward pass reads a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(1, 2)
        self.register_buffer("sd", torch.tensor(0.5))

    def forward(self, x: Tensor) -> None:
        pyro.module("guide", self)
        h = self.linear(torch.ones(1))
        pyro.sample("mu", dist.Normal(h[0] * self.sd, self.sd))
        pyro.sample("s", dist.LogNormal(h[1], 0.1))


class Normalised(torch.nn.Module):
    """A guide with a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))

    def forward(self, x: Tensor) -> None:
        pyro.module("guide", self)
        h = self.net(x[:, None]).mean(0)
        pyro.sample("mu", dist.Normal(h[0], 0.5))
        pyro.sample("s", dist.LogNormal(h[1], 0.1))


def steps(guide: Any, loss: Any) -> list[float]:
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), loss)
    return [svi.step(X) for _ in range(3)]


# ---- a first step that does not disturb


@pytest.mark.parametrize("make", [Buffered, Normalised, lambda: Normalised().eval()], ids=["buffer", "train", "eval"])
def test_the_first_steps_are_those_without_rules_whatever_buffers_autograd_saved(make: Callable[[], Any]) -> None:
    found: list[tuple[list[float], dict[str, Tensor]]] = []
    for ruled in (False, True):
        torch.manual_seed(0)
        guide = make()
        loss = asrppl.regularize(model, guide, "rule free weight 0: mu <= 0") if ruled else Trace_ELBO()
        losses = steps(guide, loss)
        found.append((losses, {name: buffer.clone() for name, buffer in guide.named_buffers()}))
    (plain, plain_buffers), (ruled, buffers) = found
    assert ruled == pytest.approx(plain)
    for name, buffer in plain_buffers.items():
        torch.testing.assert_close(buffers[name], buffer)  # running means were updated once a step


def test_statistics_of_a_module_that_a_function_calls_are_updated_once_a_step() -> None:
    norm = torch.nn.BatchNorm1d(1)

    def guide(x: Tensor) -> None:
        mean = norm(x[:, None]).mean()
        pyro.sample("mu", dist.Normal(mean, 1.0))
        pyro.sample("s", dist.LogNormal(0.0, 0.1))

    elbo = asrppl.regularize(model, guide, "mu <= 0")
    elbo.bindings(X)
    assert int(norm.num_batches_tracked or 0) == 0
    elbo.loss_and_grads(model, guide, X)
    assert int(norm.num_batches_tracked or 0) == 1


def test_a_name_of_the_closure_without_a_value_yet_is_no_matter() -> None:
    def guide(x: Tensor, late: bool = False) -> None:
        pyro.sample("mu", dist.Normal(0.0 if not late else later, 1.0))
        pyro.sample("s", dist.LogNormal(0.0, 0.1))

    assert asrppl.regularize(model, guide, "mu <= 0").bindings(X).data == "data"
    later = 1.0


def test_a_flow_with_masks_in_its_buffers_trains() -> None:
    guide = AutoIAFNormal(model, hidden_dim=[8])
    assert all(torch.isfinite(torch.tensor(steps(guide, asrppl.regularize(model, guide, "rule a: mu <= 0")))))


# ---- presence


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_a_mask_within_the_distribution_is_presence_as_one_around_it(inside: bool) -> None:
    """Pyro's AIR writes Normal(..).mask(z_pres).to_event(1)."""
    present = torch.tensor([[1.0], [0.0]])

    def guide() -> None:
        with pyro.plate("data", 2):
            base = dist.Normal(torch.zeros(2, 3), 1e-6 * torch.ones(2, 3))
            masked = base.mask(present).to_event(1) if inside else base.to_event(1).mask(present[:, 0].bool())
            pyro.sample("z_0", masked)

    def program() -> None:
        guide()
        pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.tensor(0.0))

    elbo = asrppl.regularize(program, guide, "rule far: forall i: abs(z[i, 0]) >= 1", data="data")
    elbo.loss(program, guide)
    assert float(elbo.report.violations["far"]) == pytest.approx(0.5, abs=1e-4)
    assert elbo.bindings()["z"].masked


def test_a_mask_of_parts_of_an_event_is_refused_by_name() -> None:
    def guide() -> None:
        pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).mask(torch.tensor([True, False, True])).to_event(1))

    with pytest.raises(asrppl.AsrError, match="tells the entries of its event apart") as error:
        asrppl.regularize(guide, guide, "forall i: z[i] <= 0").bindings()
    assert error.value.diagnostics[0].code == "ASR093"


def masked_model() -> None:
    with pyro.plate("data", 5), poutine.mask(mask=HERE):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(5))


def masked_guide() -> None:
    with pyro.plate("data", 5), poutine.mask(mask=HERE):
        pyro.sample("z", dist.Delta(5 * torch.ones(5)))


@pytest.mark.parametrize("by_hand", [True, False])
def test_absent_data_pay_nothing_where_the_model_alone_has_the_mask(by_hand: bool) -> None:
    auto = AutoDelta(masked_model, init_loc_fn=init_to_value(values={"z": 5 * torch.ones(5)}))
    guide = masked_guide if by_hand else auto
    elbo = asrppl.regularize(masked_model, guide, "rule r: z <= 0")
    elbo.loss(masked_model, guide)
    assert float(elbo.report.penalty) == pytest.approx(15.0)


# ---- distributions


def test_an_event_of_length_one_has_a_distribution_for_each_datum() -> None:
    def program(observe: bool = True) -> None:
        with pyro.plate("data", 6):
            b = pyro.sample("b", dist.Bernoulli(0.5 * torch.ones(6, 1)).to_event(1))
            if observe:
                pyro.sample("x", dist.Normal(b[:, 0], 1.0), obs=torch.zeros(6))

    def guide() -> None:
        program(observe=False)

    elbo = asrppl.regularize(program, guide, "rule a: entropy(q(b)) <= 0.1")
    elbo.loss(program, guide)
    assert float(elbo.report.violations["a"]) == pytest.approx(0.6931 - 0.1, abs=1e-3)


def test_the_likelihood_of_an_observed_site_is_no_posterior() -> None:
    def program() -> None:
        with pyro.plate("data", 3):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("y", dist.Bernoulli(logits=z), obs=torch.tensor([0.0, 1.0, 1.0]))

    guide = AutoNormal(poutine.block(program, hide=["y"]))
    elbo = asrppl.regularize(program, guide, "rule a: entropy(q(y)) + mean(q(y)) <= mean(q(z)) - 9")
    elbo.loss(program, guide)
    # It is the point mass at what was observed, without entropy.
    at = [float(guide.median()["z"][datum]) for datum in range(3)]
    assert float(elbo.report.violations["a"]) == pytest.approx((2 + 27 - sum(at)) / 3, abs=1e-5)


# ---- plates and scales


def nested() -> None:
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("groups", 3, dim=-1):
        g = pyro.sample("g", dist.Normal(0.0, s))
        with pyro.plate("obs", 4, dim=-2):
            pyro.sample("x", dist.Normal(g, 1.0), obs=torch.zeros(4, 3))


def flat() -> None:
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("data", 4):
        z = pyro.sample("z", dist.Normal(0.0, s))
        pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(4))


@pytest.mark.parametrize("program", [nested, poutine.reparam(nested, config={"g": LocScaleReparam(0.0)})])
def test_a_reparameterised_latent_is_no_observation_that_would_choose_the_data_plate(program: Any) -> None:
    with pytest.raises(asrppl.AsrError, match="`groups`, `obs`"):
        asrppl.regularize(program, AutoNormal(program), "rule a: s <= 1").bindings()


def test_reparameterised_globals_leave_the_data_plate_as_it_is() -> None:
    program = poutine.reparam(flat, config=AutoReparam())
    assert asrppl.regularize(program, AutoNormal(program), "rule a: s <= 1").bindings().data == "data"


WEIGHTS = torch.linspace(0.5, 2.0, 6)


def weighted() -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data", 6), poutine.scale(scale=WEIGHTS):
        z = pyro.sample("z", dist.Normal(mu, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=torch.zeros(6))


def weighted_guide() -> None:
    pyro.sample("mu", dist.Delta(pyro.param("m", torch.tensor(2.0))))
    with pyro.plate("data", 6), poutine.scale(scale=WEIGHTS):
        pyro.sample("z", dist.Delta(pyro.param("at", torch.arange(6.0))))


@pytest.mark.parametrize(
    ("rule", "penalty"),
    [("mu <= 0", 6 * 2.0), ("z <= 0", float((WEIGHTS * torch.arange(6.0)).sum()))],
    ids=["global", "per datum"],
)
def test_weights_of_single_data_weigh_what_a_rule_says_of_them(rule: str, penalty: float) -> None:
    elbo = asrppl.regularize(weighted, weighted_guide, f"rule a: {rule}")
    plain = Trace_ELBO().loss(weighted, weighted_guide)
    returned = elbo.loss(weighted, weighted_guide)
    assert float(elbo.report.penalty) == pytest.approx(penalty)
    assert returned - plain == pytest.approx(penalty, rel=1e-4)


def test_the_gradient_of_a_weighted_rule_is_that_of_what_it_costs() -> None:
    elbo = asrppl.regularize(weighted, weighted_guide, "rule a: z <= 0")
    pyro.clear_param_store()
    elbo.loss_and_grads(weighted, weighted_guide)
    place = pyro.param("at").unconstrained()
    ruled = place.grad.clone()
    place.grad = None
    Trace_ELBO().loss_and_grads(weighted, weighted_guide)
    above = (torch.arange(6.0) > 0).float()
    torch.testing.assert_close(ruled - place.grad, WEIGHTS * above)


# ---- names


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)


@pytest.mark.parametrize(
    ("rules", "violation"),
    [
        ('site w[i, j] = "net$$$linear.weight"\nforall i, j: w[i, j] <= 1', 6 * 1.0),
        ('site b[i] = "net$$$linear.bias"\nb[1] <= 1', 1.0),
    ],
)
def test_a_site_statement_names_what_rules_cannot_write(rules: str, violation: float) -> None:
    network = Network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(2.0)

    def guide(x: Tensor) -> None:
        pyro.module("net", network)
        pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("s", dist.LogNormal(0.0, 1.0))

    elbo = asrppl.regularize(model, guide, f"{rules}")
    elbo.loss(model, guide, X)
    (found,) = elbo.report.violations.values()
    assert float(found) == pytest.approx(violation)


def test_a_dotted_site_is_offered_under_a_name_and_that_mend_works() -> None:
    def guide() -> None:
        pyro.sample("lin.weight", dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))

    with pytest.raises(asrppl.AsrError, match=r'site weight\[i, j\] = "lin\.weight"'):
        asrppl.regularize(guide, guide, "weight[0, 0] <= 1").bindings()
    rules = 'site weight[i, j] = "lin.weight"\nweight[0, 0] <= 1'
    assert asrppl.regularize(guide, guide, rules).bindings()["weight"].axes == ((1, "event"), (2, "event"))
    with pytest.raises(asrppl.AsrError, match="nothing gives a site 'lin\\.bias'"):
        asrppl.regularize(guide, guide, 'site weight[i] = "lin.bias"\nweight[0] <= 1').bindings()


# ---- rules that train nothing


def labelled() -> None:
    with pyro.plate("data", 4):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(z, 1.0), obs=torch.arange(4.0))


@pytest.mark.parametrize("rule", ["y <= 1", "y <= most", "rule r where y > 0: y <= 1"])
def test_a_rule_that_reads_only_data_is_warned_of_once(rule: str) -> None:
    bind = {"most": 1.0} if "most" in rule else None
    elbo = asrppl.regularize(labelled, AutoNormal(labelled), rule, bind=bind)
    with pytest.warns(asrppl.AsrWarning, match="reads only data .*: no gradient flows, and it trains nothing"):
        elbo.loss_and_grads(elbo.model, elbo.guide)
    elbo.loss_and_grads(elbo.model, elbo.guide)  # the second step warns of nothing
    assert "ASR116" in {found.code for found in elbo.bindings().warnings}


def test_a_rule_that_reads_data_beside_what_trains_is_not_warned_of() -> None:
    net = torch.nn.Linear(1, 1)

    def through(x: Tensor) -> Tensor:
        return net(x.unsqueeze(-1)).squeeze(-1)

    most = torch.tensor(1.0, requires_grad=True)
    rules = "z <= y\ny <= most\nf(y) <= 1"
    elbo = asrppl.regularize(labelled, AutoNormal(labelled), rules, bind={"most": most, "f": through})
    elbo.loss_and_grads(elbo.model, elbo.guide)
    assert not [found for found in elbo.bindings().warnings if found.code == "ASR116"]


# ---- what messages say of plates is so


def test_factors_are_not_called_observed_sites() -> None:
    def program() -> None:
        with pyro.plate("a", 2, dim=-1), pyro.plate("b", 3, dim=-2):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.factor("f", -z)

    with pytest.raises(asrppl.AsrError, match="the data's: all factors stand in `a`, `b`"):
        asrppl.regularize(program, AutoNormal(program), "z <= 1").bindings()


def test_observed_sites_in_plates_of_their_own_have_no_plate_in_common() -> None:
    def program() -> None:
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        for name in ("a", "b"):
            with pyro.plate(name, 2):
                pyro.sample(f"x_{name}", dist.Normal(z, 1.0), obs=torch.zeros(2))

    with pytest.raises(asrppl.AsrError, match="no plate is around all observed sites; around some of them: `a`, `b`"):
        asrppl.regularize(program, AutoNormal(program), "z <= 1").bindings()


@pytest.mark.filterwarnings("ignore:Found plate statements in guide but not model")
def test_a_plate_that_holds_exposed_values_only_is_there() -> None:
    def guide() -> None:
        pyro.sample("mu", dist.Delta(torch.tensor(2.0)))
        with pyro.plate("data", 4):
            asrppl.expose("y", torch.ones(4))

    elbo = asrppl.regularize(lambda: pyro.sample("mu", dist.Normal(0.0, 1.0)), guide, "mu <= 0", data="data")
    elbo.loss(elbo.model, elbo.guide)
    assert float(elbo.report.penalty) == 4 * 2.0
    with pytest.raises(asrppl.AsrError, match=r"no site stands in a plate 'dat'.*; plates with sites in them: 'data'"):
        asrppl.regularize(elbo.model, guide, "mu <= 0", data="dat").bindings()


def test_only_what_varies_without_its_plate_is_named() -> None:
    """`z` stands in a plate, and is not to blame."""

    def guide() -> None:
        with pyro.plate("rows", 2, dim=-2):
            pyro.sample("z", dist.Delta(torch.zeros(2, 1)))
        asrppl.expose("s", torch.zeros(3))

    def program() -> None:
        with pyro.plate("rows", 2, dim=-2):
            pyro.sample("z", dist.Normal(0.0, 1.0))

    elbo = asrppl.regularize(program, guide, "z <= s", elbo=Trace_ELBO(max_plate_nesting=2))
    with pytest.raises(asrppl.AsrError, match=r"axis -1 \(length 3\), where no plate of that axis is around `s`\n"):
        elbo.loss(program, guide)


def test_the_mend_of_a_value_that_does_not_fit_a_plate_is_one_more_index() -> None:
    def guide() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Delta(torch.zeros(4)))

    def program() -> None:
        with pyro.plate("data", 4):
            pyro.sample("z", dist.Normal(0.0, 1.0))

    bind = {"t": torch.ones(3, 2)}
    with pytest.raises(asrppl.AsrError, match=r"write one more index: `t\[i, j\]`"):
        asrppl.regularize(program, guide, "forall i: z <= t[i]", bind=bind, data="data").bindings()
    elbo = asrppl.regularize(program, guide, "forall i, j: z <= t[i, j]", bind=bind, data="data")
    assert elbo.bindings()["t"].axes == ((3, "event"), (2, "event"))

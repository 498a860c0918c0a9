"""Autoencoders and the deep Markov model: rules on draws of their guides, and on the laws of these."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from examples.pyro.checkout import Checkout
from examples.pyro.compare import Case, Example, Values
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate

DATA = 6


def outside(name: str, values: Values) -> Tensor:
    """How far the numbers of a draw are outside [-0.1, 0.1], summed, on average over the data."""
    return (values[name].abs() - 0.1).clamp(min=0).sum(-1).mean()


# ---- examples/dmm.py

LENGTHS = torch.tensor([5, 3, 5, 2, 4, 1])
STEPS = 5


def markov(module: Any, flows: int) -> Example:
    """Return the example on random tones, with so many normalizing flows."""
    sequences = (torch.rand(DATA, STEPS, 88) < 0.1).double()
    batch = module.poly.get_mini_batch(torch.arange(DATA), sequences, LENGTHS)
    dmm = module.DMM(z_dim=4, emission_dim=6, transition_dim=6, rnn_dim=8, num_iafs=flows, iaf_dim=6)
    return Example(dmm.model, dmm.guide, Trace_ELBO, (*batch, 0.5))


def jump(values: Values) -> Tensor:
    """How far the first number of z moves in a step beyond 0.1, summed over steps that both are there."""
    lengths = LENGTHS.sort(descending=True).values
    total = torch.zeros(DATA)
    for t in range(1, STEPS):
        step = (values[f"z_{t + 1}"][:, 0] - values[f"z_{t}"][:, 0]).abs()
        total = total + torch.where(t < lengths, (step - 0.1).clamp(min=0), 0.0)
    return total.mean()


# ---- examples/vae and examples/cvae


def autoencoder(module: Any, nets: dict[str, Any]) -> Example:
    """Return the example on noise."""
    vae = nets["vae"] = module.VAE(z_dim=3, hidden_dim=8)
    images = nets["images"] = torch.rand(DATA, 1, 28, 28)
    return Example(vae.model, vae.guide, Trace_ELBO, (images,))


def free_bits(nets: dict[str, Any], values: Values) -> Tensor:
    """How far the divergences from the prior, averaged over the data, are below 0.5 nats, summed over numbers."""
    del values
    loc, scale = nets["vae"].encoder(nets["images"])
    told = (loc.square() + scale.square() - 1) / 2 - scale.log()
    return (0.5 - told.mean(0)).clamp(min=0).sum()


def conditional(module: Any, baseline: Any) -> Example:
    """Return the example on noise, three quarters of each image hidden."""
    cvae = module.CVAE(4, 8, 8, baseline.BaselineNet(8, 8))
    images = torch.rand(DATA, 28, 28)
    seen = torch.full_like(images, -1)
    seen[:, :14, :14] = images[:, :14, :14]
    return Example(cvae.model, cvae.guide, Trace_ELBO, (seen, images), options={"data_size": DATA})


# ---- examples/vae/ss_vae_M2.py and examples/scanvi


def semi_supervised(module: Any, nets: dict[str, Any]) -> Example:
    """Return the example on images without labels, which its guide enumerates."""
    model = nets["vae"] = module.SSVAE(z_dim=3, hidden_layers=[8], config_enum="parallel")
    images = nets["images"] = torch.rand(DATA, 784)
    guide = config_enumerate(model.guide, "parallel", expand=True)
    return Example(
        model.model, guide, lambda: TraceEnum_ELBO(max_plate_nesting=1), (images,), options={"data_size": DATA}
    )


def unbalanced(nets: dict[str, Any], values: Values) -> Tensor:
    """Divergence of the uniform law from the mean of the label's laws, beyond 0.001."""
    del values
    shares = nets["vae"].encoder_y(nets["images"]).mean(0)
    return (0.1 * (0.1 / shares).log()).sum().sub(0.001).clamp(min=0)


SCALE = 0.1
"""What scanvi.py scales all its terms by: those of rules, too."""


def cells(module: Any, nets: dict[str, Any]) -> Example:
    """Return the example on random counts without labels."""
    scanvi = nets["scanvi"] = module.SCANVI(num_genes=9, num_labels=4, l_loc=2.0, l_scale=1.0, scale_factor=SCALE)
    scanvi.eval()  # its layers normalise batches
    counts = torch.poisson(torch.full((DATA, 9), 3.0))
    guide = config_enumerate(scanvi.guide, "parallel", expand=True)
    return Example(
        scanvi.model, guide, lambda: TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False), (counts,)
    )


def labelled(nets: dict[str, Any], values: Values) -> Tensor:
    """The chance of the first label, given what was drawn, on average over the data."""
    return nets["scanvi"].classifier(values["z2"]).softmax(-1)[..., 0].mean()


def cases(checkout: Checkout) -> Iterator[Case]:
    """Yield the cases of these examples."""
    dmm = checkout.module("examples/dmm.py")
    rule = "forall t: abs(z[t, 0] - z[t + 1, 0]) <= 0.1"
    yield Case("dmm.py", rule, partial(markov, dmm, 0), DATA, violation=jump)
    yield Case("dmm.py, a flow", rule, partial(markov, dmm, 1), DATA, violation=jump)
    nets = dict[str, Any]()
    vae = checkout.module("examples/vae/vae.py")
    rule = "forall d: aggregate(kl(q(latent[d]) || normal(0, 1))) >= 0.5"
    yield Case("vae.py", rule, partial(autoencoder, vae, nets), DATA, violation=partial(free_bits, nets))
    cvae, baseline = (checkout.module(f"examples/cvae/{name}.py") for name in ("cvae", "baseline"))
    rule = "forall d: abs(z[d]) <= 0.1"
    yield Case("cvae.py", rule, partial(conditional, cvae, baseline), DATA, violation=partial(outside, "z"))
    m2 = checkout.module("examples/vae/ss_vae_M2.py")
    rule = "kl(uniform(0..9) || aggregate(q(y))) <= 0.001"
    yield Case("ss_vae_M2.py", rule, partial(semi_supervised, m2, nets), DATA, violation=partial(unbalanced, nets))
    scanvi = checkout.module("examples/scanvi/scanvi.py")
    yield Case("scanvi.py", "not y[0]", partial(cells, scanvi, nets), DATA * SCALE, violation=partial(labelled, nets))
    yield Case(
        "scanvi.py",
        "forall d: abs(z2[d]) <= 0.1",
        partial(cells, scanvi, nets),
        DATA * SCALE,
        violation=partial(outside, "z2"),
    )

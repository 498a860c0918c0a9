"""Autoencoders and the deep Markov model: rules on draws of their guides, and on the laws of these."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from examples.pyro.checkout import Programs
from examples.pyro.compare import OPTIM, Case, Example, Values, rule
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
    return Example(vae.model, vae.guide, Trace_ELBO, (images,), optim=partial(OPTIM.Adam, {"lr": 0.001}))


def free_bits(nets: dict[str, Any], values: Values) -> Tensor:
    """How far the divergences from the prior, averaged over the data, are below 0.5 nats, summed over numbers."""
    del values
    loc, scale = nets["vae"].encoder(nets["images"])
    told = (loc.square() + scale.square() - 1) / 2 - scale.log()
    return (0.5 - told.mean(0)).clamp(min=0).sum()


def off_centre(nets: dict[str, Any], values: Values) -> Tensor:
    """How far the latents' means over the data are outside [-0.05, 0.05], summed over numbers."""
    del values
    return (nets["vae"].encoder(nets["images"])[0].mean(0).abs() - 0.05).clamp(min=0).sum()


def conditional(module: Any, baseline: Any, nets: dict[str, Any]) -> Example:
    """Return the example on noise, three quarters of each image hidden."""
    cvae = nets["cvae"] = module.CVAE(4, 8, 8, baseline.BaselineNet(8, 8))
    images = torch.rand(DATA, 28, 28)
    seen = torch.full_like(images, -1)
    seen[:, :14, :14] = images[:, :14, :14]
    nets["seen"], nets["images"] = seen, images
    return Example(cvae.model, cvae.guide, Trace_ELBO, (seen, images), options={"data_size": DATA})


def narrow(nets: dict[str, Any], values: Values) -> Tensor:
    """How far the latents' standard deviations are below 1.2, summed, on average over the data."""
    del values
    return (1.2 - nets["cvae"].recognition_net(nets["seen"], nets["images"])[1]).clamp(min=0).sum(-1).mean()


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


def unsure(nets: dict[str, Any], values: Values) -> Tensor:
    """Entropy of the label's law beyond half a nat, on average over the data."""
    del values
    shares = nets["vae"].encoder_y(nets["images"])
    return (-(shares * shares.log()).sum(-1) - 0.5).clamp(min=0).mean()


SCALE = 0.1
"""What scanvi.py scales all its terms by: those of rules, too."""


def cells(module: Any, nets: dict[str, Any]) -> Example:
    """Return the example on random counts without labels."""
    scanvi = nets["scanvi"] = module.SCANVI(num_genes=9, num_labels=4, l_loc=2.0, l_scale=1.0, scale_factor=SCALE)
    scanvi.eval()  # its layers normalise batches
    counts = nets["counts"] = torch.poisson(torch.full((DATA, 9), 3.0))
    guide = config_enumerate(scanvi.guide, "parallel", expand=True)
    return Example(
        scanvi.model, guide, lambda: TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False), (counts,)
    )


def labelled(nets: dict[str, Any], values: Values) -> Tensor:
    """The chance of the first label, given what was drawn, on average over the data."""
    return nets["scanvi"].classifier(values["z2"]).softmax(-1)[..., 0].mean()


def unmarked(nets: dict[str, Any], values: Values) -> Tensor:
    """How far the chance of the second label is below 0.9 where the first count is 3 or more; 0 elsewhere."""
    chance = nets["scanvi"].classifier(values["z2"]).softmax(-1)[..., 1]
    return torch.where(nets["counts"][:, 0] >= 3, (0.9 - chance).clamp(min=0), 0.0).mean()


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of these examples."""
    dmm = checkout.module("examples/dmm.py")
    smooth = rule("dmm.asr", "smooth")
    yield Case("dmm.py", smooth, partial(markov, dmm, 0), DATA, violation=jump)
    yield Case("dmm.py, a flow", smooth, partial(markov, dmm, 1), DATA, violation=jump)
    nets = dict[str, Any]()
    make = partial(autoencoder, checkout.module("examples/vae/vae.py"), nets)
    yield Case("vae.py", rule("vae.asr", "alive"), make, DATA, violation=partial(free_bits, nets))
    yield Case("vae.py", rule("vae.asr", "centred"), make, DATA, violation=partial(off_centre, nets))
    cvae, baseline = (checkout.module(f"examples/cvae/{name}.py") for name in ("cvae", "baseline"))
    make = partial(conditional, cvae, baseline, nets)
    yield Case("cvae.py", rule("cvae.asr", "near"), make, DATA, violation=partial(outside, "z"))
    yield Case("cvae.py", rule("cvae.asr", "broad"), make, DATA, violation=partial(narrow, nets))
    make = partial(semi_supervised, checkout.module("examples/vae/ss_vae_M2.py"), nets)
    yield Case("ss_vae_M2.py", rule("ss_vae.asr", "balanced"), make, DATA, violation=partial(unbalanced, nets))
    yield Case("ss_vae_M2.py", rule("ss_vae.asr", "sure"), make, DATA, violation=partial(unsure, nets))
    make, data = partial(cells, checkout.module("examples/scanvi/scanvi.py"), nets), DATA * SCALE
    yield Case("scanvi.py", rule("scanvi.asr", "absent"), make, data, violation=partial(labelled, nets))
    yield Case("scanvi.py", rule("scanvi.asr", "near"), make, data, violation=partial(outside, "z2"))
    marker = rule("scanvi_marker.asr", "marker")
    yield Case("scanvi.py", marker, make, data, violation=partial(unmarked, nets))

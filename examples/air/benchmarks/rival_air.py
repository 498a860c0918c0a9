"""AIR-pPrior without Pyro: the rival that our step is measured against, and an oracle for it.

Plain PyTorch on the very networks of `asrppl_air`: the image's part of the LSTM input is computed once, windows are two
matrix products, appearances go through encoder and decoder all at once, and the sum over n is written out by hand.
"""

import math

import torch
from torch import Tensor

from asrppl_air.distributions import canvas_log_likelihood
from asrppl_air.model import Guide, Model
from asrppl_air.window import cut, draw

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _normal(value: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
    return (((value - mean) * (-log_sd).exp()).square() * -0.5 - log_sd - _HALF_LOG_2PI).sum(-1)


def _counts(logits: Tensor) -> Tensor:
    more = torch.nn.functional.logsigmoid(logits)
    nothing = torch.zeros_like(more[..., :1])
    return torch.cat([nothing, more.cumsum(-1)], -1) + torch.cat([more - logits, nothing], -1)


def loss(model: Model, guide: Guide, images: Tensor, noise: dict[str, Tensor] | None = None) -> Tensor:
    """−ELBO in nats per image of `images` (B, S, S), the learned prior's, exact in n.

    `noise` holds standard normals `z_loc_{t}` (B, 2), `z_scale_{t}` (B, 1), `z_what_{t}` (B, 50); without it they are
    drawn. The Jacobians of tanh and sigmoid cancel between prior and guide, and are left out.
    """
    settings = guide.settings
    batch, objects = len(images), settings.objects

    def standard(name: str, size: int) -> Tensor:
        return torch.randn(batch, size) if noise is None else noise[name]

    constant = guide.cell.constant(images.flatten(1))
    before: tuple[Tensor, Tensor, Tensor] | None = None
    locs, scales, logits, log_q = [], [], [], []
    before_locs, before_scales = [], []
    for t in range(objects):
        output, state = guide.cell(constant, before)
        logits.append(guide.presence(output))
        mean, log_sd = guide.loc(output)
        u = mean + log_sd.exp() * standard(f"z_loc_{t}", 2)
        loc = u.tanh()
        scale_mean, scale_log_sd = guide.scale(output, loc)
        v = scale_mean + scale_log_sd.exp() * standard(f"z_scale_{t}", 1)
        scale = v.sigmoid()
        log_q.append(_normal(u, mean, log_sd) + _normal(v, scale_mean, scale_log_sd))
        locs.append(loc)
        scales.append(scale)
        before_locs.append(u)
        before_scales.append(v)
        before = torch.cat([loc, scale], -1), output, state
    loc, scale = torch.stack(locs, 1), torch.stack(scales, 1)
    mean, log_sd = guide.encoder(cut(images, loc, scale, settings.window))
    what_noise = torch.stack([standard(f"z_what_{t}", settings.what) for t in range(objects)], 1)
    what = mean + log_sd.exp() * what_noise
    q_what = _normal(what, mean, log_sd)
    q_count = _counts(torch.stack(logits, 1))

    constant = model.cell.constant()
    before, prior_logits, log_p = None, [], []
    zero = torch.zeros(())
    scale_mean = torch.tensor(settings.scale_mean)
    scale_log_sd = torch.tensor(0.5 * math.log(settings.scale_var))
    for t in range(objects):
        output, state = model.cell(constant, before)
        prior_logits.append(model.presence(output).expand(batch))
        log_p.append(_normal(before_locs[t], *model.loc(output)) + _normal(before_scales[t], scale_mean, scale_log_sd))
        before = torch.cat([locs[t], scales[t]], -1), output.expand(batch, -1), state
    p_count = _counts(torch.stack(prior_logits, 1))
    objects_terms = torch.stack(log_p, 1) + _normal(what, zero, zero) - torch.stack(log_q, 1) - q_what

    frames = draw(model.decoder(what), loc, scale, settings.side).cumsum(1)
    pixels = images.flatten(1)
    likelihood = canvas_log_likelihood(frames.flatten(2), pixels.unsqueeze(1))
    ink = pixels.sum(1, keepdim=True)
    empty = ink * math.log(1e-4) + (pixels.shape[1] - ink) * math.log1p(-1e-4)
    sums = objects_terms.cumsum(1)
    terms = torch.cat([empty, likelihood + sums], 1) + p_count - q_count
    return -(q_count.exp() * terms).sum(1).mean()

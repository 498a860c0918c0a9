"""Log-probabilities of what reparameterised draws came out as, at values held fixed: the score function's.

    ∂E[ψ] = E[(ψ − m̂) ∂L],    L = Σ_z log q(z | what was drawn before, held fixed).

Of each site's log-probabilities those are added up that ψ does not tell apart: a site in a plate that ψ varies over
keeps that axis, and no other. Subsampling does not scale L: it is a factor in ψ's own gradient.
"""

from collections.abc import Collection, Mapping

from torch import Tensor

from asrppl.infer.watch.recording import Site


def log_q(sites: Mapping[str, Site], names: Collection[str], frames: Collection[str], nesting: float) -> Tensor | None:
    """Return L as ``(*batch)``, None where no site is meant.

    Args:
        sites: the guide's; their laws are computed from values held fixed.
        names: of those that are meant.
        frames: names of the plates that ψ varies over.
        nesting: how many axes on the right are plates; those further left are draws.
    """
    total: Tensor | None = None
    for name in names:
        own = _kept(sites[name], frames, nesting)
        total = own if total is None else total + own
    return total


def _kept(site: Site, frames: Collection[str], nesting: float) -> Tensor:
    value = site.fn.log_prob(site.value.detach())
    kept = {frame.dim for frame in site.plates if frame.name in frames}
    gone = [dim for dim in range(-value.dim(), 0) if dim >= -nesting and dim not in kept and value.shape[dim] != 1]
    return value.sum(gone, keepdim=True) if gone else value


def scored(integrand: Tensor, mean: Tensor, log_q: Tensor, axes: int) -> Tensor:
    """Return ψ with the gradient (ψ − m̂) ∂L, as ``(*axes, *batch)``.

    Args:
        integrand: ψ.
        mean: m̂, as ``(*axes, *batch)`` or with fewer batch axes.
        log_q: L.
        axes: of the moment.
    """
    value = integrand.detach()
    missing = log_q.dim() - (value.dim() - axes)
    if missing > 0:
        value = value.reshape((*value.shape[:axes], *(1,) * missing, *value.shape[axes:]))
    batch = value.dim() - axes
    own = mean.dim() - axes
    mean = mean.detach().reshape((*mean.shape[:axes], *(1,) * (batch - own), *mean.shape[axes:]))
    return value + (value - mean) * (log_q - log_q.detach())

"""An ELBO that is exact in one enumerated site, and never waits for a device: what a step in a CUDA graph needs."""

from collections.abc import Callable
from typing import Any, cast

import torch
from pyro import poutine
from pyro.distributions import util
from pyro.infer import TraceEnum_ELBO
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor

_poutine: Any = poutine
_pruned: Any = prune_subsample_sites
_masked: Any = cast(Any, util).scale_and_mask


class ExactELBO(TraceEnum_ELBO):
    """`TraceEnum_ELBO` for a guide with one site n enumerated in parallel, all others reparameterised:

        E_z Σ_n q(n | z) · [Σ log p(site) − Σ log q(site)],

    the value and the gradients of `TraceEnum_ELBO.differentiable_loss`, in fewer operations: the sites' terms are added
    up first, and weighed by q(n) once. No operation depends on a value, so that the step can be captured in
    a CUDA graph (`TraceEnum_ELBO` asks of each term whether some q(n) is 0, and of the loss whether it is NaN).

    One particle. Without an enumerated site it is `Trace_ELBO`. Where q(n) underflows to 0, a term of n that is
    infinite makes the loss NaN. Raises ValueError for guides of another kind.
    """

    takes_rules = True  # it adds up the model's terms, and takes their gradients, as `TraceEnum_ELBO` does

    def differentiable_loss(
        self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Tensor:
        """−ELBO, 0-d."""
        nesting: int = cast(Any, self).max_plate_nesting
        guide_trace = _poutine.trace(_poutine.enum(guide, first_available_dim=-1 - nesting)).get_trace(*args, **kwargs)
        replayed = _poutine.replay(_poutine.enum(model), trace=guide_trace)
        model_trace = _poutine.trace(replayed).get_trace(*args, **kwargs)
        log_q: Tensor | None = None
        # By shape and scale: alike terms are added up before they are scaled or weighed.
        terms: dict[tuple[torch.Size, Any], list[Tensor]] = {}
        for trace, sign in ((guide_trace, -1.0), (model_trace, 1.0)):
            for name, site in _pruned(trace).nodes.items():
                if site["type"] != "sample":
                    continue
                term: Tensor = site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"])
                if trace is guide_trace and _enumerated(name, site):
                    if log_q is not None:
                        raise ValueError(f"ExactELBO takes one enumerated site: site `{name}` is a second one")
                    log_q = term
                term = _masked(term, 1.0, site["mask"])
                terms.setdefault((term.shape, sign * site["scale"]), []).append(term)
        elbo: Any = 0.0
        for (shape, scale), alike in terms.items():
            total = alike[0] if len(alike) == 1 else torch.stack(alike).sum(0)
            if log_q is not None and len(shape) > nesting and shape[-1 - nesting] > 1:
                total = log_q.exp() * total
            elbo = elbo + total.sum() * scale
        return -elbo


def _enumerated(name: str, site: Any) -> bool:
    """Whether a site of the guide is enumerated; raises ValueError where it is neither that nor reparameterised."""
    if site["infer"].get("enumerate") == "parallel":
        return True
    if not (site["is_observed"] or site["fn"].has_rsample):
        raise ValueError(f"ExactELBO takes reparameterised or enumerated sites: `{name}` is neither")
    return False

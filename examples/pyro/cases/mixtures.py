"""Mixtures and topics: the tutorial's, lda.py, the toy mixture, and contrib/autoname/mixture.py."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

import pyro
import pyro.distributions as dist
from examples.pyro.checkout import Checkout
from examples.pyro.compare import OPTIM, Case, Example, Tilted, Values
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta


def of_each(logits: Tensor, count: Tensor) -> Tilted:
    """Return the tilted sum over what is drawn of each datum by itself.

    Args:
        logits: log p(a, x), ``(data, states)`` or ``(data, parts, states)``.
        count: ψ, ``(states,)``; a datum's is the mean over its parts.
    """
    parts = logits.reshape(len(logits), -1, logits.shape[-1])

    def tilted(mu: float) -> tuple[Tensor, Tensor]:
        held = parts - mu / parts.shape[1] * count
        return held.logsumexp(-1).sum(), (held.softmax(-1) * count).sum(-1).mean()

    return tilted


# ---- the tutorial's mixture


def mixture(names: dict[str, Any], local: bool) -> Example:
    """Return the tutorial's mixture with the guide that it trains first, or with the one that draws assignments."""
    pyro.set_rng_seed(2)
    model = names["model"]
    hidden = pyro.poutine.block(model, expose=["weights", "locs", "scale"])
    names["global_guide"] = AutoDelta(hidden, init_loc_fn=names["init_loc_fn"])
    guide = names["full_guide"] if local else names["global_guide"]
    return Example(
        model,
        guide,
        lambda: TraceEnum_ELBO(max_plate_nesting=1),
        (names["data"],),
        optim=partial(OPTIM.Adam, {"lr": 0.1, "betas": [0.8, 0.99]}),
        options={"data": "data"},
    )


def assignment(data: Tensor, values: Values) -> Tilted:
    """Return the tilted sum over components."""
    own = dist.Normal(values["locs"], values["scale"]).log_prob(data.unsqueeze(-1))
    return of_each(values["weights"].log() + own, torch.tensor([0.0, 1.0]))


def drawn_assignment(values: Values) -> Tensor:
    """How far the guide's own share of a component is above 0.2."""
    del values
    return (pyro.param("assignment_probs")[:, 1].mean() - 0.2).clamp(min=0)


# ---- examples/lda.py

LDA = Namespace(num_topics=3, num_words=12, num_docs=6, num_words_per_doc=7, layer_sizes="8-8", batch_size=3)


def topics(module: Any) -> Example:
    """Return the example with data drawn from its model, as its `main` makes them."""
    data = module.model(args=LDA)[2]
    guide = partial(module.parametrized_guide, module.make_predictor(LDA))
    return Example(
        module.model,
        guide,
        lambda: TraceEnum_ELBO(max_plate_nesting=2),
        (data,),
        {"args": LDA},
        {"batch_size": 3},
        partial(OPTIM.ClippedAdam, {"lr": 0.01}),
        {"data": "documents"},
    )


def topic(values: Values) -> Tilted:
    """Return the tilted sum over the topics of each word."""
    words = values["topic_words"].log()[:, values["doc_words"]]  # (topics, words, documents)
    return of_each(values["doc_topics"].log().unsqueeze(1) + words.permute(2, 1, 0), torch.eye(3)[1])


# ---- the toy mixture


def toy(module: Any) -> Example:
    """Return the example with data as its `main` makes them."""
    prior, _, data = module.generate_data(20)
    return Example(module.model, module.guide, lambda: TraceEnum_ELBO(max_plate_nesting=1), (prior, data, 20))


def between(values: Values) -> Tilted:
    """Return the tilted sum over B, which stands between the observed A and C."""
    a, c = values["A"].long(), values["C"]
    states = torch.tensor([0.0, 1.0])
    first = dist.Bernoulli(values["p_B"][a].unsqueeze(-1)).log_prob(states)
    return of_each(first + dist.Bernoulli(values["p_C"]).log_prob(c.unsqueeze(-1)), states)


# ---- examples/contrib/autoname/mixture.py


def named(module: Any) -> Example:
    """Return the example with its data, whose assignments the guide draws one by one, without a plate."""
    return Example(module.model, module.guide, Trace_ELBO, (torch.tensor([0.0, 1.0, 2.0, 20.0, 30.0, 40.0]), 2))


def guessed(values: Values) -> Tensor:
    """How far the guide's share of a component is above 0.2."""
    del values
    odds = torch.stack([pyro.param(f"latent.local[{i}].probs") for i in range(6)])
    return (odds[:, 1] / odds.sum(-1)).mean().sub(0.2).clamp(min=0)


def cases(checkout: Checkout) -> Iterator[Case]:
    """Yield the cases of these examples."""
    names = {"torch": torch, "pyro": pyro, "dist": dist, "config_enumerate": config_enumerate}
    names |= {
        "poutine": pyro.poutine,
        "AutoDelta": AutoDelta,
        "SVI": SVI,
        "TraceEnum_ELBO": TraceEnum_ELBO,
        "constraints": constraints,
    }
    starts = (
        "data = torch.tensor",
        "K = 2",
        "optim = pyro",
        "def init_loc_fn(site)",
        "@config_enumerate\ndef full_guide",
    )
    names = checkout.cells("tutorial/source/gmm.ipynb", starts, names)
    rule = "aggregate(P[assignment == 1]) <= 0.2"
    yield Case("gmm.ipynb", rule, partial(mixture, names, False), 5, 0.2, tilted=partial(assignment, names["data"]))
    yield Case("gmm.ipynb, full guide", rule, partial(mixture, names, True), 5, violation=drawn_assignment)
    lda = checkout.module("examples/lda.py")
    yield Case("lda.py", "aggregate(P[word_topics == 1]) <= 0.05", partial(topics, lda), 6, 0.05, tilted=topic)
    module = checkout.module("examples/toy_mixture_model_discrete_enumeration.py")
    yield Case("toy_mixture_model_..", "aggregate(P[B == 1]) <= 0.1", partial(toy, module), 20, 0.1, tilted=between)
    module = checkout.module("examples/contrib/autoname/mixture.py")
    rule = 'site id[i] = "latent.local[{i}].id"\n(mean i: P[id[i] == 1]) <= 0.2'
    yield Case("autoname/mixture.py", rule, partial(named, module), violation=guessed)

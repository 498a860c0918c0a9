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
from examples.pyro.checkout import Programs
from examples.pyro.compare import OPTIM, Case, Example, Tilted, Values, rule
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


def to_the_left(values: Values) -> Tensor:
    """How far the second component is from where it is 20 to the right of the first."""
    return (values["locs"][0] + 20 - values["locs"][1]).clamp(min=0)


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
    return of_each(values["doc_topics"].log().unsqueeze(1) + words.permute(2, 1, 0), torch.eye(3)[0])


def unseeded(values: Values) -> Tensor:
    """How far the seed word is from being 0.2 likelier in the first topic than in the second."""
    words = values["topic_words"][:, 3]
    return (words[1] + 0.2 - words[0]).clamp(min=0)


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


# ---- the tutorial's Dirichlet process mixture

COMPONENTS, SHARE = 4, 0.5


def processes(names: dict[str, Any]) -> Example:
    """Return the tutorial's mixture of Normals on a line of points."""
    names["data"] = torch.stack([torch.linspace(-8, 8, 9), torch.zeros(9)], -1)
    names["N"] = 9
    names["alpha"] = SHARE
    return Example(
        names["model"], names["guide"], Trace_ELBO, (names["data"],), optim=partial(OPTIM.Adam, {"lr": 0.05})
    )


def unordered(values: Values) -> Tensor:
    """How far components are from where each is 1 to the right of the one before."""
    place = values["mu"][:, 0]
    return (place[:-1] + 1 - place[1:]).clamp(min=0).sum()


def behind(values: Values) -> Tensor:
    """How far the first component's share of the data is below a half."""
    del values
    return (0.5 - pyro.param("phi")[:, 0].mean()).clamp(min=0)


def long(values: Values) -> Tensor:
    """How far the mean pieces of the stick are above a fifth: of a Beta(1, κ), 1 / (1 + κ)."""
    del values
    return (1 / (1 + pyro.param("kappa")) - 0.2).clamp(min=0).sum()


def cases(checkout: Programs) -> Iterator[Case]:
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
    names["data"] = torch.tensor([0.0, 1.0, 3.0, 4.0, 5.0])  # closer than there: the price of another q is finite
    smaller = rule("gmm.asr", "smaller")
    by_hand = partial(assignment, names["data"])
    yield Case("gmm.ipynb", smaller, partial(mixture, names, False), 5, 0.2, tilted=by_hand)
    yield Case("gmm.ipynb, full guide", smaller, partial(mixture, names, True), 5, violation=drawn_assignment)
    yield Case("gmm.ipynb", rule("gmm.asr", "right"), partial(mixture, names, False), 5, violation=to_the_left)
    yield from _of_processes(checkout)
    lda = checkout.module("examples/lda.py")
    yield Case("lda.py", rule("lda.asr", "rare"), partial(topics, lda), 6, 0.05, tilted=topic)
    yield Case("lda.py", rule("lda.asr", "seeded"), partial(topics, lda), 6, violation=unseeded)
    if checkout.has("examples/toy_mixture_model_discrete_enumeration.py"):
        module = checkout.module("examples/toy_mixture_model_discrete_enumeration.py")
        seldom = rule("toy_mixture.asr", "seldom")
        yield Case("toy_mixture_model_..", seldom, partial(toy, module), 20, 0.1, tilted=between)
    if checkout.has("examples/contrib/autoname/mixture.py"):
        module = checkout.module("examples/contrib/autoname/mixture.py")
        yield Case("autoname/mixture.py", rule("autoname.asr", "smaller"), partial(named, module), violation=guessed)


def _of_processes(checkout: Programs) -> Iterator[Case]:
    names = {name: getattr(dist, name) for name in dist.__all__}
    names |= {"torch": torch, "pyro": pyro, "F": torch.nn.functional, "constraints": constraints, "T": COMPONENTS}
    starts = ("def mix_weights(beta)", "def model(data)", "def guide(data)")
    names = checkout.cells("tutorial/source/dirichlet_process_mixture.ipynb", starts, names)
    make = partial(processes, names)
    for name, by_hand in (("ordered", unordered), ("first", behind), ("spread", long)):
        yield Case("dirichlet_process_mixture.ipynb", rule("dpmm.asr", name), make, 9, violation=by_hand)

"""examples/hmm.py: how long a sequence is in a state, on average over the sequences."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyro
from examples.pyro.chains import Chain, log, stopped, within
from examples.pyro.checkout import Programs
from examples.pyro.compare import OPTIM, Case, Example, Tilted, Values, begins, rule
from pyro.infer import JitTraceEnum_ELBO, TraceEnum_ELBO, TraceTMC_ELBO
from pyro.infer.autoguide import AutoDelta

SEQUENCES, STEPS, TONES, STATES = 4, 4, 7, 4
LENGTHS = torch.tensor([4, 3, 4, 2])
EQUAL = torch.full((SEQUENCES,), STEPS)
SIZES = {"hidden_dim": STATES, "jit": False, "nn_dim": 6, "nn_channels": 2, "raftery_parameterization": False}

Transitions = tuple[Tensor, Tensor, Tensor]
"""p of the first state (K), of the next (K, K), and p(tone sounds) of each state, ``(data, T, K, tones)``."""


def data() -> Tensor:
    """Return sequences of tones, ``(data, T, tones)``."""
    return (torch.arange(SEQUENCES * STEPS * TONES) ** 2 % 11 < 4).double().reshape(SEQUENCES, STEPS, TONES)


def before(tones: Tensor) -> Tensor:
    """Return the tones of the step before, of which the first has none."""
    return torch.cat([torch.zeros_like(tones[:, :1]), tones[:, :-1]], 1)


def chain(parts: Transitions, counted: Tensor, lengths: Tensor) -> Chain:
    """Return the chain of all sequences.

    Args:
        parts: start, move and odds.
        counted: the states that are, ``(K,)``.
        lengths: of the sequences.
    """
    start, move, odds = parts
    tones = data().unsqueeze(2)
    emit = torch.where(tones > 0, odds, 1 - odds).log().sum(-1)
    count = within(counted.expand(SEQUENCES, STEPS, -1), lengths)
    return Chain(log(start).expand(SEQUENCES, -1), stopped(log(move), lengths, STEPS), within(emit, lengths), count)


# ---- by hand, of each model, what its chain is


def simple(values: Values) -> Transitions:
    """x_t after x_{t-1} (models 0 and 1)."""
    move, odds = values["probs_x"], values["probs_y"]
    return move[0], move, odds.expand(SEQUENCES, STEPS, -1, -1)


def autoregressive(values: Values) -> Transitions:
    """A tone depends on that of the step before, too (model 2)."""
    move, odds = values["probs_x"], values["probs_y"]  # (K, 2, tones)
    last = before(data()).unsqueeze(2)
    return move[0], move, torch.where(last > 0, odds[:, 1], odds[:, 0])


def factorial(values: Values) -> Transitions:
    """Two chains w and x, apart (model 3) or x after w (model 4); a state is a pair, w the slower."""
    first, second, odds = values["probs_w"], values["probs_x"], values["probs_y"]
    size = len(first)
    if second.dim() == 2:
        second = second.expand(size, -1, -1)
    move = torch.einsum("ac,cbd->abcd", first, second).reshape(size * size, size * size)
    return move[0], move, odds.flatten(0, 1).expand(SEQUENCES, STEPS, -1, -1)


def neural(module: Any, values: Values) -> Transitions:
    """The tones' odds are a network's, of the state and the tones before (model 5)."""
    move = values["probs_x"]
    states = torch.arange(STATES).reshape(1, 1, STATES, 1).expand(SEQUENCES, STEPS, -1, -1)
    last = before(data()).unsqueeze(2).expand(-1, -1, STATES, -1)
    return move[0], move, torch.sigmoid(module.tones_generator(states, last))


def second_order(values: Values) -> Transitions:
    """x_t after x_{t-1} and x_{t-2} (model 6); a state is a pair, the later one the faster."""
    del values
    move, odds = pyro.param("probs_x"), pyro.param("probs_y")  # (K, K, K): before that, before, now
    pairs = torch.einsum("abc,bd->abdc", move, torch.eye(STATES)).reshape(STATES**2, STATES**2)
    start = torch.zeros(STATES, STATES)
    start = torch.cat([move[0, 0].unsqueeze(0), start[1:]]).flatten()
    return start, pairs, odds.repeat(STATES, 1).expand(SEQUENCES, STEPS, -1, -1)


def tilted(parts: Callable[[Values], Transitions], counted: Tensor, lengths: Tensor, values: Values) -> Tilted:
    """Return the tilted sum over states."""
    return chain(parts(values), counted, lengths).tilted


def backwards(parts: Callable[[Values], Transitions], lengths: Tensor, values: Values) -> Tilted:
    """Return the tilted sum over states where steps back are counted, each by how far."""
    states = torch.arange(STATES, dtype=torch.float64)
    back = (states.unsqueeze(-1) - states).clamp(min=0).expand(SEQUENCES, STEPS - 1, -1, -1)
    there = torch.arange(1, STEPS) < lengths[:, None]
    whole = chain(parts(values), torch.zeros(STATES), lengths)
    return replace(whole, between=torch.where(there[:, :, None, None], back, 0.0)).tilted


# ---- cases


def example(module: Any, number: int, lengths: Tensor, base: Callable[[], Any] | None = None) -> Example:
    """Return a model of the example and the guide that its `main` makes."""
    model = module.models[str(number)]
    guide = AutoDelta(pyro.poutine.block(model, expose_fn=begins("probs_")))
    nesting = 1 if number == 0 else 2
    return Example(
        model,
        guide,
        base or partial(TraceEnum_ELBO, max_plate_nesting=nesting, strict_enumeration_warning=number != 7),
        (data(), lengths),
        {"args": Namespace(**SIZES)},
        {} if number == 0 else {"batch_size": 2},
        partial(OPTIM.Adam, {"lr": 0.05}),
        {"data": "sequences"},
    )


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of this example."""
    module = checkout.module("examples/hmm.py")
    first, pair, later = torch.eye(STATES)[1], torch.eye(STATES)[1], torch.eye(STATES)[1].repeat(STATES)
    one, both = rule("hmm.asr", "seldom"), rule("hmm_pairs.asr", "seldom")
    each = rule("hmm_sequences.asr", "seldom")

    def case(number: int, program: Any, parts: Callable[[Values], Transitions], counted: Tensor, **other: Any) -> Case:
        lengths = other.pop("lengths", LENGTHS)
        title, base = other.pop("title", f"hmm.py, model {number}"), other.pop("base", None)
        make = partial(example, module, number, lengths, base)
        by_hand = partial(tilted, parts, counted, lengths)
        return Case(title, program, make, bound=0.2, tilted=by_hand, **other)

    yield case(0, each, simple, first, lengths=EQUAL, steps=4)
    yield case(1, one, simple, first)
    order = rule("hmm.asr", "left_to_right")
    make = partial(example, module, 1, LENGTHS, None)
    yield Case("hmm.py, model 1", order, make, tilted=partial(backwards, simple, LENGTHS))
    if "2" in module.models:
        yield case(2, one, autoregressive, first)
        yield case(3, both, factorial, pair)
    yield case(4, both, factorial, pair)
    if "5" in module.models:
        yield case(5, one, partial(neural, module), first)
        yield case(6, one, second_order, later)
    yield case(0, each, simple, first, title="hmm.py, model 0, ragged", refused="ASR085")
    yield case(7, one, simple, first, refused="ASR080")
    jit, tmc = (partial(kind, max_plate_nesting=2) for kind in (JitTraceEnum_ELBO, TraceTMC_ELBO))
    yield case(1, one, simple, first, title="hmm.py --jit", base=jit, refused="ASR090")
    yield case(1, one, simple, first, title="hmm.py --tmc", base=tmc, refused="ASR090")

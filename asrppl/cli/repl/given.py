"""A session's values as tensors and distributions, by what the rules read of them."""

import math
import zlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution

from asrppl.bind.laws import law_of
from asrppl.cli.repl.laws import Law, LawError
from asrppl.core.free import FreeName
from asrppl.core.laws import FAMILIES, NAMED, REAL
from asrppl.diagnostics import AsrError, Diagnostic

DRAWS = 10_000
"""Draws of a law where more than its law is read, and nothing else says how many."""


def given_for(wanted: Mapping[str, FreeName], values: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of ``wanted`` names as `bind_values` takes them.

    Real numbers are in double precision. The numbers of a box are reals, however they are typed. A law is handed over
    as a distribution where that is exact, and as draws where values are read; a list of probabilities as a law where
    ``q(name)`` is read.

    Raises:
        AsrError: a law has no such parameters, or its numbers are no probabilities.
    """
    lengths = [length for name in wanted if (length := _draws_of(values[name])) is not None]
    count = lengths[0] if lengths else DRAWS
    return {name: _given(name, free, values[name], count) for name, free in wanted.items()}


def _given(name: str, free: FreeName, value: object, count: int) -> object:
    if free.shape == "distribution" and isinstance(value, list):
        value = Law("categorical", (cast(object, value),))
    if not isinstance(value, Law):
        return _tensors(value, real=free.shape == "box")
    try:
        law = distribution_of(value, boolean=free.shape == "bool")
    except LawError as error:
        raise AsrError([Diagnostic("ASR075", f"`{name}`: {error}", free.span)]) from None
    if free.law and not free.draw:
        return law
    finite = isinstance(law, Bernoulli | Categorical)
    if finite and free.expected and not free.bare and not free.law:
        return law  # its means are exact sums
    parts: dict[str, object] = {"draws": _sample(name, law, count)}
    return {**parts, "distribution": law} if free.law else parts


def distribution_of(law: Law, *, boolean: bool = False) -> Distribution:
    """Return a law as torch has it.

    Raises:
        LawError: its parameters are none that it can have.
    """
    parameters = [cast(Tensor, _tensors(part, real=True)) for part in law.parameters]
    if law.family == "categorical":
        (probabilities,) = parameters
        if probabilities.ndim == 0 or bool((probabilities < 0).any()) or bool((probabilities.sum(-1) <= 0).any()):
            raise LawError("the law of a whole number is a list of probabilities, those of 0, 1, 2 and so on")
        if boolean and probabilities.shape[-1] == 2:
            return Bernoulli(probabilities[..., 1] / probabilities.sum(-1))
        return Categorical(probabilities)
    family = NAMED.get(law.family, "Uniform")
    names = FAMILIES[family].parameters
    if len(parameters) != len(names):
        raise LawError(f"`{law.family}` takes {len(names)} numbers ({', '.join(names)}), and has {len(parameters)}")
    for name, parameter in zip(names, parameters, strict=True):
        low, high = FAMILIES[family].bounds.get(name, REAL)
        if bool(((parameter <= low) | (parameter >= high)).any()):
            ends = f"above {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
            raise LawError(f"the {name} of `{law.family}` lies {ends}")
    kind: Any = getattr(torch.distributions, family)
    try:
        made: Distribution = kind(*parameters, validate_args=True)
    except (ValueError, RuntimeError):  # of shapes that do not fit, or a uniform law's ends the wrong way round
        raise LawError(f"`{law.family}({', '.join(names)})` has no such parameters") from None
    return made


def _sample(name: str, law: Distribution, count: int) -> Tensor:
    """Return draws that are the same each time, and other ones for each name; of whole numbers as such."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(zlib.crc32(name.encode()))  # pyright: ignore[reportUnknownMemberType]
        draws = law.sample((count,))
    if isinstance(law, Bernoulli):
        return draws.bool()
    found = law_of(law)
    return draws.long() if found is not None and FAMILIES[found.law.family].discrete else draws


def _draws_of(value: object) -> int | None:
    draws: object = cast(dict[str, object], value).get("draws") if isinstance(value, dict) else None
    while isinstance(draws, dict):
        draws = next(iter(cast(dict[str, object], draws).values()), None)
    return len(cast(list[object], draws)) if isinstance(draws, list) else None


def _tensors(value: object, *, real: bool) -> object:
    """Return a value with its real numbers as tensors in double precision; whole numbers and Booleans stay."""
    if isinstance(value, Mapping):
        parts = cast(Mapping[str, object], value).items()
        return {name: part if name == "mask" else _tensors(part, real=real) for name, part in parts}
    if isinstance(value, set | frozenset | Tensor):
        return cast(object, value)
    array = np.asarray(value)
    if array.dtype.kind == "f" or (real and array.dtype.kind in "iu"):
        return torch.tensor(array, dtype=torch.float64)
    return value

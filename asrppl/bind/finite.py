"""Distributions with finitely many values, as log-probabilities."""

import math

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, OneHotCategorical

from asrppl.bind.laws import unwrapped

Support = tuple[int | float, ...]

LOG_ZERO = -1e4
"""The logarithm of probability 0: its exponential is 0 in every dtype, and sums of it stay finite."""


def finite_log_probs(distribution: Distribution) -> tuple[Support, Tensor] | None:
    """Return the values that a distribution takes, and their normalised log-probabilities.

    `Independent`, `MaskedDistribution` and `ExpandedDistribution` are looked through: the axes that `Independent`
    calls an event count as batch axes here. A one-hot draw counts as the index of its one.

    Returns:
        The support in ascending order, and log-probabilities of shape ``(*batch shape, *event axes, support)``, the
        axis of a one-hot draw left out;
        None for a distribution without finitely many numbers as its values.
    """
    shape = (*distribution.batch_shape, *distribution.event_shape)
    distribution = unwrapped(distribution)
    if isinstance(distribution, OneHotCategorical):
        log_probs = distribution.logits
        support: Support = tuple(range(log_probs.shape[-1]))
        return support, log_probs.expand((*shape[:-1], len(support)))
    if isinstance(distribution, Categorical):
        log_probs = distribution.logits
        support = tuple(range(log_probs.shape[-1]))
    elif isinstance(distribution, Bernoulli):
        logits = distribution.logits
        log_probs = torch.stack((torch.nn.functional.logsigmoid(-logits), torch.nn.functional.logsigmoid(logits)), -1)
        support = (0, 1)
    else:
        enumerated = _enumerated(distribution)
        if enumerated is None:
            return None
        support, log_probs = enumerated
    if len(shape) < log_probs.ndim - 1:  # the event was more than axes of independent numbers
        return None
    return support, log_probs.expand((*shape, len(support)))


def is_one_hot(distribution: object) -> bool:
    """Whether draws have a last axis with a single one, which no index of a rule names."""
    return isinstance(distribution, Distribution) and isinstance(unwrapped(distribution), OneHotCategorical)


def observed_log_probs(distribution: Distribution, value: Tensor) -> tuple[Support, Tensor] | None:
    """Return the point mass at an observed ``value`` over the support of its distribution, as `finite_log_probs` does.

    None for a distribution without finitely many numbers as its values.
    """
    found = finite_log_probs(distribution)
    if found is None:
        return None
    support, log_probs = found
    if is_one_hot(distribution):
        value = value.argmax(-1)
    values = torch.arange(len(support), device=value.device)
    if support != tuple(range(len(support))):
        values = torch.tensor(support, dtype=log_probs.dtype, device=value.device)
    there = value.unsqueeze(-1) == values
    log_mass = torch.where(there, 0.0, LOG_ZERO).to(log_probs.dtype)
    if value.is_floating_point():  # of nan nothing is known: were it nowhere, its divergences would be 0
        log_mass = torch.where(value.unsqueeze(-1).isnan(), math.nan, log_mass)
    return support, log_mass


def _enumerated(distribution: Distribution) -> tuple[Support, Tensor] | None:
    if not distribution.has_enumerate_support or distribution.event_shape:
        return None
    try:
        values = distribution.enumerate_support(expand=False)
    except NotImplementedError:  # a support that differs within the batch
        return None
    numbers = [float(value) for value in values.reshape(-1)]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    support: Support = tuple(int(numbers[at]) if numbers[at].is_integer() else numbers[at] for at in order)
    log_probs = distribution.log_prob(values)[torch.tensor(order, device=values.device)]
    return support, log_probs.movedim(0, -1)

"""Distributions with finitely many values, as log-probabilities."""

from typing import cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution

Support = tuple[int | float, ...]

_WRAPPERS = ("MaskedDistribution", "ExpandedDistribution")  # Pyro's: known by name, so that Pyro need not be there


def finite_log_probs(distribution: Distribution) -> tuple[Support, Tensor] | None:
    """Return the values that a distribution takes, and their normalised log-probabilities.

    `Independent`, `MaskedDistribution` and `ExpandedDistribution` are looked through: the axes that `Independent`
    calls an event count as batch axes here.

    Returns:
        The support in ascending order, and log-probabilities of shape ``(*batch shape, *event axes, support)``;
        None for a distribution without finitely many numbers as its values.
    """
    shape = (*distribution.batch_shape, *distribution.event_shape)
    while True:
        kind = type(distribution).__name__
        if kind not in ("Independent", *_WRAPPERS):
            break
        distribution = cast(Distribution, getattr(distribution, "base_dist"))  # noqa: B009 (no common class has it)
    if isinstance(distribution, Categorical):
        log_probs = distribution.logits
        support: Support = tuple(range(log_probs.shape[-1]))
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

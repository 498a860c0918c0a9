"""Standard errors of means over draws and data, and where a violation is.

What is asked is what a rule costs on the population that the data are from. So it is data that are counted, not draws:
those of one datum have its posterior in common. With u of K draws of n data, in which a draw may be common to all data
(a global latent), data and draws are crossed, and the variance of the mean of u is

    s²(means of data) / n + s²(means of draws) / K − s²(what is left) / (n K),

each s² the usual unbiased one (the method of moments for crossed random effects; Owen, The pigeonhole bootstrap, 2007,
section 2, has its history). A functional of means has u = v + Σ c (ψ − m̂): the delta method.
"""

from collections.abc import Iterable
from statistics import NormalDist

from torch import Tensor


def standard_error(values: Tensor) -> Tensor:
    """Return the standard error of the mean of ``(*axes, draws, data)``, over draws and data: ``(*axes)``.

    A single datum has draws alone, and a single draw data alone; of one number it is nan.
    """
    draws, data = values.shape[-2:]
    of_data, of_draws = values.mean(-2), values.mean(-1)
    if data == 1 and draws == 1:
        return values.new_full(values.shape[:-2], float("nan"))
    if data == 1:
        return (of_draws.var(-1) / draws).sqrt()
    variance = of_data.var(-1) / data
    if draws > 1:
        rest = values - of_data.unsqueeze(-2) - of_draws.unsqueeze(-1) + values.mean((-2, -1), keepdim=True)
        left = rest.square().sum((-2, -1)) / ((draws - 1) * (data - 1))
        variance = (variance - left / (draws * data)).clamp_min(0) + of_draws.var(-1) / draws
    return variance.sqrt()


def interval(
    violation: Tensor, values: Tensor, kinks: Iterable[tuple[Tensor, Tensor, Tensor]], level: float
) -> tuple[Tensor, Tensor]:
    """Return where a violation is with the chance ``level``, both ends 0-d and at least 0.

    Args:
        violation: 0-d.
        values: u, ``(draws, data)``.
        kinks: of each comparison g, ``(*axes)``; what moves it, ``(*axes, draws, data)``; and ∂v/∂max(g, 0). One that
            holds, by less than noise, has no part in u: it may cost what g may be above 0. (With several such the
            interval is a wide one.)
        level: a chance.
    """
    far = NormalDist().inv_cdf((1 + level) / 2)
    reach = far * standard_error(values)
    low, high = (violation - reach).clamp_min(0), violation + reach
    for excess, moves, counted in kinks:
        above = (excess + far * standard_error(moves)).clamp_min(0) * (excess <= 0)
        high = high + (counted * above).sum()
    return low, high

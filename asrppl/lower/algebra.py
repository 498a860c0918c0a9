"""Arithmetic on values, with the rewrites that make a graph of few and small tensors.

Every rewrite keeps the value to the last bit (halving, negation and taking the larger are exact in binary floating
point), so that a violation is zero exactly when its formula holds.
"""

import math
import operator
from collections.abc import Iterable
from typing import Any

import torch

from asrppl.core.typed import Variable
from asrppl.lower import operators
from asrppl.lower.builder import Builder, Value


class Algebra(Builder):
    """A graph in the making, with arithmetic."""

    # ---- elementwise

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b."""
        if a.number == 0:
            return b
        if b.number == 0:
            return a
        return self.call(operator.add, a, b, low=a.low + b.low, high=a.high + b.high)

    def subtract(self, a: Value, b: Value) -> Value:
        """Return a − b."""
        if b.number == 0:
            return a
        if a.number == 0:
            return self.negate(b)
        return self.call(operator.sub, a, b, low=a.low - b.high, high=a.high - b.low)

    def negate(self, a: Value) -> Value:
        """Return −a."""
        if a.target is operator.neg:
            return a.arguments[0]
        return self.call(operator.neg, a, low=-a.high, high=-a.low)

    def multiply(self, a: Value, b: Value) -> Value:
        """Return a × b."""
        if a.number is not None and b.number is None:
            a, b = b, a
        factor = b.number
        if factor == 1:
            return a
        if factor == -1:
            return self.negate(a)
        if factor is not None and a.target is operator.add and _exact(factor):
            left, right = a.arguments
            if left.slots < a.slots and right.slots < a.slots:  # scale the parts before they are spread out
                return self.add(self.multiply(left, b), self.multiply(right, b))
        if factor is not None and a.target is torch.unsqueeze:  # share the product among the views of one tensor
            inner, dim = a.arguments
            return self.call(torch.unsqueeze, self.multiply(inner, b), dim, slots=a.slots)
        low, high = _products(a, b)
        return self.call(operator.mul, a, b, low=low, high=high)

    def divide(self, a: Value, b: Value) -> Value:
        """Return a / b, finite where b is 0."""
        divisor = b.number
        if divisor is not None and divisor != 0:
            if _exact(divisor):
                return self.multiply(a, self.constant(1 / divisor))
            return self.call(torch.div, a, b, tensors=a.number is not None)
        if b.low > operators.NEAR_ZERO or b.high < -operators.NEAR_ZERO:
            return self.call(torch.div, a, b, tensors=True)
        return self.call(operators.quotient, a, b, tensors=True)

    def power(self, a: Value, b: Value, *, integer: bool) -> Value:
        """Return a ^ b; ``integer`` says that b takes integers only."""
        if b.number is not None:
            return a if b.number == 1 else self.call(operators.power, a, b, low=0.0 if b.number % 2 == 0 else -math.inf)
        function = operators.integer_power if integer else operators.real_power
        return self.call(function, a, b, tensors=True)

    def absolute(self, a: Value) -> Value:
        """Return abs(a)."""
        return a if a.low >= 0 else self.call(torch.abs, a, low=0.0, high=max(abs(a.low), abs(a.high)))

    def relu(self, a: Value) -> Value:
        """Return max(a, 0)."""
        if a.low >= 0:
            return a
        if a.high <= 0 and not a.nan:
            return self.constant(0.0)
        return self.call(torch.relu, a, low=0.0, high=max(a.high, 0.0))

    def minimum(self, a: Value, b: Value) -> Value:
        """Return the smaller of two values."""
        return self._extreme(a, b, torch.minimum, torch.clamp_max)

    def maximum(self, a: Value, b: Value) -> Value:
        """Return the larger of two values."""
        return self._extreme(a, b, torch.maximum, torch.clamp_min)

    def _extreme(self, a: Value, b: Value, both: Any, bounded: Any) -> Value:
        smaller = both is torch.minimum
        if a.key == b.key:
            return a
        for one, other in ((a, b), (b, a)):
            chosen, dropped = (one, other) if smaller else (other, one)
            if one.high <= other.low and not dropped.nan:
                return chosen
        if a.target is torch.relu and b.target is torch.relu:
            return self.relu(self._extreme(a.arguments[0], b.arguments[0], both, bounded))
        if a.target is operator.sub and b.target is operator.sub:
            (a0, a1), (b0, b1) = (
                [part if isinstance(part, Value) else self.constant(part) for part in value.arguments]
                for value in (a, b)
            )
            if a0.key == b0.key:  # min(s − a, s − b) = s − max(a, b)
                other = (torch.maximum, torch.clamp_min) if smaller else (torch.minimum, torch.clamp_max)
                return self.subtract(a0, self._extreme(a1, b1, *other))
            if a1.key == b1.key:
                return self.subtract(self._extreme(a0, b0, both, bounded), a1)
        pick = min if smaller else max
        low, high = pick(a.low, b.low), pick(a.high, b.high)
        if a.number is not None:
            a, b = b, a
        return self.call(bounded if b.number is not None and a.static is None else both, a, b, low=low, high=high)

    def unary(self, target: Any, a: Value, low: float = -math.inf) -> Value:
        """Return an elementwise function of one value."""
        return self.call(target, a, low=low)

    # ---- Booleans

    def compare(self, target: Any, a: Value, b: Value) -> Value:
        """Return a comparison (a function of `operator`) as a Boolean value."""
        return self.call(target, a, b, low=0.0, high=1.0, nan=False)

    def at_most(self, a: Value, b: Value) -> Value:
        """Return whether a <= b."""
        if a.high <= b.low or a.low > b.high:
            return self.constant(a.high <= b.low)
        return self.compare(operator.le, a, b)

    def less(self, a: Value, b: Value) -> Value:
        """Return whether a < b."""
        if a.key == b.key or a.low >= b.high or a.high < b.low:
            return self.constant(a.key != b.key and a.high < b.low)
        if a.number == 0:
            return self.positive(b)
        return self.compare(operator.lt, a, b)

    def positive(self, a: Value) -> Value:
        """Return whether a > 0."""
        if a.low > 0 or a.high <= 0:
            return self.constant(a.low > 0)
        return self.compare(operator.gt, a, self.constant(0.0))

    def both(self, a: Value, b: Value) -> Value:
        """Return a and b, of Booleans."""
        for x, y in ((a, b), (b, a)):
            if x.number is not None:
                return y if x.number else x
        return self.call(torch.logical_and, a, b, low=0.0, high=1.0)

    def either(self, a: Value, b: Value) -> Value:
        """Return a or b, of Booleans."""
        for x, y in ((a, b), (b, a)):
            if x.number is not None:
                return x if x.number else y
        return self.call(torch.logical_or, a, b, low=0.0, high=1.0)

    def complement(self, a: Value) -> Value:
        """Return not a, of a Boolean."""
        if a.number is not None:
            return self.constant(not a.number)
        return self.call(torch.logical_not, a, low=0.0, high=1.0)

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """Return a where the Boolean ``condition`` holds, else b."""
        if condition.number is not None:
            return a if condition.number else b
        if a.key == b.key:
            return a
        low, high = min(a.low, b.low), max(a.high, b.high)
        # Numbers go in as tensors: two plain ones would give the default dtype, and one would be wrapped at each call.
        return self.call(torch.where, condition, a, b, low=low, high=high, tensors=True, nan=a.nan or b.nan)

    def indicator(self, condition: Value) -> Value:
        """Return 1 where a Boolean holds, else 0."""
        return self.where(condition, self.constant(1.0), self.constant(0.0))

    # ---- along variables (kept, with length 1)

    def total(self, a: Value, variables: Iterable[Variable]) -> Value:
        """Return the sum over the variables' values."""
        variables = tuple(variables)
        if a.number == 0:
            return a
        slots = {variable.slot for variable in variables if variable.slot in a.slots}
        if slots:
            inner, dims = a, self.dims(slots)
            if a.target is torch.sum:  # a sum of sums is one
                inner, known, _ = a.arguments
                dims = tuple(sorted({*dims, *known}))
            low = 0.0 if a.low >= 0 else -math.inf
            high = 0.0 if a.high <= 0 else math.inf
            a = self.call(torch.sum, inner, dims, True, low=low, high=high, slots=a.slots - slots)
        for variable in variables:
            if variable.slot not in slots:
                a = self.multiply(a, self._count(variable))
        return a

    def _count(self, variable: Variable) -> Value:
        if variable.slot not in self.dynamic:
            return self.constant(float(len(variable.values)))
        ones = self.call(torch.ones_like, self.index(variable), low=1.0, high=1.0)
        return self.total(ones, (variable,))

    def product(self, a: Value, variables: Iterable[Variable]) -> Value:
        """Return the product over the variables' values."""
        variables = tuple(variables)
        slots = {variable.slot for variable in variables if variable.slot in a.slots}
        if slots:
            low = 0.0 if a.low >= 0 else -math.inf
            a = self.call(operators.product, a, self.dims(slots), low=low, slots=a.slots - slots)
        for variable in variables:
            if variable.slot not in slots:
                a = self.power(a, self._count(variable), integer=True)
        return a

    def smallest(self, a: Value, variables: Iterable[Variable]) -> Value:
        """Return the minimum over the variables' values."""
        return self._extreme_over(a, variables, torch.amin)

    def largest(self, a: Value, variables: Iterable[Variable]) -> Value:
        """Return the maximum over the variables' values."""
        return self._extreme_over(a, variables, torch.amax)

    def _extreme_over(self, a: Value, variables: Iterable[Variable], target: Any) -> Value:
        slots = {variable.slot for variable in variables} & a.slots
        if not slots:
            return a
        if a.target is torch.relu:  # on the smaller tensor
            return self.relu(self._reduce(target, a.arguments[0], slots))
        return self._reduce(target, a, slots)

    def _reduce(self, target: Any, a: Value, slots: set[int]) -> Value:
        return self.call(target, a, self.dims(slots), True, low=a.low, high=a.high, slots=a.slots - slots)

    def power_mean(self, a: Value, variables: Iterable[Variable], p: float) -> Value:
        """Return (Σ a^-p)^(-1/p) over the variables' values, of non-negative values (infinite ones drop out)."""
        variables = tuple(variables)
        slots = {variable.slot for variable in variables} & a.slots
        if slots:
            rest = a.slots - slots
            a = self.call(operators.power_mean_over, a, self.dims(slots), p, low=0.0, slots=rest, tensors=True)
        for variable in variables:
            if variable.slot not in slots:  # as many equal branches as it has values
                a = self.multiply(a, self.power(self._count(variable), self.constant(-1 / p), integer=False))
        return a

    def holds(self, a: Value, variables: Iterable[Variable], *, everywhere: bool) -> Value:
        """Return whether a Boolean holds for all of the variables' values, or for any."""
        for variable in variables:
            if variable.slot in a.slots:
                target = torch.all if everywhere else torch.any
                dim = variable.slot - self.rank
                a = self.call(target, a, dim, True, low=0.0, high=1.0, slots=a.slots - {variable.slot})
        return a

    # ---- outputs

    def drop_slots(self, a: Value, keep: int | None = None) -> Any:
        """Return the node of a value without the axes of slots, which it does not vary with (but for ``keep``)."""
        if a.static is not None:
            return self.buffer(a.static.reshape(() if keep is None else (-1,)))
        every = tuple(dim for dim in range(-self.rank, 0) if keep is None or dim != keep - self.rank)
        if not every:
            return self.node(a)
        if a.target is torch.sum:  # in one go
            inner, _, _ = a.arguments
            return self.node(self.call(torch.sum, inner, every, False, slots=()))
        return self.node(self.call(torch.squeeze, a, every, slots=()))


def _exact(factor: float) -> bool:
    """Whether multiplying by ``factor`` only shifts the exponent."""
    return factor != 0 and math.isfinite(factor) and math.frexp(abs(factor))[0] == 0.5


def _products(a: Value, b: Value) -> tuple[float, float]:
    corners = [0.0 if 0 in (x, y) else x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return min(corners), max(corners)

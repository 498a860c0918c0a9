"""Random integers that are the same on every machine and with every numpy.

numpy keeps the stream of a bit generator stable for ever, but not what `Generator` makes of it; so integers are cut
from PCG64's raw 64-bit words here.
"""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


class Draws:
    """A stream of random integers from a sequence of non-negative integers as the seed."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def words(self, count: int) -> NDArray[np.uint64]:
        """`count` raw 64-bit words."""
        return np.asarray(self._bits.random_raw(count), dtype=np.uint64)

    def below(self, bound: int | IntArray, count: int) -> IntArray:
        """`count` integers in [0, bound); the bias of the multiply-shift, 2^-32 · bound, is of no account here."""
        high = self.words(count) >> np.uint64(32)
        return ((high * np.asarray(bound, dtype=np.uint64)) >> np.uint64(32)).astype(np.int64)

    def permutation(self, count: int) -> IntArray:
        """A permutation of 0..count − 1."""
        return np.argsort(self.words(count), kind="stable").astype(np.int64)

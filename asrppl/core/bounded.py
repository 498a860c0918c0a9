"""A mapping that keeps what was used last."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(OrderedDict[K, V]):
    """At most ``size`` items; what was put in, or asked for by `get_or`, longest ago gives way."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def put(self, key: K, item: V) -> V:
        """Keep ``item``, and return it."""
        self[key] = item
        self.move_to_end(key)
        while len(self) > self._size:
            self.popitem(last=False)
        return item

    def get_or(self, key: K, make: Callable[[], V]) -> V:
        """Return the item of ``key``, made where there is none."""
        if key not in self:
            return self.put(key, make())
        self.move_to_end(key)
        return self[key]

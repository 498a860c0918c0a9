"""Which draws of the guide a tensor depends on, by any way.

Two witnesses, of which either is enough: the marks of a tracked run (`Tracker`), which say it of all draws, and
autograd's graph of another run, which also knows what marks are lost in, though only of draws that gradients pass
through. A draw that they do not pass through carries no marks of what led to it; that is found by its law.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor

from asrppl.infer.watch.pyro_internals import marks_of
from asrppl.infer.watch.recorder import draws_of
from asrppl.infer.watch.recording import Recording, Site, unwrap

_NOTHING: Mapping[str, Iterable[str]] = MappingProxyType({})


def ancestors(tracked: Recording, seen: Mapping[str, Iterable[str]] = _NOTHING) -> dict[str, frozenset[str]]:
    """Return by draw of the guide those that it depends on, by marks and by what was ``seen`` besides."""
    before: dict[str, frozenset[str]] = {}
    for name, site in tracked.guide.items():
        direct = {draw.site for draw in draws_of(site.fn) | marks_of(site.value)} - {name}
        direct |= set(seen.get(name, ()))
        before[name] = frozenset(direct).union(*(before.get(parent, frozenset()) for parent in direct))
    return before


class Lineage:
    """The draws before each draw of a guide.

    Args:
        tracked: a run with marks.
        plain: one without, with gradients.
    """

    def __init__(self, tracked: Recording, plain: Recording) -> None:
        self.tracked = tracked
        self.plain = plain
        self.drawn: dict[str, Site] = {name: site for name, site in plain.guide.items() if _is_drawn(site)}
        seen = {name: self.parents(site) for name, site in self.drawn.items()}
        self.before: dict[str, frozenset[str]] = ancestors(tracked, seen)

    def parents(self, site: Site) -> set[str]:
        """Return the draws that the law of a site of the plain run is seen to be computed from."""
        return self._leading_to(_tensors_of(site.fn)) - {site.name}

    def of(self, tracked: Iterable[Tensor], plain: Sequence[Tensor]) -> frozenset[str]:
        """Return the draws that a tensor depends on, given what it is in both runs."""
        direct = {draw.site for tensor in tracked for draw in marks_of(tensor)} | self._leading_to(plain)
        return frozenset(direct).union(*(self.before.get(name, frozenset()) for name in direct))

    def direct(self, tracked: Iterable[Tensor], plain: Sequence[Tensor]) -> frozenset[str]:
        """Return those on a path of which no draw is that gradients do not pass through."""
        return frozenset({draw.site for tensor in tracked for draw in marks_of(tensor)} | self._leading_to(plain))

    def _leading_to(self, tensors: Sequence[Tensor]) -> set[str]:
        outputs = [tensor for tensor in tensors if tensor.requires_grad]
        values = {name: site.value for name, site in self.drawn.items() if site.value.requires_grad}
        if not outputs or not values:
            return set()
        with torch.enable_grad():  # rules may be attached in a call without gradients
            total = torch.stack([output.sum() for output in outputs]).sum()
        gradients = torch.autograd.grad(total, list(values.values()), retain_graph=True, allow_unused=True)
        found = cast("tuple[Tensor | None, ...]", gradients)
        return {name for name, gradient in zip(values, found, strict=True) if gradient is not None}


def _is_drawn(site: Site) -> bool:
    return not site.observed and not site.deterministic and type(unwrap(site.fn)).__name__ != "Delta"


def _tensors_of(part: object, depth: int = 0) -> list[Tensor]:
    """Return the tensors that a distribution holds, and those within it, its transforms and their modules."""
    if isinstance(part, Tensor):
        return [part]
    if depth > 4:
        return []
    if isinstance(part, list | tuple):
        return [tensor for each in cast("list[object]", part) for tensor in _tensors_of(each, depth + 1)]
    if isinstance(part, torch.distributions.Distribution | torch.distributions.Transform):
        held: dict[str, Any] = vars(part)
        return [
            tensor
            for key, each in held.items()
            if not key.startswith("_cached")
            for tensor in _tensors_of(each, depth + 1)
        ]
    return []

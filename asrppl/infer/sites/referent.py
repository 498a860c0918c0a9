"""What the free names of a program were found to be among what was recorded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from asrppl.core.free import FreeName
from asrppl.infer.watch.recording import Exposure, ParamStatement, Recording, Site

Origin = Literal["bind", "exposed", "guide", "model", "param"]
Item = Site | Exposure | ParamStatement


@dataclass(frozen=True, slots=True)
class Referent:
    """What a free name was found to be, and how its axes are read.

    Args:
        free: the name and what its uses ask for.
        origin: where it was found.
        members: names of the sites: one, or a numbered family's in order.
        family: how many numbers their names have: the first index axes.
        lengths: how many members there are along each number.
        first: the lowest of each number.
        event_dim: how many axes on the right of a member's value are no batch axes.
        plates: name and axis of the plates that became index axes, outermost first.
        columns: whether the last event axis holds the fields of a record.
        drop: whether a last index axis of length 1 is left out.
        site_distribution: whether ``q(name)`` is the distribution of the sites (else what was exposed or bound).
    """

    free: FreeName
    origin: Origin
    members: tuple[str, ...]
    family: int = 0
    lengths: tuple[int, ...] = ()
    first: tuple[int, ...] = ()
    event_dim: int = 0
    plates: tuple[tuple[str, int], ...] = ()
    columns: bool = False
    drop: bool = False
    site_distribution: bool = True

    @property
    def event_axes(self) -> int:
        """How many axes on the right of the tensors read come from event axes."""
        return self.event_dim - self.columns - self.drop

    @property
    def rank(self) -> int:
        """How many axes on the right of the tensors read are no batch axes."""
        return self.family + len(self.plates) + self.event_axes

    @property
    def title(self) -> str:
        """How messages call it."""
        what = {
            "bind": "bind=",
            "exposed": f"exposed {self.free.name!r}",
            "guide": "guide site",
            "model": "model site",
            "param": "param",
        }[self.origin]
        if self.origin in ("bind", "exposed"):
            return what
        if self.family:
            return f"{what}s {self.members[0]!r} to {self.members[-1]!r}"
        return f"{what} {self.members[0]!r}"

    def data_axis(self, data: str | None, recording: Recording) -> int | None:
        """Return which of its index axes is that of the plate ``data``: of a plate, or of sites one for each entry.

        A guide may draw such sites without the plate, in which the model then has them.
        """
        for position, (plate, _) in enumerate(self.plates):
            if plate == data:
                return self.family + position
        counters: list[int] = []
        for member, item in zip(self.members, self.items(recording), strict=True):
            around = (*item.frames, *(recording.model[member].frames if member in recording.model else ()))
            counter = next((frame.counter for frame in around if frame.name == data and frame.dim is None), None)
            counters += [counter] if counter is not None else []
        if len(counters) == len(self.members):
            numbers = list(product(*map(range, self.lengths)))  # of the members
            for axis in range(self.family):
                pairs = {(number[axis], counter) for number, counter in zip(numbers, counters, strict=True)}
                if len(pairs) == len(set(counters)) == self.lengths[axis]:
                    return axis
        return None

    def items(self, recording: Recording) -> Iterator[Item]:
        """Yield the recorded members."""
        table = table_of(recording, self.origin)
        for member in self.members:
            yield table[member]


@dataclass(frozen=True, slots=True)
class Resolution:
    """All names resolved.

    Args:
        referents: by name.
        data: the name of the data plate, None where there is none.
        size: the number of data, where the plate has no size and the caller gave one.
        drawn: names that are not there in every draw: draws decide their masks, and not which data there are.
    """

    referents: Mapping[str, Referent]
    data: str | None
    size: int | None = None
    drawn: frozenset[str] = frozenset()


def table_of(recording: Recording, origin: Origin) -> Mapping[str, Item]:
    """Return what ``recording`` holds of one origin, by name."""
    match origin:
        case "exposed":
            return recording.exposed
        case "param":
            return recording.params
        case "model":
            return {**recording.guide, **recording.model}
        case _:
            return recording.guide

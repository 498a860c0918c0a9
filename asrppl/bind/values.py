"""Plain values for the names of a program: numbers, lists, arrays, tensors, records, distributions, functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from asrppl.bind.arrays import (
    ONE_DEVICE,
    RefusalError,
    as_tensor,
    fitting,
    refuse,
    several_devices,
    too_small,
    type_name,
)
from asrppl.bind.bound import Bound, InputKey
from asrppl.bind.draws import aligned
from asrppl.bind.finite import Support, finite_log_probs
from asrppl.bind.functions import WatchedFunction
from asrppl.bind.given import kind_of_given, misfit
from asrppl.bind.laws import law_of
from asrppl.bind.records import RecordError, from_columns, from_fields
from asrppl.bind.shapes import broadcast_shape
from asrppl.core.families import Family, family, members
from asrppl.core.free import FreeName, FreeNames
from asrppl.core.laws import FAMILIES, Law, component, fields_of, is_of_law
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level, Signature
from asrppl.diagnostics import Sink
from asrppl.suggest import did_you_mean

_ORIGIN = "the value given"
_OFF = 1e-2
"""How far from 1 probabilities may sum: half-precision numbers round by as much."""


def bind_values(free: FreeNames, given: Mapping[str, object], *, plain_is_data: bool = False) -> Bound:
    """Bind plain values to the names that a program reads.

    The last axes of a value are its index axes, as many as the rules write indices; those before are batch axes.

    A value is a number, a (nested) list, a NumPy array or a tensor; of a box, 4 columns (x, y, w, h) or 3 (x, y, size)
    in one further last axis, or a mapping of fields; of another record, its fields as columns or as a mapping; of
    ``q(name)``, a distribution whose law is known (`law_of`, `finite_log_probs`); of ``categorical(name[k])``,
    probabilities along one further last axis; of a name that is called, a function of tensors that acts
    elementwise. A mapping may have ``"mask"`` beside the fields: which entries are there; and for a plain value
    ``{"value": …, "mask": …}``, and for one that is read both ways ``{"value": …, "distribution": …}``. Numbered
    values (``w_0``, ``w_1``, …) make one array ``w``.

    A value is known, not drawn. ``{"draws": …}`` are draws, along a further first axis, of the same length for all
    names that have it; and a name that is read inside ``E[..]`` and ``P[..]`` alone may be given as the law of its
    draws, a distribution over finitely many numbers. The draws of laws are independent.

    Args:
        free: what the program expects.
        given: values by name.
        plain_is_data: whether what holds no tensor is data, as if it were declared `given`.

    Raises:
        AsrError: ASR070 to ASR077, all findings at once, each at the first use of its name.
    """
    names = _with_families(free, given)
    data = frozenset(name for name, value in names.items() if plain_is_data and not _holds_tensor(value))
    binder = _Binder(Sink(), data=data)
    for name in names:
        if name not in free:
            expected = ", ".join(sorted(free)) or "nothing"
            help = did_you_mean(name, free) or f"the rules read {expected}"
            binder.sink.add(
                "ASR071", None, f"a value was given for `{name}`, which no rule reads", help=help, name=name
            )
    for name, use in free.items():
        if name in names:
            binder.bind(use, names[name])
        else:
            there = ", ".join(f"`{other}`" for other in sorted(given)) or "none"
            help = did_you_mean(name, given) or f"values were given for: {there}"
            binder.sink.add("ASR070", use.span, f"no value was given for `{name}`", help=help, name=name)
    binder.sink.raise_if_failed()
    tensors, plates = aligned(binder.tensors, binder.entries, frozenset(binder.drawn), free, binder.sink)
    binder.sink.raise_if_failed()
    wrong = several_devices({name: tensor for (name, _), tensor in tensors.items()})
    if wrong is not None:
        binder.sink.add("ASR072", None, wrong, help=ONE_DEVICE)
    for (name, part), tensor in tensors.items():
        if is_of_law(part) and (small := too_small(tensor)) is not None:  # values were asked one by one
            message = f"a parameter of the law of `{name}` is {small}"
            binder.sink.add("ASR072", free[name].span, message, help="make it of parameters that are float32")
    binder.sink.raise_if_failed()
    bound = Bound(Signature.of(binder.entries), tensors, binder.functions, plates)
    _verify_batches(bound, free, binder.sink)
    binder.sink.raise_if_failed()
    return bound


def _with_families(free: FreeNames, given: Mapping[str, object]) -> dict[str, object]:
    """Return the values, numbered ones stacked under the name of their family."""
    found = dict(given)
    for name, use in free.items():
        if name in found or not use.rank:
            continue
        numbered = members(use, found)
        if numbered:
            whole = family(use, numbered)
            values = tuple(found.pop(part) for part in whole.members)
            found[name] = _Family(values, whole)
    return found


@dataclass(frozen=True, slots=True)
class _Family:
    """Values of numbered names: one further index axis for each number, the outermost ones."""

    members: tuple[object, ...]
    names: Family


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names[:4]) + (", …" if len(names) > 4 else "")


def _holds_tensor(value: object) -> bool:
    match value:
        case Mapping():
            return any(map(_holds_tensor, cast(Mapping[str, object], value).values()))
        case _Family():
            return any(map(_holds_tensor, value.members))
        case list() | tuple():
            return any(map(_holds_tensor, cast(list[object], value)))
        case _:
            return isinstance(value, Tensor | Distribution) or callable(value)


@dataclass(slots=True)
class _Binder:
    sink: Sink
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    tensors: dict[InputKey, Tensor] = field(default_factory=dict[InputKey, Tensor])
    functions: dict[str, Callable[..., Tensor]] = field(default_factory=dict[str, Callable[..., Tensor]])
    supports: dict[str, Support] = field(default_factory=dict[str, Support])
    laws: dict[str, Law] = field(default_factory=dict[str, Law])
    booleans: set[str] = field(default_factory=set[str])
    first: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    data: frozenset[str] = frozenset()
    drawn: set[str] = field(default_factory=set[str])

    def bind(self, use: FreeName, value: object) -> None:
        """Bind one name, or note why it cannot be."""
        try:
            if use.shape == "function":
                self._function(use, value)
            elif isinstance(value, Mapping):
                self._mapping(use, cast(Mapping[str, object], value))
            elif isinstance(value, Distribution) and use.expected and not use.bare and not use.law:
                self._entry(use, self._distribution(use, value), draw=False)
            elif use.law:
                if use.draw:
                    what = "the distribution" if isinstance(value, Distribution) else "the value"
                    refuse(
                        "ASR075",
                        f"both `q({use.name})` and the value of `{use.name}` are read, but only {what} was given",
                        f'give {{"{use.name}": {{"value": ..., "distribution": ...}}}}',
                    )
                self._entry(use, self._distribution(use, value), draw=False)
            else:
                self._entry(use, self._columns(use, self._tensor(use, value)))
        except RefusalError as refusal:
            self.sink.add(refusal.code, use.span, refusal.message, help=refusal.help)

    # ---- the forms of a value

    def _function(self, use: FreeName, value: object) -> None:
        if not callable(value) or isinstance(value, Tensor):
            refuse("ASR077", f"`{use.name}` is called in the rules, but a {type_name(value)} was given for it")
        self.functions[use.name] = WatchedFunction(value, use)
        self.entries[use.name] = Entry(function=True, levels=frozenset(), origin=_ORIGIN)

    def _mapping(self, use: FreeName, parts: Mapping[str, object]) -> None:
        components: dict[str | None, Tensor] = {}
        rest = dict(parts)
        mask = rest.pop("mask", None)
        if (use.law or use.expected) and "distribution" in rest:
            components |= self._distribution(use, rest.pop("distribution"))
        if "draws" in rest and "draws" not in (use.fields or ()):
            self.drawn.add(use.name)
            draws = rest.pop("draws")
            components |= (
                self._fields(use, cast(Mapping[str, object], draws))
                if isinstance(draws, Mapping)
                else self._columns(use, self._tensor(use, draws))
            )
        elif "value" in rest:
            components |= self._columns(use, self._tensor(use, rest.pop("value")))
        elif rest:
            components |= self._fields(use, rest)
            rest = {}
        if rest:
            refuse("ASR074", f"a value of `{use.name}` has no part `{next(iter(rest))}`")
        if mask is not None:
            components["mask"] = present = self._tensor(use, mask)
            if bool(((present != 0) & (present != 1)).any()):
                refuse("ASR072", f"the mask of `{use.name}` says 1 or 0 (true or false) of each entry, nothing between")
        draw = any(name != "mask" and not is_of_law(name) for name in components)
        if use.draw and not draw and not (use.expected and not use.bare):
            refuse("ASR072", f"the value of `{use.name}` is read, but only its distribution was given")
        if use.law and not any(map(is_of_law, components)):
            refuse("ASR075", f"`q({use.name})` is read, but only the value of `{use.name}` was given")
        self._entry(use, components, draw=draw)

    def _tensor(self, use: FreeName, value: object) -> Tensor:
        if isinstance(value, _Family):
            first, lengths = value.names.members[0], value.names.lengths
            if value.names.missing is not None:
                refuse("ASR073", f"values were given for {_list(value.names.members)}, and not `{value.names.missing}`")
            self.first[use.name] = value.names.first
            parts = [self._tensor(use, member) for member in value.members]
            if len({part.shape for part in parts}) > 1:
                shapes = ", ".join(str(tuple(part.shape)) for part in parts)
                refuse("ASR073", f"the values numbered from `{first}` differ in shape: {shapes}")
            inner = (use.rank or 1) - len(lengths) + (use.shape in ("box", "record", "probabilities"))
            if parts[0].ndim < inner:
                refuse("ASR073", f"`{first}` has shape {tuple(parts[0].shape)}, and needs {inner} axes")
            stacked, batch = torch.stack(parts, parts[0].ndim - inner), parts[0].ndim - inner
            return stacked.reshape(*stacked.shape[:batch], *lengths, *stacked.shape[batch + 1 :])
        kind = type_name(value)
        if isinstance(value, Tensor):
            return fitting(use.name, value)
        if isinstance(value, Distribution):
            help = f'give draws of it: {{"{use.name}": {{"draws": law.sample((1000,))}}}}'
            refuse("ASR072", f"the value of `{use.name}` is read, but a {kind} was given", help)
        if callable(value):
            refuse("ASR077", f"`{use.name}` is a value in the rules, but a {kind} was given for it")
        return as_tensor(use.name, value)

    def _columns(self, use: FreeName, tensor: Tensor) -> dict[str | None, Tensor]:
        if use.shape == "probabilities":
            _verify_probabilities(use.name, tensor)
        if use.shape not in ("box", "record"):
            return {None: tensor}
        if tensor.ndim == 0:
            refuse("ASR074", f"`{use.name}` is a {use.shape} in the rules, but one number was given")
        try:
            fields = from_columns(use, tensor.unbind(-1), f"the value given, of shape {tuple(tensor.shape)},")
        except RecordError as error:
            refuse("ASR074", error.message, error.help)
        return {**fields}

    def _fields(self, use: FreeName, parts: Mapping[str, object]) -> dict[str | None, Tensor]:
        if use.shape not in ("box", "record"):
            refuse("ASR074", f"`{use.name}` has no fields in the rules, but {', '.join(sorted(parts))} were given")
        given = {name: self._tensor(use, part) for name, part in parts.items()}
        try:
            tensors = from_fields(use, given, "the value given")
        except RecordError as error:
            refuse("ASR074", error.message, error.help)
        shape = broadcast_shape(tensor.shape for tensor in tensors.values())
        # Fields that are one tensor (the sides of squares) stay one.
        spread = {id(tensor): tensor.expand(shape) for tensor in tensors.values()}
        return {name: spread[id(tensor)] for name, tensor in tensors.items()}

    def _distribution(self, use: FreeName, value: object) -> dict[str | None, Tensor]:
        finite = use.shape == "distribution" or (use.expected and not use.law)
        found = finite_log_probs(value) if isinstance(value, Distribution) and finite else None
        if found is not None:
            support, log_probs = found
            self.supports[use.name] = support
            if _is_boolean(value):
                self.booleans.add(use.name)
            return {"log_probs": log_probs}
        if not use.law:
            refuse(
                "ASR075",
                f"the law of `{use.name}` needs a distribution over finitely many numbers; "
                f"a {type_name(value)} was given",
                f'give draws of it: {{"{use.name}": {{"draws": law.sample((1000,))}}}}',
            )
        read = law_of(value) if isinstance(value, Distribution) else None
        if read is None:
            refuse(
                "ASR075",
                f"`q({use.name})` needs a distribution whose law is known; a {type_name(value)} was given",
                "give a torch.distributions.Categorical or Normal, say",
            )
        self.laws[use.name] = read.law
        return {
            component(part, name): column
            for part, tensor in zip(read.law.parts, read.parameters, strict=True)
            for name, column in self._columns(use, tensor).items()
        }

    # ---- entries

    def _entry(self, use: FreeName, components: Mapping[str | None, Tensor], *, draw: bool = True) -> None:
        rank = 1 if use.rank is None else use.rank  # an argument of `len` only is an array
        index_axes = rank + (use.shape == "probabilities")
        axes: tuple[int, ...] | None = None
        for part, tensor in components.items():
            tail = 1 if part == "log_probs" else 0
            if use.name in self.drawn and part != "mask" and not is_of_law(part) and tensor.ndim < index_axes + 1:
                what = f"the draws of `{use.name}` have shape {tuple(tensor.shape)}"
                refuse("ASR073", f"{what}: their first axis is that of draws, and {rank} further ones are read")
            if tensor.ndim < index_axes + tail:
                what = f"`{use.name}` has {rank} {'index' if rank == 1 else 'indices'} in the rules"
                refuse("ASR073", f"{what}, but the value given has shape {tuple(tensor.shape[: tensor.ndim - tail])}")
            shape = tuple(tensor.shape[tensor.ndim - index_axes - tail : tensor.ndim - tail])
            if axes is not None and shape != axes:
                refuse("ASR073", f"the parts of `{use.name}` differ in shape: {axes} and {shape}")
            axes = shape
            self.tensors[use.name, part] = tensor
        fields = fields_of(components)
        names = tuple(name for name in fields if name in components)
        if use.given:
            wrong = [
                message
                for part in names or (None,)
                if part in components and (message := misfit(use.name, use.kind, components[part])) is not None
            ]
            if wrong:
                refuse("ASR072", wrong[0])
        support = self.supports.get(use.name)
        law = self.laws.get(use.name)
        drawn = None if support is None else Kind.BOOL if use.name in self.booleans else _support_kind(support)
        if law is not None and FAMILIES[law.family].discrete:
            drawn = Kind.INT
        given = use.given or use.name in self.data
        known = given or (draw and use.name not in self.drawn)
        levels = frozenset({Level.DATUM} if known else {Level.DRAW, Level.DATUM})
        self.entries[use.name] = Entry(
            axes=axes or (),
            kind=kind_of_given(use.kind, drawn if drawn is not None and not draw else _kind(use, components, drawn)),
            fields=fields or None,
            squares=fields == BOX_FIELDS and _are_squares(components),
            support=support,
            law=law,
            masked="mask" in components,
            given=given,
            presence_levels=levels,
            levels=levels,
            first=self.first.get(use.name, ()),
            # The probabilities given are those of each datum: nothing drawn is behind them.
            distribution_levels=frozenset({Level.DATUM}),
            origin=_ORIGIN,
        )


def _are_squares(components: Mapping[str | None, Tensor]) -> bool:
    """Whether both sides of a box are one tensor, in its value or in the first parameter of its law."""
    width = next(name for name in components if name is not None and name.split(".")[-1] == "w")
    return components[width] is components[width[:-1] + "h"]


def _verify_probabilities(name: str, tensor: Tensor) -> None:
    """Refuse what are no probabilities along the last axis (what does not sum to 1 has no divergence)."""
    if tensor.ndim == 0:
        return  # which is said elsewhere
    found = tensor.detach()
    off = (found.sum(-1) - 1.0).abs()
    if bool((found < 0).any()) or bool((off > _OFF).any()):
        worst = "some are negative" if bool((found < 0).any()) else f"a sum is off by {float(off.max()):.3g}"
        refuse("ASR072", f"`categorical({name}…)` takes probabilities along the last axis, which sum to 1: {worst}")


def _kind(use: FreeName, components: Mapping[str | None, Tensor], drawn: Kind | None) -> Kind:
    """Return what values a name takes; ``drawn`` what its distribution does, where one was given."""
    if use.shape == "box":
        return Kind.REAL  # whole pixels are lengths all the same: [[10, 10, 8]] is no discrete quantity
    kinds = {
        _KINDS.get(tensor.dtype, Kind.INT) if not tensor.is_floating_point() else Kind.REAL
        for name, tensor in components.items()
        if name != "mask" and not is_of_law(name)
    }
    if drawn is not None and kinds <= {Kind.REAL, Kind.INT, drawn}:
        return drawn  # draws of whole numbers, and Boolean ones, often come as floats
    return kinds.pop() if len(kinds) == 1 else Kind.REAL


_KINDS = {torch.bool: Kind.BOOL}


def _support_kind(support: Support) -> Kind:
    return Kind.INT if all(isinstance(value, int) for value in support) else Kind.REAL


def _is_boolean(distribution: object) -> bool:
    support: object = getattr(distribution, "support", None)
    while (base := getattr(support, "base_constraint", None)) is not None:
        support = base
    return support is constraints.boolean


def _verify_batches(bound: Bound, free: FreeNames, sink: Sink) -> None:
    """Note an error where batch axes do not broadcast."""
    known: tuple[int, ...] = ()
    shapes = bound.batch_shapes
    for name in bound.signature:
        own = broadcast_shape(shapes.get(name, ()))
        try:
            known = broadcast_shape((known, own))
        except RuntimeError:
            message = f"batch axes of `{name}` do not fit to those of the other values: {own} and {known}"
            sink.add("ASR073", free[name].span, message)

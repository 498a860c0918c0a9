"""What the uses of a name that the file does not define say about it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from asrppl.check.fields import BOX_WORDS, edits_of, fields_of_boxes, instead, is_of_boxes
from asrppl.core.free import FreeName
from asrppl.core.signature import BOX_FIELDS
from asrppl.diagnostics import Note, Sink
from asrppl.source import Span
from asrppl.syntax import ast

Shape = Literal["value", "bool", "int", "box", "field", "distribution", "probabilities", "function", "length"]

_WORDS: dict[str, str] = {
    "value": "a number",
    "bool": "a Boolean",
    "int": "a whole number",
    "box": "a box",
    "field": "a record",
    "distribution": "a distribution",
    "probabilities": "probabilities",
    "function": "a function",
}
_RECORDS = ("box", "field")
_NO_VALUES = ("distribution", "probabilities", "length", "function")
_NUMBERS = ("value", "bool", "int", "distribution", "probabilities")


@dataclass(frozen=True, slots=True)
class Use:
    """One use: with how many indices (a function: arguments; a length: at least so many), as what, of which field.

    ``span`` is where the name stands, ``whole`` the expression with its field; ``law``: what is read is the law of it;
    ``expected``: inside ``E[..]`` or ``P[..]``.
    """

    rank: int
    shape: Shape
    field: str | None
    span: Span
    whole: Span
    law: bool = False
    expected: bool = False


@dataclass(slots=True)
class Uses:
    """All uses of names that the file does not define, in the order they are met; ``on`` False records nothing.

    ``expected``: what is being expanded stands inside ``E[..]`` or ``P[..]``.
    """

    by_name: dict[str, list[Use]] = field(default_factory=dict[str, list[Use]])
    on: bool = True
    expected: bool = False

    def add(
        self,
        name: str,
        rank: int,
        shape: Shape,
        span: Span,
        field: str | None = None,
        whole: Span | None = None,
        *,
        law: bool = False,
    ) -> None:
        """Record a use."""
        if self.on:
            self.by_name.setdefault(name, []).append(Use(rank, shape, field, span, whole or span, law, self.expected))

    @contextmanager
    def inside_a_mean(self) -> Generator[None]:
        """Expand what stands inside ``E[..]`` or ``P[..]`` inside the ``with``."""
        before, self.expected = self.expected, True
        try:
            yield
        finally:
            self.expected = before


def infer_free(
    uses: Uses, sites: Mapping[str, ast.Site], given: Mapping[str, ast.Given], sink: Sink
) -> dict[str, FreeName]:
    """Return what each name must be; uses that exclude each other are errors."""
    found = {
        name: replace(
            _infer_name(name, met, sites.get(name), sink),
            expected=any(use.expected for use in met if use.shape not in _NO_VALUES),
            bare=any(not use.expected for use in met if use.shape not in _NO_VALUES),
            law_span=next((use.span for use in met if use.law), None),
        )
        for name, met in uses.by_name.items()
    }
    return {name: _as_given(free, given[name], sink) if name in given else free for name, free in found.items()}


def _as_given(free: FreeName, statement: ast.Given, sink: Sink) -> FreeName:
    count = len(statement.indices)
    if count and free.rank is not None and free.rank != count:
        message = f"`{free.name}` has {_indices(free.rank)} here, and is declared with {_indices(count)}"
        note = Note(f"`{free.name}` is declared here", statement.name.span)
        sink.add("ASR043", free.span, message, notes=(note,))
    return replace(free, given=True, kind=statement.type.text if statement.type is not None else None)


def _infer_name(name: str, uses: list[Use], site: ast.Site | None, sink: Sink) -> FreeName:
    shapes = {use.shape for use in uses}
    first = uses[0]
    rank = _rank(name, uses, site, sink)
    law = any(use.law for use in uses)
    drawn = {use.shape for use in uses if not use.law}
    draw = bool(drawn - {"probabilities", "length"}) or shapes == {"length"}
    pattern = site.pattern if site is not None else None
    if site is not None and site.fields is not None:
        fields = tuple(field.text for field in site.fields)
        shape = "box" if "box" in shapes or set(fields) == set(BOX_FIELDS) else "record"
        return FreeName(name, rank, shape, fields, pattern, first.span, draw, declared=True, law=law)
    _verify_consistent(name, uses, sink)
    fields = tuple(dict.fromkeys(use.field for use in uses if use.field is not None))
    if shapes & set(_RECORDS):
        box = "box" in shapes or any(field in BOX_WORDS for field in fields) or all(map(is_of_boxes, fields))
        if box:
            _verify_fields(name, uses, sink)
        shape, fields = ("box", BOX_FIELDS) if box else ("record", fields)
        return FreeName(name, rank, shape, fields, pattern, first.span, draw, law=law)
    shape = next((s for s in ("function", "probabilities", "distribution", "bool", "int") if s in shapes), "scalar")
    return FreeName(name, rank, shape, None, pattern, first.span, draw, law=law)


def _rank(name: str, uses: list[Use], site: ast.Site | None, sink: Sink) -> int | None:
    if site is not None:
        return len(site.indices)
    ranked = [use for use in uses if use.shape != "length"]
    if not ranked:
        least = max(use.rank for use in uses)
        return least if least > 1 else None
    first = ranked[0]
    for use in ranked:
        # The probabilities of categorical(a[k]) lie along an axis that no index names.
        if use.rank != first.rank and "probabilities" not in (use.shape, first.shape):
            sink.add(
                "ASR043",
                use.span,
                f"`{name}` has {_indices(use.rank)} here and {_indices(first.rank)} elsewhere",
                notes=(Note(f"`{name}` has {_indices(first.rank)} here", first.span),),
            )
            break
    return first.rank


def _verify_fields(name: str, uses: list[Use], sink: Sink) -> None:
    """Refuse what a box does not have; other records say in a `site` statement what they have."""
    fields = dict.fromkeys(use.field for use in uses if use.field is not None)
    surely = any(use.shape == "box" for use in uses)
    index = f"[{', '.join('ijklmn'[: uses[0].rank])}]" if uses[0].rank else ""
    for use in uses:
        if use.field is None or use.field in BOX_WORDS:
            continue
        help = instead(use.field, use.whole.text)
        if help is None and not surely:
            help = f"if `{name}` is no box, say what it is: `site {name}{index}: ({', '.join(fields)})`"
        message = f"`{name}` is read as a box, and a box has no field `{use.field}`"
        edits = edits_of(use.field, use.whole)
        sink.add("ASR040", use.whole, message, help=help or f"a box has {fields_of_boxes(False)}", edits=edits)


def _indices(rank: int) -> str:
    return "no index" if not rank else "1 index" if rank == 1 else f"{rank} indices"


def _verify_consistent(name: str, uses: list[Use], sink: Sink) -> None:
    groups = (_RECORDS, _NUMBERS, ("function",))
    first: Use | None = None
    group: tuple[str, ...] = ()
    for use in uses:
        if use.shape == "length":
            continue
        if first is None:
            first, group = use, next(g for g in groups if use.shape in g)
        elif use.shape not in group:
            sink.add(
                "ASR062",
                use.span,
                f"`{name}` is used as {_WORDS[use.shape]} here and as {_WORDS[first.shape]} elsewhere",
                notes=(Note(f"`{name}` is used as {_WORDS[first.shape]} here", first.span),),
            )
            return

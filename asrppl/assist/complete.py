"""What may stand at a place of a file that is being written: from its tokens, and from what is known of the file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from asrppl.assist.analysis import Analysis, comment_of
from asrppl.assist.context import Place, place_at
from asrppl.assist.describe import signature
from asrppl.assist.types import type_of_definition, type_of_free
from asrppl.assist.vocabulary import VOCABULARY
from asrppl.check.expand.values import DefDefinition, Definition
from asrppl.check.fields import BOX_WORDS
from asrppl.check.standard import standard_definitions
from asrppl.core.free import FreeName
from asrppl.files import Library
from asrppl.words import (
    BUILTINS,
    GIVEN_TYPES,
    JOINING,
    OPTIONS,
    PARAMETER_TYPES,
    QUANTIFIERS,
    REDUCTIONS,
    STATEMENTS,
)

ItemKind = Literal["word", "statement", "option", "function", "index", "param", "let", "guide", "field", "type", "file"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may stand at a place.

    Args:
        text: what is written.
        kind: what it is.
        detail: its form or type, in a few words.
        doc: what it means.
    """

    text: str
    kind: ItemKind
    detail: str = ""
    doc: str = ""


def complete(
    analysis: Analysis, offset: int, *, good: Analysis | None = None, library: Library | None = None
) -> list[Item]:
    """Return what may stand at ``offset``, the likeliest first; what begins as what is written there already.

    Args:
        analysis: the file as it stands.
        offset: where.
        good: the file when it was last without errors of syntax: what a broken statement says is known from it.
        library: where its imports come from.
    """
    place = place_at(analysis.source, offset)
    begun = analysis.checked.free.get(place.prefix)
    found = dict[str, Item]()
    for item in _items(place, [each for each in (analysis, good) if each is not None], library):
        if item.text.lower().startswith(place.prefix.lower()):
            found.setdefault(item.text, item)
    if begun is not None and begun.span.end == offset:  # what is being written is known from nowhere else
        found.pop(begun.name, None)
    return list(found.values())


def _items(place: Place, known: Sequence[Analysis], library: Library | None) -> Iterator[Item]:
    match place.wants:
        case "nothing":
            return
        case "file":
            if library is not None:
                own = known[0].source.name
                yield from (Item(name, "file") for name in sorted(library.beside(own)) if not own.endswith(name))
        case "field":
            yield from _fields(place, known)
        case "given type":
            yield from (Item(name, "type") for name in GIVEN_TYPES)
        case "parameter type":
            yield from (Item(name, "type") for name in PARAMETER_TYPES)
        case "option":
            yield from _words((*OPTIONS, "where"), "option")
        case "binder":
            yield from _words(("in", "where"), "word")
        case "operator":
            yield from _words(sorted(JOINING), "word")
        case "statement":
            yield from _words(STATEMENTS, "statement")
            yield from _operands(place, known)
        case "operand":
            yield from _operands(place, known)


def _words(words: Iterable[str], kind: ItemKind) -> Iterator[Item]:
    for word in words:
        known = VOCABULARY[word]
        yield Item(word, kind, known.form, known.text)


def _operands(place: Place, known: Sequence[Analysis]) -> Iterator[Item]:
    """Yield names, the nearest first: those of the statement, of the file, of the guide, of the language."""
    yield from (Item(name, "index", "an index") for name in place.locals)
    for analysis in known:
        module = analysis.checked.module
        if place.called:
            found = module.find_def(place.called)
            for parameter in () if found is None else found.node.parameters:
                yield Item(f"{parameter.name.text}:", "field", f"a parameter of {place.called}")
        for name, definition in {**module.imported, **module.own}.items():
            yield _defined(name, definition, analysis)
        yield from (_free(free) for free in analysis.checked.free.values())
    for name, definition in standard_definitions().items():
        yield _defined(name, definition, known[0])
    yield from _words((*QUANTIFIERS, *REDUCTIONS, "count", "not", "if", "true", "false", "inf"), "word")
    yield from _words(sorted(BUILTINS - {*REDUCTIONS}), "function")


def _defined(name: str, definition: Definition, analysis: Analysis) -> Item:
    node, doc = definition.node, comment_of(definition.node.span)
    if isinstance(definition, DefDefinition):
        return Item(name, "function", signature(node).removeprefix("def "), doc)
    kind: ItemKind = "let" if signature(node).startswith("let") else "param"
    return Item(name, kind, type_of_definition(analysis.checked, node), doc or signature(node))


def _free(free: FreeName) -> Item:
    return Item(free.name, "function" if free.shape == "function" else "guide", type_of_free(free))


def _fields(place: Place, known: Sequence[Analysis]) -> Iterator[Item]:
    """Yield the components of what stands before the point; of what nothing is known, those of a box."""
    for analysis in known:
        free = analysis.checked.free.get(place.base)
        site = analysis.checked.sites.get(place.base)
        if site is not None and site.fields is not None:
            yield from (Item(name.text, "field", f"of {place.base}") for name in site.fields)
            return
        if free is not None and free.shape == "record":
            yield from (Item(name, "field", f"of {place.base}") for name in free.fields or ())
            return
    yield from (Item(word, "field", "of a box") for word in BOX_WORDS)

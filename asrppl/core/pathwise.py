"""Refusing what would have a silently wrong gradient: indicators of reparameterised draws.

A reparameterised draw moves with the parameters, and its gradient is taken along the path. Where a formula turns it
into 0 or 1 (a condition, a guard of a reduction, a count, a probability), that path has a jump, and automatic
differentiation sees none of it. Minima, maxima, distances and the k smallest violations are continuous: they are fine,
and so are guards of ``forall`` and ``exists``, which are branches of a minimum.
"""

from collections.abc import Iterator

from asrppl.core.signature import Kind, Signature
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Apply,
    Choose,
    CountTerm,
    Formula,
    Probability,
    Read,
    Reduction,
    TypedProgram,
)
from asrppl.core.walk import TypedNode, walk
from asrppl.diagnostics import Note, Sink
from asrppl.source import Span


def verify_pathwise(program: TypedProgram, signature: Signature) -> None:
    """Check that no rule jumps in a reparameterised draw.

    Raises:
        AsrError: with every place where one does.
    """
    sink = Sink()
    for rule in program.rules:
        for indicator, what in _indicators(rule.formula):
            for read in _reparameterised(indicator, signature):
                _refuse(sink, indicator.span, what, read.name, read.span)
        for node in walk(rule.formula):
            if isinstance(node, Apply) and node.kind in (Kind.BOOL, Kind.INT):
                for read in _reparameterised(node, signature):
                    _refuse(sink, node.span, f"`{node.function}` turns into whole numbers", read.name, read.span)
    sink.raise_if_failed()


def _refuse(sink: Sink, span: Span, what: str, name: str, read: Span) -> None:
    sink.add(
        "ASR064",
        span,
        f"{what} a reparameterised draw: its gradient would silently leave the jump out",
        help="say it with a comparison in the formula itself (`where` of a `forall`, `or`, `implies`), "
        "or make the draw one with a score function",
        notes=(Note(f"`{name}` is drawn by reparameterisation", read),),
    )


def _indicators(formula: Formula) -> Iterator[tuple[Formula, str]]:
    """Yield what is turned into 0 or 1, with the words for it."""
    for node in walk(formula):
        match node:
            case Choose():
                yield node.condition, "this condition of an `if` reads"
            case Reduction(guard=guard) if guard is not None:
                yield guard, "the `where` of a reduction reads"
            case CountTerm():
                yield node.body, "this count is compared in a way that jumps with"
            case Probability():
                yield node.body, "`P[…]` reads"
            case AggregateTerm(where=where) | AggregateDistribution(where=where) if where is not None:
                yield where, "the `where` of an aggregate reads"
            case _:
                pass


def _reparameterised(node: TypedNode, signature: Signature) -> Iterator[Read]:
    for part in walk(node):
        if isinstance(part, Read) and part.component != "mask":
            entry = signature.get(part.name)
            if entry is not None and entry.reparameterised:
                yield part

"""Refusing what would have a silently wrong gradient: indicators of reparameterised draws.

A reparameterised draw moves with the parameters, and its gradient is taken along the path. Where a formula turns it
into 0 or 1 (a condition, a guard of a reduction, a count, a probability), that path has a jump, and automatic
differentiation sees none of it. Minima, maxima, distances and the k smallest violations are continuous: they are fine.
What is under ``detach`` is held fixed on purpose.
"""

from collections.abc import Iterator

from asrppl.core.laws import is_of_law
from asrppl.core.signature import Kind, Signature
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    Apply,
    AtLeast,
    Choose,
    Computed,
    CountTerm,
    Every,
    Formula,
    Probability,
    Read,
    Reduction,
    Some,
    Table,
    Term,
    TypedProgram,
    Unary,
)
from asrppl.core.walk import TypedNode, children, part_of, walk
from asrppl.diagnostics import Note, Sink
from asrppl.source import Span


def verify_pathwise(program: TypedProgram, signature: Signature) -> None:
    """Check that no rule jumps in a reparameterised draw.

    Raises:
        AsrError: with every place where one does.
    """
    sink = Sink()
    for rule in program.rules:
        for indicator, what in indicators(rule.formula):
            for read in _reparameterised(indicator, signature):
                _refuse(sink, indicator.span, what, read.name, read.span)
        for node in walk(rule.formula):
            if isinstance(node, Apply) and node.kind in (Kind.BOOL, Kind.INT):
                for read in _reparameterised(node, signature):
                    _refuse(sink, node.span, f"`{node.function}` turns into whole numbers", read.name, read.span)
            if isinstance(node, Unary) and node.operator == "detach" and node.kind is not Kind.REAL:
                _verify_detach(sink, node)
    sink.raise_if_failed()


def _refuse(sink: Sink, span: Span, what: str, name: str, read: Span) -> None:
    sink.add(
        "ASR064",
        span,
        f"{what} a reparameterised draw: its gradient would silently leave the jump out",
        help=f"hold the choice fixed while the claims train: `detach({read.text})` in its place; "
        "or say it in the claim itself, with `or` or `implies`",
        notes=(Note(f"`{name}` is drawn by reparameterisation", read),),
    )


def _verify_detach(sink: Sink, node: Unary) -> None:
    if part_of(node) == "discrete":
        sink.add(
            "ASR064",
            node.span,
            "`detach` changes nothing here: what it wraps is discrete, and its gradient is no path that could be cut",
            help=f"leave it out: `{node.operand.span.text}`",
        )


def indicators(formula: Formula) -> Iterator[tuple[Formula | Term, str]]:
    """Yield what a formula turns into 0 or 1, with the words for it."""
    for node in walk(formula):
        match node:
            case Choose():
                yield node.condition, "this condition of an `if` reads"
            case Every() | Some() | AtLeast():
                if node.guard is not None:
                    yield node.guard, "this `where` reads"
            case Reduction(guard=guard) if guard is not None:
                yield guard, "the `where` of a reduction reads"
            case Reduction(reduction="argmax"):
                yield node.body, "`argmax` reads"
            case Read() | Table():
                yield from ((index.term, "this index reads") for index in node.indices if isinstance(index, Computed))
            case CountTerm():
                yield node.body, "this count is compared in a way that jumps with"
            case Probability():
                yield node.body, "`P[…]` reads"
            case AggregateTerm(where=where) | AggregateDistribution(where=where) if where is not None:
                yield where, "the `where` of an aggregate reads"
            case _:
                pass


def _reparameterised(node: TypedNode, signature: Signature) -> Iterator[Read]:
    pending: list[TypedNode] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, Unary) and part.operator == "detach":
            continue
        if isinstance(part, Read) and part.component != "mask":
            entry = signature.get(part.name)
            moved = entry is not None and (
                entry.distribution_reparameterised if is_of_law(part.component) else entry.reparameterised
            )
            if moved:
                yield part
        pending.extend(children(part))

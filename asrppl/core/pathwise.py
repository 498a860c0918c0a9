"""Refusing what would have a silently wrong gradient: indicators of reparameterised draws.

A reparameterised draw moves with the parameters, and its gradient is taken along the path. Where a formula turns it
into 0 or 1 (a condition, a guard of a reduction, a count, a probability), that path has a jump, and automatic
differentiation sees none of it. Minima, maxima, distances and the k smallest violations are continuous: they are fine.
What is under ``detach`` is held fixed on purpose.

Of a *mean* over draws the jump has a derivative all the same: d/dθ P[z <= 0] is that of the cdf at 0. So what is inside
`E`, `P` or `aggregate` is not refused here: its moments are known by other means (`asrppl.core.chances`, and
`asrppl.infer.estimate.known`).
"""

from collections.abc import Callable, Iterator

from asrppl.core.laws import is_of_law
from asrppl.core.rules import TypedProgram
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
    Expectation,
    ExpectedDistribution,
    Formula,
    Probability,
    Read,
    Reduction,
    Some,
    Table,
    Term,
    TypedFormula,
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
        for node in _outside_means(rule.formula):
            for indicator, what in _turned(node):
                for read in reparameterised(indicator, signature):
                    _refuse(sink, indicator.span, what, read.name, read.span)
        for node in walk(rule.formula):
            if isinstance(node, Unary) and node.operator == "detach" and node.kind is not Kind.REAL:
                _verify_detach(sink, node)
    sink.raise_if_failed()


def _outside_means(formula: Formula) -> Iterator[TypedNode]:
    """Yield the nodes of a formula that no mean over draws is taken of."""
    pending: list[TypedNode] = [formula]
    while pending:
        node = pending.pop()
        match node:
            case Expectation() | Probability() | ExpectedDistribution():
                continue
            case AggregateTerm() | AggregateDistribution():
                yield node  # its `where` chooses data: that is no mean
                if node.where is not None:
                    pending.append(node.where)
            case _:
                yield node
                pending.extend(reversed(children(node)))


def jumps(node: TypedNode, moving: Callable[[TypedNode], Iterator[Read]]) -> Iterator[tuple[TypedNode, Read]]:
    """Yield what the integrand of a mean turns into 0 or 1, or into whole numbers, with each read in it that moves.

    Args:
        node: the integrand. A formula is turned into its truth, and so jumps itself.
        moving: the reads in a node that move with what is trained.
    """
    if isinstance(node, TypedFormula):
        yield from ((node, read) for read in moving(node))
        return
    for part in walk(node):
        for indicator, _ in _turned(part):
            yield from ((indicator, read) for read in moving(indicator))


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


def indicators(formula: Formula) -> Iterator[Formula | Term]:
    """Yield what a formula turns into 0 or 1, or whole numbers."""
    for node in walk(formula):
        if isinstance(node, Probability):
            yield node.body
        elif isinstance(node, _TURNING):
            yield from (indicator for indicator, _ in _turned(node))


_TURNING = (
    Choose,
    Every,
    Some,
    AtLeast,
    Reduction,
    Read,
    Table,
    CountTerm,
    AggregateTerm,
    AggregateDistribution,
    Apply,
)


def _turned(node: TypedNode) -> Iterator[tuple[Formula | Term, str]]:
    """Yield what a node turns into 0 or 1, or whole numbers, with the words for it."""
    match node:
        case Choose():
            yield node.condition, "this condition of an `if` reads"
        case Every() | Some() | AtLeast():
            if node.guard is not None:
                yield node.guard, "this `where` reads"
        case Reduction(reduction="argmax"):
            if node.guard is not None:
                yield node.guard, "the `where` of a reduction reads"
            yield node.body, "`argmax` reads"
        case Reduction(guard=guard) if guard is not None:
            yield guard, "the `where` of a reduction reads"
        case Read() | Table():
            yield from ((index.term, "this index reads") for index in node.indices if isinstance(index, Computed))
        case CountTerm():
            yield node.body, "this count is compared in a way that jumps with"
        case AggregateTerm(where=where) | AggregateDistribution(where=where) if where is not None:
            yield where, "the `where` of an aggregate reads"
        case Apply() if node.kind in (Kind.BOOL, Kind.INT):
            yield node, f"`{node.function}` turns into whole numbers"
        case _:
            pass


def reparameterised(node: TypedNode, signature: Signature) -> Iterator[Read]:
    """Yield the reads of reparameterised draws in a node, those under ``detach`` left out."""
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

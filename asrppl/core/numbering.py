"""Names numbered from 1 (``z_1``, ``z_2``): rules count from 0, and where it matters they would mean another member.

``forall i: z[i] <= z[i + 1]`` says the same either way. ``z[1]`` does not.
"""

from asrppl.core.rules import TypedProgram
from asrppl.core.signature import Signature
from asrppl.core.typed import Atom, BinaryTerm, Constant, Index, IndexValue, Offset, Posterior, Read, Term, Variable
from asrppl.core.walk import TypedNode, walk
from asrppl.diagnostics import Sink
from asrppl.source import Span


def verify_numbering(program: TypedProgram, signature: Signature) -> None:
    """Check that no rule reads a name that is numbered from 1 by the number of an index.

    Raises:
        AsrError: with every place where one does (ASR085).
    """
    later = {name: entry.first for name, entry in signature.entries if any(entry.first)}
    if not later:
        return
    sink = Sink()
    for rule in program.rules:
        _verify(rule.formula, later, sink)
    sink.raise_if_failed()


def _verify(formula: TypedNode, later: dict[str, tuple[int, ...]], sink: Sink) -> None:
    least: dict[Variable, tuple[int, str, Span]] = {}  # where the members begin that a variable reaches
    values: list[IndexValue] = []
    compared: dict[int, Variable] = {}  # i < j says the same from wherever both count
    for node in walk(formula):
        if isinstance(node, Atom) and (left := _moved(node.left)) and (right := _moved(node.right)):
            compared |= {id(left): right.variable, id(right): left.variable}
        if isinstance(node, IndexValue):
            values.append(node)
        if not isinstance(node, Read | Posterior) or node.name not in later:
            continue
        for index, first in zip(node.indices, later[node.name], strict=False):
            if not first:
                continue
            if not isinstance(index, Offset) or index.variable is None:
                _refuse(sink, node.span, node.name, index)
                continue
            begin = min(index.variable.values, default=0) + index.add
            known = least.get(index.variable)
            if known is None or begin < known[0]:
                least[index.variable] = begin, node.name, node.span
    for variable, (begin, name, span) in least.items():
        number = next((v for v in values if v.variable == variable and compared.get(id(v)) not in least), None)
        if begin > 0 or number is not None:
            _refuse(sink, span if number is None else number.span, name, Offset(variable))


def _moved(term: Term) -> IndexValue | None:
    """Return the index of ``i``, ``i + 1`` or ``i - 1``; None of another term."""
    if isinstance(term, BinaryTerm) and term.operator in ("+", "-") and isinstance(term.right, Constant):
        term = term.left
    return term if isinstance(term, IndexValue) else None


def _refuse(sink: Sink, span: Span, name: str, index: Index) -> None:
    known = isinstance(index, Offset) and index.variable is None
    what = f"`{name}[{index.add}]` is not clear" if isinstance(index, Offset) and known else "this index is not clear"
    sink.add(
        "ASR085",
        span,
        f"{what}: `{name}` is numbered from 1, and indices count from 0",
        help="number the names from 0, or say it of all, without the numbers: `forall i: ..`",
    )

"""Comparisons as half-lines of one variable that is drawn, and the probability that it is on them.

An affine variable x = Σ a_k x_k + b of entries whose laws are known is asked to be at most 0, or several such things.
Of comparisons with the same x, up to a factor, each lets it be below a bound or above one, and

    P[all] = max(min(P[below], …) + min(P[above], …) − 1, 0).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from asrppl.core.affine import (
    Affine,
    affine,
    constant,
    mean_of,
    minus,
    number,
    plus,
    surely_spread,
    variance_of,
)
from asrppl.core.signature import Kind, Level
from asrppl.core.typed import Apply, AtMost, BinaryTerm, Read, Term, Unary
from asrppl.core.walk import TypedNode, walk

NORMAL = "normal law, at most"
"""The function that is P[y < 0] or P[y <= 0] of (whether strict, the mean of a Gaussian y, its variance)."""


@dataclass(frozen=True, slots=True)
class Law:
    """The law that the guide gave the entries of a name, given what was drawn before.

    Args:
        name: whose.
        function: P[a x + b < 0], or <= 0, of (whether strict, a, b, the parameters), under which it is bound.
        parameters: names that the parameters are read under, each with the axes of ``name``.
        normal: whether it is Gaussian; the parameters are then mean and standard deviation.
        independent: whether the entries are, given the parameters.
        sites: that are drawn from it.
        parents: draws that the parameters depend on, by any way.
        place: of the last of its sites in the guide.
    """

    name: str
    function: str
    parameters: tuple[str, ...]
    normal: bool
    independent: bool
    sites: frozenset[str]
    parents: frozenset[str]
    place: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of a run.

    Args:
        laws: by name.
        draws: that a read depends on, by any way.
        jumps: whether a node jumps, its truth taken of a formula.
    """

    laws: Mapping[str, Law]
    draws: Callable[[Read], frozenset[str]]
    jumps: Callable[[TypedNode], bool]

    def draws_of(self, *nodes: TypedNode) -> frozenset[str]:
        """Return the draws that nodes depend on."""
        return frozenset(d for node in nodes for part in walk(node) if isinstance(part, Read) for d in self.draws(part))


def candidates(lines: Sequence[AtMost], known: Knowledge) -> Iterator[frozenset[str]]:
    """Yield what may be integrated out: all Gaussian names together, then the last drawn alone, and those before."""
    names = {part.name for line in lines for part in walk(line) if isinstance(part, Read) and part.name in known.laws}
    normal = frozenset(name for name in names if known.laws[name].normal)
    if len(normal) > 1:
        yield normal
    for name in sorted(names, key=lambda name: -known.laws[name].place):
        yield frozenset({name})


def on_a_line(lines: Sequence[AtMost], names: frozenset[str], sites: frozenset[str], known: Knowledge) -> Term | None:
    """Return the probability that one variable, affine in entries of ``names``, is where all comparisons let it be."""
    laws = [known.laws[name] for name in names]
    if any(law.parents & sites for law in laws):
        return None
    forms = [affine(minus(line.left, line.right), names) for line in lines]
    below: Term | None = None
    above: Term | None = None
    for form, line in zip(forms, lines, strict=True):
        if form is None or forms[0] is None or not form.pieces:
            return None
        left = (form.rest, *(piece.coefficient for piece in form.pieces))
        guards = tuple(piece.guard for piece in form.pieces if piece.guard is not None)
        if sites & known.draws_of(*left, *guards) or any(known.jumps(node) for node in (*left, *guards)):
            return None
        spread = surely_spread(form)
        if not spread and known.draws_of(*left, *guards):
            return None  # where nothing spreads, it would jump in the draws that are left
        ratio = 1.0 if form is forms[0] else _ratio(form, forms[0])
        chance = _half_line(form, line, known)
        if ratio is None or chance is None:
            return None
        if ratio > 0:
            below = chance if below is None else _least(below, chance)
        else:
            above = chance if above is None else _least(above, chance)
    if below is None or above is None:
        return below or above
    overlap = minus(plus(below, above), number(1.0, below.span))
    return Unary(Kind.REAL, overlap.levels, overlap.span, "relu", overlap)


def _least(a: Term, b: Term) -> Term:
    return BinaryTerm(Kind.REAL, a.levels | b.levels, a.span, "min", a, b)


def _ratio(form: Affine, first: Affine) -> float | None:
    """Return the number that the pieces of one form are those of the first times; None where there is none."""
    if len(form.pieces) != len(first.pieces):
        return None
    ratios: set[float] = set()
    for piece, other in zip(form.pieces, first.pieces, strict=True):
        same = replace(piece, coefficient=other.coefficient) == other
        a, b = constant(piece.coefficient), constant(other.coefficient)
        if not same or (piece.coefficient != other.coefficient and not (a and b)):
            return None
        ratios.add(1.0 if piece.coefficient == other.coefficient else (a or 1.0) / (b or 1.0))
    return ratios.pop() if len(ratios) == 1 else None


def _half_line(form: Affine, line: AtMost, known: Knowledge) -> Term | None:
    """Return P[Σ a_k x_k + b <= 0]."""
    laws = [known.laws[piece.read.name] for piece in form.pieces]
    parameters = [_parameters(piece.read, law) for piece, law in zip(form.pieces, laws, strict=True)]
    strict = number(float(line.strict), line.span)
    if all(law.normal for law in laws):
        names = [law.name for law in laws]
        tied = [law for law in laws if not law.independent]
        if any(names.count(law.name) > 1 for law in tied) or any(
            piece.variables and not law.independent for piece, law in zip(form.pieces, laws, strict=True)
        ):
            return None
        mean = mean_of(form, [own[0] for own in parameters])
        variance = variance_of(form, [own[1] for own in parameters])
        return None if variance is None else _called(NORMAL, line, strict, mean, variance)
    piece, law, own = form.pieces[0], laws[0], parameters[0]
    if len(form.pieces) > 1 or piece.variables:
        return None
    return _called(law.function, line, strict, piece.coefficient, form.rest, *own)


def _parameters(read: Read, law: Law) -> list[Read]:
    levels = read.levels if law.parents else read.levels - {Level.DRAW}
    return [replace(read, kind=Kind.REAL, levels=levels, name=name, given=False) for name in law.parameters]


def _called(function: str, line: AtMost, *arguments: Term) -> Term:
    levels = frozenset[Level]().union(*(argument.levels for argument in arguments))
    return Apply(Kind.REAL, levels, line.span, function, arguments)

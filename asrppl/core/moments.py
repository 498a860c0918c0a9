"""A rule taken apart: moments, and what is said of them.

A rule that reads `E[..]`, `P[..]` or `aggregate(..)` is v = G(m_1, …, m_r) (Eq. 7 of the paper: a functional of the
posterior). Each *moment* m_j = E[ψ_j] is the mean of an integrand over what its operator removes: draws, data, or both.
G is the rest of the formula. Here the operators become reads of names that stand for the moments, so that G and every
ψ_j is a tree as any other, which is typed, lowered and evaluated as any other.

Comparisons in G that no draw enters are brought into a normal form in which each is one inequality g <= 0: an equation
is two, and so is ``abs(a) <= e``. The largest of μ g over 0 <= μ <= w is w max(g, 0), so that each may have a
multiplier μ of its own, one for each value of the index variables that it stands under.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asrppl.core.rebuild import free_variables, rebuilt
from asrppl.core.rules import TypedRule
from asrppl.core.signature import NO_LEVELS, Entry, Kind, Level, Signature
from asrppl.core.typed import (
    AggregateDistribution,
    AggregateTerm,
    AtLeast,
    AtMost,
    BinaryTerm,
    Choose,
    Conjunction,
    Constant,
    Cost,
    Disjunction,
    Distribution,
    Equal,
    Every,
    Expectation,
    ExpectedDistribution,
    Formula,
    Offset,
    Populated,
    Posterior,
    Probability,
    Read,
    Reduction,
    Some,
    Term,
    TruthValue,
    TypedDistribution,
    TypedFormula,
    Unary,
    Variable,
)
from asrppl.core.walk import TypedNode, walk

OPERATORS = (Expectation, Probability, AggregateTerm, AggregateDistribution, ExpectedDistribution)


@dataclass(frozen=True, slots=True)
class Moment:
    """The mean of an integrand, as a name of the formula that reads it.

    Args:
        name: under which it is read; no name that a file could hold.
        integrand: a term; a formula, of which the truth is meant; or a distribution, of which the probabilities are.
        where: which draws or data are meant, None for all.
        over: what the mean is taken over: draws, data, or both.
        variables: the index variables that it varies with, an axis each, outermost first.
        operator: as it is written, for messages.
    """

    name: str
    integrand: Term | Formula | Distribution
    where: Formula | None
    over: frozenset[Level]
    variables: tuple[Variable, ...]
    operator: TypedNode

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of its axes: each from the smallest value of its variable to the largest."""
        return tuple(variable.values[-1] - variable.values[0] + 1 for variable in self.variables)

    @property
    def support(self) -> tuple[int | float, ...] | None:
        """The values that a distribution has probabilities of, None of what is none."""
        return self.integrand.support if isinstance(self.integrand, TypedDistribution) else None

    @property
    def entry(self) -> Entry:
        """What the name stands for in a signature."""
        levels = self.operator.levels
        return Entry(axes=self.lengths, levels=levels, support=self.support, distribution_levels=levels)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of what no draw enters: ``excess`` <= 0, with multipliers that the formula reads under ``name``."""

    name: str
    excess: Term
    defined: Formula | None
    variables: tuple[Variable, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return tuple(variable.values[-1] - variable.values[0] + 1 for variable in self.variables)


@dataclass(frozen=True, slots=True)
class Decomposed:
    """A rule as G(m_1, …, m_r).

    Args:
        rule: with G as its formula.
        moments: those that are read by the integrand of another one before that one.
        comparisons: of G, those that may have multipliers.
    """

    rule: TypedRule
    moments: tuple[Moment, ...]
    comparisons: tuple[Comparison, ...]

    def signature(self, signature: Signature) -> Signature:
        """Return the signature that G and the integrands are lowered against."""
        entries: dict[str, Entry] = dict(signature.entries)
        entries |= {moment.name: moment.entry for moment in self.moments}
        entries |= {found.name: Entry(axes=found.lengths) for found in self.comparisons}
        return Signature.of(entries)


def stages(moments: Sequence[Moment]) -> list[tuple[Moment, ...]]:
    """Return the moments in turns: those of one read only moments of the turns before."""
    found: list[tuple[Moment, ...]] = []
    known: set[str] = set()
    names = {moment.name for moment in moments}
    while len(known) < len(names):
        ready = tuple(each for each in moments if each.name not in known and _read_by(each) & names <= known)
        found.append(ready)
        known |= {moment.name for moment in ready}
    return found


def _read_by(moment: Moment) -> set[str]:
    parts: list[TypedNode] = [part for part in (moment.integrand, moment.where) if part is not None]
    return {node.name for part in parts for node in walk(part) if isinstance(node, Read | Posterior)}


def needs_decomposing(rule: TypedRule) -> bool:
    """Whether a rule has to be taken apart: it reads moments, or is `hard`."""
    return rule.hard is not None or has_moments(rule.formula)


def has_moments(node: TypedNode) -> bool:
    """Whether ``node`` reads an expectation, a probability or an aggregate."""
    return any(isinstance(part, OPERATORS) for part in walk(node))


def decomposed(rule: TypedRule, *, multipliers: bool = True) -> Decomposed:
    """Return a rule taken apart; without ``multipliers`` its comparisons stay what they are."""
    if rule.hard is not None:
        rule = _in_expectation(rule)
    splitter = _Splitter(rule)
    formula = rebuilt(rule.formula, splitter.exchanged)
    if multipliers and rule.power == 1:
        formula = splitter.normal(formula)
    return Decomposed(replace(rule, formula=formula), tuple(splitter.moments.values()), tuple(splitter.comparisons))


def _in_expectation(rule: TypedRule) -> TypedRule:
    """Return a hard rule as one that multipliers can hold: said of draws, it is that its mean violation is 0."""
    if Level.DRAW not in rule.formula.levels:
        return replace(rule, power=1.0)  # of a constraint only where it is 0 matters
    span = rule.formula.span
    cost = Cost(Kind.REAL, rule.formula.levels, span, rule.formula, rule.smooth, rule.margin, rule.power)
    mean = AggregateTerm(Kind.REAL, NO_LEVELS, span, cost, None)
    formula = AtMost(NO_LEVELS, span, mean, Constant(Kind.REAL, NO_LEVELS, span, 0.0), "graded", None, strict=False)
    return replace(rule, formula=formula, power=1.0, smooth=None, margin=0.0)


class _Splitter:
    """Collects moments while it exchanges them for reads."""

    def __init__(self, rule: TypedRule) -> None:
        self.rule = rule
        self.moments: dict[object, Moment] = {}
        self.comparisons: list[Comparison] = []

    # ---- moments

    def exchanged(self, node: TypedNode) -> TypedNode | None:
        """Return the read of a moment in place of an operator."""
        match node:
            case _ if isinstance(node, (*OPERATORS, Populated)) and _runs_over_nothing(node):
                return _unread(node)
            case Expectation() | Probability() | AggregateTerm():
                return self._read(node, None)
            case AggregateDistribution() | ExpectedDistribution():
                moment = self._moment(node)
                return Posterior(node.support, node.levels, node.span, moment.name, _indices(moment.variables))
            case Populated():
                return self._populated(node)
            case _:
                return None

    def _read(self, node: TypedNode, component: str | None) -> Read:
        moment = self._moment(node)
        return Read(Kind.REAL, node.levels, node.span, moment.name, component, _indices(moment.variables))

    def _populated(self, node: Populated) -> Formula:
        """Return that some of the data are meant: their share is a moment, too."""
        whole = AggregateTerm(
            Kind.REAL, node.levels, node.span, Constant(Kind.REAL, NO_LEVELS, node.span, 1.0), node.body
        )
        share = self._read(whole, "share")
        zero = Constant(Kind.REAL, NO_LEVELS, node.span, 0.0)
        return AtMost(node.levels, node.span, zero, share, "graded", None, strict=True)

    def _moment(self, node: TypedNode) -> Moment:
        integrand, where, over = _parts(node)
        key = (integrand, where, over)
        if key not in self.moments:
            if Level.DATUM in over:
                integrand = _without_expectations(integrand) or integrand
            inner = rebuilt(integrand, self.exchanged)
            inside = None if where is None else rebuilt(where, self.exchanged)
            variables = free_variables(node)
            name = f"{self.rule.name}, moment {len(self.moments) + 1}"
            self.moments[key] = Moment(name, inner, inside, over, variables, node)
        return self.moments[key]

    # ---- comparisons

    def normal(self, formula: Formula) -> Formula:
        """Return a claim with its comparisons in normal form."""
        match formula:
            case AtMost() if self._counts(formula):
                return self._at_most(formula)
            case Equal() if self._counts(formula):
                common = (formula.part, formula.defined)
                pair = ((formula.left, formula.right), (formula.right, formula.left))
                halves = [AtMost(formula.levels, formula.span, a, b, *common, strict=False) for a, b in pair]
                return Conjunction(formula.levels, formula.span, tuple(map(self._at_most, halves)))
            case Conjunction() | Disjunction():
                return replace(formula, operands=tuple(self.normal(operand) for operand in formula.operands))
            case Every() | Some() | AtLeast():
                return replace(formula, body=self.normal(formula.body))
            case _:
                return formula

    def _counts(self, formula: AtMost | Equal) -> bool:
        if Level.DRAW in formula.levels or _runs_over_nothing(formula):
            return False
        return self.rule.hard is not None or any(_is_moment(node) for node in walk(formula))

    def _at_most(self, formula: AtMost) -> Formula:
        inner = formula.left.operand if isinstance(formula.left, Unary) and formula.left.operator == "abs" else None
        if inner is not None and isinstance(formula.right, Constant) and formula.right.value >= 0:
            minus = Unary(inner.kind, inner.levels, inner.span, "neg", inner)
            halves = tuple(self._at_most(replace(formula, left=side)) for side in (inner, minus))
            return Conjunction(formula.levels, formula.span, halves)
        variables = free_variables(formula)
        name = f"{self.rule.name}, multiplier {len(self.comparisons) + 1}"
        excess: Term = BinaryTerm(Kind.REAL, formula.levels, formula.span, "-", formula.left, formula.right)
        if formula.strict and self.rule.margin:
            margin = Constant(Kind.REAL, NO_LEVELS, formula.span, self.rule.margin)
            excess = BinaryTerm(Kind.REAL, formula.levels, formula.span, "+", excess, margin)
        self.comparisons.append(Comparison(name, excess, formula.defined, variables))
        multiplier = Read(Kind.REAL, formula.levels, formula.span, name, None, _indices(variables))
        return replace(formula, multiplier=multiplier)


def _is_moment(node: TypedNode) -> bool:
    return isinstance(node, Read | Posterior) and ", moment " in node.name


def _runs_over_nothing(node: TypedNode) -> bool:
    """Whether no instance of a node is there: some index variable around it has no values."""
    return not all(variable.values for variable in free_variables(node))


def _unread(node: TypedNode) -> TypedNode:
    """Return what stands for a mean that no instance reads: it has no axes that could be tracked."""
    match node:
        case AggregateDistribution() | ExpectedDistribution():
            return node.body
        case Populated():
            return TruthValue(NO_LEVELS, node.span, True)
        case _:
            return Constant(Kind.REAL, NO_LEVELS, node.span, 0.0)


def _indices(variables: tuple[Variable, ...]) -> tuple[Offset, ...]:
    return tuple(Offset(variable, -variable.values[0]) for variable in variables)


def _parts(node: TypedNode) -> tuple[Term | Formula | Distribution, Formula | None, frozenset[Level]]:
    match node:
        case Expectation() | ExpectedDistribution():
            return node.body, node.where, frozenset({Level.DRAW})
        case Probability():
            return node.body, None, frozenset({Level.DRAW})
        case AggregateTerm() | AggregateDistribution():
            return node.body, node.where, frozenset({Level.DRAW, Level.DATUM})
        case _:
            raise AssertionError(node)


# ---- E inside an aggregate


def _without_expectations(body: Term | Formula | Distribution) -> Term | Formula | Distribution | None:
    """Return the integrand of an aggregate with its expectations left out, where it is affine in them; else None.

    The mean over data of a mean over draws is one mean over both.
    """
    if not isinstance(body, TypedFormula | TypedDistribution) and _affine(body):
        return rebuilt(body, _left_out)
    return None


def _left_out(node: TypedNode) -> TypedNode | None:
    match node:
        case Expectation(where=None):
            return node.body
        case Probability():
            one, zero = (Constant(Kind.REAL, NO_LEVELS, node.span, number) for number in (1.0, 0.0))
            return Choose(Kind.REAL, node.body.levels, node.span, node.body, one, zero)
        case _:
            return None


def _affine(node: Term) -> bool:
    """Whether a term is affine in the expectations that it reads, and reads no other moment."""
    if not has_moments(node):
        return True
    match node:
        case Expectation(where=None):
            return not has_moments(node.body)
        case Probability():
            return not has_moments(node.body)
        case Unary(operator="neg"):
            return _affine(node.operand)
        case BinaryTerm(operator="+" | "-"):
            return _affine(node.left) and _affine(node.right)
        case BinaryTerm(operator="*"):
            one, other = (node.left, node.right) if has_moments(node.left) else (node.right, node.left)
            return _affine(one) and not has_moments(other) and Level.DRAW not in other.levels
        case BinaryTerm(operator="/"):
            return _affine(node.left) and not has_moments(node.right) and Level.DRAW not in node.right.levels
        case Reduction(reduction="sum" | "mean"):
            plain = node.guard is None or not (has_moments(node.guard) or Level.DRAW in node.guard.levels)
            return plain and _affine(node.body)
        case Choose():
            plain = not (has_moments(node.condition) or Level.DRAW in node.condition.levels)
            return plain and _affine(node.then) and _affine(node.otherwise)
        case _:
            return False

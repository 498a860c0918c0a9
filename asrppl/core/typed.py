"""The typed tree: what the checker makes of a program against a signature, and all that the later stages read.

It is a small core of the language. Parameters, ``let``s and ``def``s are expanded; records are taken apart into scalar
terms; every index variable has its list of values; guards, masks and ``!=`` binders have become parts of the formula;
and formulas are in negation normal form, so that no node negates: a violation is computed from the leaves up.
Scalars only: a formula or term varies over its index variables, and over batch axes that the tree does not name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from asrppl.core.signature import Kind, Level
from asrppl.source import Span


@dataclass(frozen=True, slots=True)
class Variable:
    """An index variable and the integers it runs over.

    ``slot`` is its nesting depth (outermost 0): two variables that are in scope together differ in it.
    """

    name: str
    slot: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Offset:
    """The index ``variable + add``, or the constant ``add``."""

    variable: Variable | None
    add: int = 0


@dataclass(frozen=True, slots=True)
class TypedTerm:
    """What all terms share: their kind, and what they vary with."""

    kind: Kind
    levels: frozenset[Level]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Constant(TypedTerm):
    """A number, or true/false."""

    value: int | float | bool


@dataclass(frozen=True, slots=True)
class IndexValue(TypedTerm):
    """The value of an index variable."""

    variable: Variable


@dataclass(frozen=True, slots=True)
class Read(TypedTerm):
    """An entry of a bound array: ``name[indices].component`` (``component`` None for a plain scalar).

    The component ``"mask"`` is the entry's presence (kind BOOL).
    """

    name: str
    component: str | None
    indices: tuple[Offset, ...]


@dataclass(frozen=True, slots=True)
class Erroneous(TypedTerm):
    """Stands for a term with an error, which is reported; no program that has one is bound or lowered."""


@dataclass(frozen=True, slots=True)
class Unary(TypedTerm):
    """An elementwise function of one term."""

    operator: Literal["neg", "abs", "sqrt", "exp", "log", "relu"]
    operand: "Term"


@dataclass(frozen=True, slots=True)
class BinaryTerm(TypedTerm):
    """An elementwise function of two terms."""

    operator: Literal["+", "-", "*", "/", "^", "min", "max"]
    left: "Term"
    right: "Term"


@dataclass(frozen=True, slots=True)
class Choose(TypedTerm):
    """``if condition then a else b``."""

    condition: "Formula"
    then: "Term"
    otherwise: "Term"


@dataclass(frozen=True, slots=True)
class Reduction(TypedTerm):
    """``sum i where g: t`` and the like; ``guard`` None counts every index. Over no index at all each of them is 0."""

    reduction: Literal["sum", "mean", "max", "min"]
    variables: tuple[Variable, ...]
    guard: "Formula | None"
    body: "Term"


@dataclass(frozen=True, slots=True)
class CountTerm(TypedTerm):
    """How many indices make ``body`` true, where a comparison of it with a bound is not itself the atom."""

    variables: tuple[Variable, ...]
    body: "Formula"


@dataclass(frozen=True, slots=True)
class Apply(TypedTerm):
    """A function that Python bound, applied elementwise."""

    function: str
    arguments: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Functional(TypedTerm):
    """A functional of one distribution (entropy, mean, var) or of two (kl, js, tv; values aligned, not positions)."""

    functional: Literal["kl", "js", "tv", "entropy", "mean", "var"]
    distributions: tuple["Distribution", ...]


@dataclass(frozen=True, slots=True)
class Expectation(TypedTerm):
    """``E[t]``."""

    body: "Term"


@dataclass(frozen=True, slots=True)
class Probability(TypedTerm):
    """``P[φ]``."""

    body: "Formula"


@dataclass(frozen=True, slots=True)
class AggregateTerm(TypedTerm):
    """``aggregate(t where g)``: the mean over the data."""

    body: "Term"
    where: "Formula | None"


Term = (
    Constant
    | IndexValue
    | Read
    | Erroneous
    | Unary
    | BinaryTerm
    | Choose
    | Reduction
    | CountTerm
    | Apply
    | Functional
    | Expectation
    | Probability
    | AggregateTerm
)

# ---- distributions over a finite support


@dataclass(frozen=True, slots=True)
class TypedDistribution:
    """What all distributions share: the values they range over, in order, and what their probabilities vary with."""

    support: tuple[int | float, ...]
    levels: frozenset[Level]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Posterior(TypedDistribution):
    """``q(name[indices])``: the distribution that the guide gave the site, given what it drew before."""

    name: str
    indices: tuple[Offset, ...]


@dataclass(frozen=True, slots=True)
class PointMass(TypedDistribution):
    """``delta(k)``: at a constant, or at the value of an index variable plus a constant (support: all it may be)."""

    at: Offset | float


@dataclass(frozen=True, slots=True)
class UniformOver(TypedDistribution):
    """``uniform(S)``: equal probabilities on the support."""


@dataclass(frozen=True, slots=True)
class CategoricalOf(TypedDistribution):
    """``categorical(phi[k])``: probabilities along the last axis of an array; support 0..length - 1."""

    name: str
    indices: tuple[Offset, ...]


@dataclass(frozen=True, slots=True)
class AggregateDistribution(TypedDistribution):
    """``aggregate(q where g)``: the mixture over the data."""

    body: "Distribution"
    where: "Formula | None"


@dataclass(frozen=True, slots=True)
class ExpectedDistribution(TypedDistribution):
    """``E[q(n)]`` of probabilities that read draws: the marginal. (Inside an ``aggregate`` it is left out.)"""

    body: "Distribution"


Distribution = Posterior | PointMass | UniformOver | CategoricalOf | AggregateDistribution | ExpectedDistribution

# ---- formulas, in negation normal form


@dataclass(frozen=True, slots=True)
class TypedFormula:
    """What all formulas share."""

    levels: frozenset[Level]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TruthValue(TypedFormula):
    """A formula that always holds, or never (its violation is then 1, discrete)."""

    value: bool


@dataclass(frozen=True, slots=True)
class AtMost(TypedFormula):
    """``left <= right``: max(left − right, 0). ``strict``: a real ``<``, which costs the rule's margin more.

    ``discrete``: reads only ints and Booleans. (An int ``a < b`` is ``a + 1 <= b`` here.)
    """

    left: Term
    right: Term
    strict: bool
    discrete: bool


@dataclass(frozen=True, slots=True)
class Equal(TypedFormula):
    """``left == right``: abs(left − right)."""

    left: Term
    right: Term
    discrete: bool


@dataclass(frozen=True, slots=True)
class Differ(TypedFormula):
    """``left != right`` for ints: 1 where they are equal."""

    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Conjunction(TypedFormula):
    """``φ and ψ``: the sum."""

    operands: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Disjunction(TypedFormula):
    """``φ or ψ``: the smaller, in dictionary order of (discrete, graded)."""

    operands: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Every(TypedFormula):
    """``forall``: the sum over the variables' values, divided by ``share`` (the number of data at a rule's head)."""

    variables: tuple[Variable, ...]
    body: "Formula"
    share: int = 1


@dataclass(frozen=True, slots=True)
class Some(TypedFormula):
    """``exists``: the smallest over the variables' values."""

    variables: tuple[Variable, ...]
    body: "Formula"


@dataclass(frozen=True, slots=True)
class AtLeast(TypedFormula):
    """``count: φ >= k``: the sum of the k smallest violations of φ, and k − N more (discrete) where k exceeds all N.

    ``bound`` does not read ``variables``. An upper bound is at least N − k of the negation.
    """

    variables: tuple[Variable, ...]
    body: "Formula"
    bound: Term


Formula = TruthValue | AtMost | Equal | Differ | Conjunction | Disjunction | Every | Some | AtLeast

# ---- rules


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule's weight, nats per datum: ``start``, and linearly to ``end`` from step ``since`` to ``steps``."""

    start: float
    end: float
    steps: int
    since: int = 0

    def at(self, step: int) -> float:
        """Return the weight at ``step`` (from 0)."""
        if step >= self.steps:
            return self.end
        share = max(0, step - self.since) / (self.steps - self.since)
        return self.start + (self.end - self.start) * share

    @property
    def constant(self) -> bool:
        """Whether the weight never changes."""
        return self.steps == 0 or self.start == self.end

    @property
    def off(self) -> bool:
        """Whether the weight is 0 for good, so that nothing of the rule need be evaluated."""
        return self.constant and self.end == 0


@dataclass(frozen=True, slots=True)
class TypedRule:
    """A rule: ``hard`` is None for a weighted one, else the ε it has to hold within.

    ``datum`` is the variable at its head that runs over the data plate, where each instance reads one datum: the rule
    is then about one datum, and its violation varies over that plate.
    """

    name: str
    formula: Formula
    weight: Schedule
    hard: float | None
    smooth: float | None
    margin: float
    span: Span = field(compare=False, repr=False)
    datum: Variable | None = None

    @property
    def levels(self) -> frozenset[Level]:
        """What the rule's violation varies with."""
        return self.formula.levels


@dataclass(frozen=True, slots=True)
class TypedProgram:
    """All rules of a program, typed against one signature."""

    rules: tuple[TypedRule, ...]


# ---- what a program expects of the guide, found before there is one


@dataclass(frozen=True, slots=True)
class FreeName:
    """A name that the file does not define: what its uses say it must be.

    Args:
        rank: number of indices, None where the uses do not say (an argument of ``len`` only).
        shape: ``"scalar"``, ``"bool"``, ``"int"``, ``"real"``, ``"box"``, ``"record"``, ``"distribution"`` (q(name) is
            read), ``"probabilities"`` (categorical(name) is read) or ``"function"``.
        fields: of a record, in the order of its ``site`` statement.
        pattern: where a ``site`` statement maps the name to numbered sites, or to one that rules cannot write.
        span: its first use.
    """

    name: str
    rank: int | None
    shape: str
    fields: tuple[str, ...] | None
    pattern: str | None
    span: Span = field(compare=False, repr=False)
    draw: bool = True  # whether its value is read (not only q(name))
    declared: bool = False  # whether a `site` statement gives the fields, and with them the order of columns

    @property
    def alias(self) -> str | None:
        """The one site, or param, that a ``site`` statement gives the name to; None without such a statement."""
        return self.pattern if self.pattern is not None and "{" not in self.pattern else None


FreeNames = Mapping[str, FreeName]

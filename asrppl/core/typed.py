"""The typed tree: what the checker makes of a program against a signature, and all that the later stages read.

It is a small core of the language. Parameters, ``let``s and ``def``s are expanded; records are taken apart into scalar
terms; every index variable has its list of values; ``!=`` binders and ranges whose ends vary have become guards; and
formulas are in negation normal form, so that no node negates: a violation is computed from the leaves up.

A formula stands as a claim, which has a violation, or as a condition (a guard, an ``if``, what counts as a number),
which is true or false. ``present`` of a binder is the condition that what its variables index is there (masks, axes):
an instance without it is skipped.
Scalars only: a formula or term varies over its index variables, and over batch axes that the tree does not name.
"""

from dataclasses import dataclass, field
from typing import Literal

from asrppl.core.laws import Law
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

    def set_values(self, values: tuple[int, ...]) -> None:
        """Say what the variable runs over: for the checker, once it has seen what a variable without values indexes."""
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Offset:
    """The index ``variable + add``, or the constant ``add``."""

    variable: Variable | None
    add: int = 0


@dataclass(frozen=True, slots=True)
class Computed:
    """An index that is any whole term; outside its axis of ``length`` entries there is nothing to read."""

    term: "Term"
    length: int


Index = Offset | Computed
Part = Literal["decided", "discrete", "graded"]
"""Where an amount counts: by whether its atom reads only what nothing changes, only ints and Booleans, or reals."""


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

    The component ``"mask"`` is the entry's presence (kind BOOL). ``given``: the name is data. ``defined``: where there
    is an entry, if no binder sees to that (None: everywhere).
    """

    name: str
    component: str | None
    indices: tuple[Index, ...]
    given: bool = False
    defined: "Formula | None" = None


@dataclass(frozen=True, slots=True)
class Table(TypedTerm):
    """An entry of a constant array (a ``param`` in brackets), its values flat, the last axis fastest."""

    values: tuple[float, ...]
    shape: tuple[int, ...]
    indices: tuple[Index, ...]
    defined: "Formula | None" = None


@dataclass(frozen=True, slots=True)
class Erroneous(TypedTerm):
    """Stands for a term with an error, which is reported; no program that has one is bound or lowered."""


@dataclass(frozen=True, slots=True)
class Unary(TypedTerm):
    """An elementwise function of one term."""

    operator: Literal["neg", "abs", "sqrt", "exp", "log", "relu", "sin", "cos", "tanh", "sigmoid", "floor", "detach"]
    operand: "Term"


@dataclass(frozen=True, slots=True)
class BinaryTerm(TypedTerm):
    """An elementwise function of two terms."""

    operator: Literal["+", "-", "*", "/", "^", "min", "max", "mod"]
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
    """``sum i where g: t`` and the like; ``guard`` (presence included) None takes every index in.

    Over nothing a sum is 0, a product 1, and the others are undefined. ``argmax`` is the value of its one variable
    where the body is largest, the first of such.
    """

    reduction: Literal["sum", "mean", "max", "min", "prod", "argmax"]
    variables: tuple[Variable, ...]
    guard: "Formula | None"
    body: "Term"


@dataclass(frozen=True, slots=True)
class CountTerm(TypedTerm):
    """How many indices make ``body`` (guard and presence included) true."""

    variables: tuple[Variable, ...]
    body: "Formula"


@dataclass(frozen=True, slots=True)
class CountProbability(TypedTerm):
    """The probability that as many indices count as ``at`` says, each by itself with the probability ``body``.

    ``at`` is a variable over 0, 1, … to the number of indices.
    """

    variables: tuple[Variable, ...]
    body: "Term"
    at: Offset


@dataclass(frozen=True, slots=True)
class Apply(TypedTerm):
    """A function that Python bound, applied elementwise."""

    function: str
    arguments: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Functional(TypedTerm):
    """A functional of one distribution, or of two (kl, js, tv; values aligned, not positions).

    ``at``: what ``cdf`` and ``mass`` (the probability of one value, ``q(n)[k]``) are asked at, and the probability of
    a ``quantile``.
    """

    functional: Literal["kl", "js", "tv", "entropy", "mean", "var", "sd", "cdf", "quantile", "mass"]
    distributions: tuple["Distribution", ...]
    at: "Term | None" = None


@dataclass(frozen=True, slots=True)
class Expectation(TypedTerm):
    """``E[t]``; with ``where``, given that it holds: where ``t`` has a value (None: everywhere)."""

    body: "Term"
    where: "Formula | None" = None


@dataclass(frozen=True, slots=True)
class Probability(TypedTerm):
    """``P[φ]``."""

    body: "Formula"


@dataclass(frozen=True, slots=True)
class AggregateTerm(TypedTerm):
    """``aggregate(t where g)``: the mean over the data."""

    body: "Term"
    where: "Formula | None"


@dataclass(frozen=True, slots=True)
class Cost(TypedTerm):
    """The violation of a formula as a number, with the options of a rule: the integrand of a `hard` rule on draws."""

    body: "Formula"
    smooth: float | None
    margin: float
    power: float


Term = (
    Constant
    | IndexValue
    | Read
    | Table
    | Erroneous
    | Unary
    | BinaryTerm
    | Choose
    | Reduction
    | CountTerm
    | CountProbability
    | Apply
    | Functional
    | Expectation
    | Probability
    | AggregateTerm
    | Cost
)

# ---- distributions


@dataclass(frozen=True, slots=True)
class TypedDistribution:
    """What all distributions share: the values they range over, in order, and what their probabilities vary with.

    ``support`` is empty of what is no law of finitely many values (and, before binding, of what is not known).
    """

    support: tuple[int | float, ...]
    levels: frozenset[Level]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Posterior(TypedDistribution):
    """``q(name[indices])``: the distribution that the guide gave the site, given what it drew before.

    ``defined`` as in `Read`.
    """

    name: str
    indices: tuple[Offset, ...]
    defined: "Formula | None" = None


@dataclass(frozen=True, slots=True)
class Parametric(TypedDistribution):
    """A law of a family, by its parameters (`Law.parts`): ``normal(m, s)``, and ``q(name)`` of such a site.

    Those of a site are read as components of its name, as its values are.
    """

    law: Law
    parameters: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class PointMass(TypedDistribution):
    """``delta(k)``: at a constant, or at the value of an index variable plus a constant (support: all it may be)."""

    at: Offset | float


@dataclass(frozen=True, slots=True)
class UniformOver(TypedDistribution):
    """``uniform(S)``: equal probabilities on the support."""


@dataclass(frozen=True, slots=True)
class CategoricalOf(TypedDistribution):
    """``categorical(phi[k])``: probabilities along the last axis of an array; support 0..length - 1.

    ``defined`` as in `Read`.
    """

    name: str
    indices: tuple[Offset, ...]
    given: bool = False
    defined: "Formula | None" = None


@dataclass(frozen=True, slots=True)
class AggregateDistribution(TypedDistribution):
    """``aggregate(q where g)``: the mixture over the data."""

    body: "Distribution"
    where: "Formula | None"


@dataclass(frozen=True, slots=True)
class ExpectedDistribution(TypedDistribution):
    """``E[q(n)]`` of probabilities that read draws: the marginal. (Inside an ``aggregate`` it is left out.)"""

    body: "Distribution"
    where: "Formula | None" = None


Distribution = (
    Posterior | Parametric | PointMass | UniformOver | CategoricalOf | AggregateDistribution | ExpectedDistribution
)

# ---- formulas, in negation normal form


@dataclass(frozen=True, slots=True)
class TypedFormula:
    """What all formulas share."""

    levels: frozenset[Level]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TruthValue(TypedFormula):
    """A formula that always holds, or never (its violation is then 1, decided)."""

    value: bool


@dataclass(frozen=True, slots=True)
class Atom(TypedFormula):
    """What comparisons share: ``part``, where their amount counts.

    ``defined``: where both sides have a value (None: everywhere). Elsewhere a claim costs nothing, a condition is
    false, and in a guard that is priced it costs 1, decided.
    """

    left: Term
    right: Term
    part: Part
    defined: "Formula | None"


@dataclass(frozen=True, slots=True)
class AtMost(Atom):
    """``left <= right``: max(left − right, 0).

    ``strict``: a real ``<``: as a claim it costs what ``<=`` does, and the rule's margin. (An int ``a < b`` is
    ``a + 1 <= b`` here.) With a ``multiplier`` ν the amount is what it is, and its slope ν, below 0 too: of a
    comparison of moments (`asrppl.core.moments`).
    """

    strict: bool
    multiplier: "Read | None" = None


@dataclass(frozen=True, slots=True)
class Equal(Atom):
    """``left == right``: abs(left − right)."""


@dataclass(frozen=True, slots=True)
class Differ(Atom):
    """``left != right``: 1 where they are equal. (A claim of reals never is one: it would teach nothing.)"""


@dataclass(frozen=True, slots=True)
class Conjunction(TypedFormula):
    """``φ and ψ``: the sum, part by part."""

    operands: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Disjunction(TypedFormula):
    """``φ or ψ``: the first in dictionary order of (decided, discrete, graded)."""

    operands: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Complement(TypedFormula):
    """``not φ`` of a condition, of which only the truth is asked."""

    body: "Formula"


@dataclass(frozen=True, slots=True)
class Populated(TypedFormula):
    """A condition: some datum of the batch meets ``body``."""

    body: "Formula"


@dataclass(frozen=True, slots=True)
class Every(TypedFormula):
    """``forall i where g``: the sum over those values of the variables that are present and pass the guard.

    Without variables it is the ``where`` of a rule. ``share`` divides the sum (the number of data at a rule's head).
    """

    variables: tuple[Variable, ...]
    present: "Formula | None"
    guard: "Formula | None"
    body: "Formula"
    share: int = 1


@dataclass(frozen=True, slots=True)
class Some(TypedFormula):
    """``exists i where g``: the smallest over those present that pass the guard.

    Where none passes: the value whose violations of (guard, body) are first in dictionary order, added part by part.
    Where none is present: 1, decided.
    """

    variables: tuple[Variable, ...]
    present: "Formula | None"
    guard: "Formula | None"
    body: "Formula"


@dataclass(frozen=True, slots=True)
class AtLeast(TypedFormula):
    """``(count i where g: φ) >= k``, or ``<= k``; ``bound`` is k and does not read ``variables``.

    ``>=``: the k smallest violations of φ among the members, who are present and pass the guard; what is missing is
    filled by non-members as in `Some`, then by 1 each. ``<=`` (``upper``): with M members, the M − k smallest
    violations of ``not φ`` among them, which ``body`` is then; ``counted`` is always φ.
    """

    variables: tuple[Variable, ...]
    present: "Formula | None"
    guard: "Formula | None"
    body: "Formula"
    counted: "Formula"
    bound: Term
    upper: bool


Formula = (
    TruthValue | AtMost | Equal | Differ | Conjunction | Disjunction | Complement | Populated | Every | Some | AtLeast
)

"""What one pass over a tree carries along: where findings go, what is known, and the limits."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NoReturn, Protocol

from asrppl.check.expand.build import UndefinedError
from asrppl.check.expand.values import Env, Poison, Value
from asrppl.check.free import Uses
from asrppl.core.signature import Signature
from asrppl.core.typed import Formula, IndexValue, Offset, Variable
from asrppl.core.walk import TypedNode, walk
from asrppl.diagnostics import Diagnostic, Edit, Note, Sink
from asrppl.source import Span
from asrppl.syntax import ast

MAX_STEPS = 20_000
"""How many nodes one rule may expand to."""
MAX_TOTAL = 200_000
"""How many nodes all rules of a file may expand to."""
MAX_DEPTH = 120
"""How deep expressions may nest, definitions expanded."""
MAX_RANK = 6
"""How many index variables may be in scope at once."""
MAX_VALUES = 100_000
"""How many values one index variable may run over."""
MAX_GRID = 100_000_000
"""How many combinations of index values one formula may be spread over."""
MAX_PAIRS = 10_000_000_000
"""The same where the formula itself says that few of them cost anything (`asrppl.core.separation`)."""


class LimitError(Exception):
    """A limit was passed and reported: the statement is given up."""


@dataclass(frozen=True, slots=True)
class Access:
    """An index variable used on an axis: ``name[…, variable + add, …]``."""

    slot: int
    name: str
    length: int | None
    add: int
    guard: Literal["no", "own", "nested"]
    span: Span


@dataclass(slots=True, eq=False)
class Scope:
    """A binder whose body is being expanded.

    ``present`` collects the conditions under which what its variables index is there, ``accesses`` where they index;
    ``grid`` is the largest number of combinations that the binders inside it span.
    """

    binder: ast.Binder
    variables: tuple[Variable, ...]
    guard_level: int
    accesses: list[Access] = field(default_factory=list[Access])
    calls: dict[int, str] = field(default_factory=dict[int, str])
    present: list[Formula] = field(default_factory=list[Formula])
    grid: int = 1


class EvaluateValue(Protocol):
    """Expands an expression that is not a formula."""

    def __call__(self, ctx: "Context", expr: ast.Expr, env: Env) -> Value:
        """Return what ``expr`` evaluates to."""
        ...


class EvaluateFormula(Protocol):
    """Expands a formula, negated where not ``positive``."""

    def __call__(self, ctx: "Context", expr: ast.Expr, env: Env, positive: bool) -> Formula:
        """Return the typed formula."""
        ...


@dataclass(slots=True, eq=False)
class Context:
    """The state of one pass.

    ``signature`` None is the pass before binding: kinds and lengths are unknown then, index variables without ``in``
    have no values, and the tree that comes out serves its levels and findings only.

    ``trial``: a body is expanded whose variables get their values afterwards, from what they index. Where something in
    it depends on these values, or has a finding, it is ``void``: it goes on silently, as the pass before binding does,
    only to see what is indexed, and is then made again.

    ``large``: where a grid that only few pairs of may be asked was opened first, in the statement.

    ``steps`` and ``total`` count the nodes expanded for a statement and before it; ``effort`` scales their limits, and
    ``most`` is what they leave to the statement.
    ``scopes`` and ``lengths`` hold, by slot, the binder of each index variable in scope and how many values it has, as
    far as is known;
    ``guards`` the binders whose guards are being expanded, None for the end of a range; ``conditions`` how many
    conditions the formula being expanded is part of (0: it is a claim); ``outside`` how many of the scopes lie outside
    the aggregate being expanded: what is absent for one datum does not make their instances absent.
    """

    sink: Sink
    signature: Signature | None
    value_of: EvaluateValue
    formula_of: EvaluateFormula
    uses: Uses = field(default_factory=Uses)
    trial: bool = False
    void: bool = False
    effort: int = 1
    steps: int = 0
    most: int = 0
    total: int = 0
    exhausted: bool = False
    depth: int = 0
    sites: Mapping[str, ast.Site] = field(default_factory=dict[str, ast.Site])
    given: Mapping[str, ast.Given] = field(default_factory=dict[str, ast.Given])
    conditions: int = 0
    outside: int = 0
    scopes: list[Scope] = field(default_factory=list[Scope])
    lengths: list[int] = field(default_factory=list[int])
    guards: list[Scope | None] = field(default_factory=list["Scope | None"])
    reported: set[tuple[str, Span]] = field(default_factory=set[tuple[str, Span]])
    large: "tuple[Span, Env] | None" = None

    def __post_init__(self) -> None:
        self.begin()

    @property
    def static(self) -> bool:
        """Whether this is the pass before binding."""
        return self.signature is None

    @property
    def lengths_known(self) -> bool:
        """Whether index variables have their values."""
        return self.signature is not None and not self.void

    def ask(self, *nodes: TypedNode) -> None:
        """Note that it matters which values the index variables in these nodes have."""
        if self.trial and any(
            isinstance(part, IndexValue) and not part.variable.values for node in nodes for part in walk(node)
        ):
            self.void = True

    def value(self, expr: ast.Expr, env: Env) -> Value:
        """Expand an expression that is not a formula."""
        self.descend(expr.span, env)
        try:
            return self.value_of(self, expr, env)
        except UndefinedError:
            self.add("ASR065", expr.span, "this has no finite value", env)
            return Poison()
        finally:
            self.depth -= 1

    def formula(self, expr: ast.Expr, env: Env, positive: bool = True) -> Formula:
        """Expand a formula, negated where not ``positive``."""
        self.descend(expr.span, env)
        try:
            return self.formula_of(self, expr, env, positive)
        finally:
            self.depth -= 1

    @contextmanager
    def over_data(self) -> Generator[None]:
        """Expand what stands in an aggregate inside the ``with``."""
        before, self.outside = self.outside, len(self.scopes)
        try:
            yield
        finally:
            self.outside = before

    def condition(self, expr: ast.Expr, env: Env) -> Formula:
        """Expand a formula that chooses, and is true or false."""
        self.conditions += 1
        try:
            return self.formula(expr, env)
        finally:
            self.conditions -= 1

    def begin(self) -> None:
        """Start counting for a new statement."""
        self.large = None
        self.total += self.steps
        self.steps = 0
        self.most = min(MAX_STEPS * self.effort, MAX_TOTAL * self.effort - self.total)

    def step(self, span: Span, env: Env) -> None:
        """Count one expanded node."""
        self.steps += 1
        if self.steps > self.most:
            self.refuse_steps(span, env)

    def refuse_steps(self, span: Span, env: Env) -> NoReturn:
        """Report that the nodes expanded are too many."""
        if self.exhausted:
            raise LimitError
        self.exhausted = self.total + self.steps > MAX_TOTAL * self.effort
        self.refuse(
            "ASR060",
            span,
            "all definitions and rules together expand to too much" if self.exhausted else "this expands to too much",
            env,
            help="define and name less, or reduce over an index instead of writing the cases out",
        )

    def refuse_grid(self, span: Span, env: Env) -> NoReturn:
        """Report that a formula is spread over too many combinations of index values."""
        self.refuse(
            "ASR061",
            span,
            f"the index variables in scope here span more than {MAX_GRID:,} combinations",
            env,
            help="give the variables smaller domains with `in`",
        )

    def descend(self, span: Span, env: Env, further: int = 0) -> None:
        """Count one expanded node and one level of nesting; or of a counted node further levels.

        Who calls this takes them off ``depth`` again (most of a pass is these calls: a ``with`` takes twice as long).
        """
        if not further:
            self.steps += 1  # as `step` does: this is called for every node
            if self.steps > self.most:
                self.refuse_steps(span, env)
        levels = further or 1
        if self.depth + levels > MAX_DEPTH:
            self.refuse(
                "ASR060",
                span,
                f"this nests more than {MAX_DEPTH} deep, definitions expanded",
                env,
                help="name its parts with `let` or `def`, or split it into several rules",
            )
        self.depth += levels

    def add(
        self,
        code: str,
        span: Span,
        message: str,
        env: Env | None = None,
        *,
        help: str | None = None,
        notes: tuple[Note, ...] = (),
        edits: tuple[Edit, ...] = (),
        **data: str,
    ) -> None:
        """Report a finding, with the calls that led to it, once for a place however often it is expanded."""
        key = (code, span)
        if key in self.reported:
            return
        if self.trial:
            self.void = True
            return
        self.reported.add(key)
        trail = env.trail if env is not None else ()
        # The sink's own look for doubles is quadratic in their number.
        self.sink.found.append(Diagnostic(code, message, span, help, (*notes, *trail), tuple(data.items()), edits))

    def refuse(self, code: str, span: Span, message: str, env: Env, *, help: str | None = None) -> NoReturn:
        """Report that a limit is passed, in a trial too, and give the statement up."""
        self.trial = self.void = False
        self.add(code, span, message, env, help=help)
        raise LimitError

    def access(self, name: str, offset: Offset, length: int | None, span: Span, env: Env) -> bool:
        """Note that an axis of ``name`` is indexed, and check it where the index's values are known.

        Returns:
            Whether some of the index's values are outside the axis, in a guard further in, which is false there.
        """
        if offset.variable is None:
            if self.lengths_known and length is not None and offset.add >= length:
                self.add(
                    "ASR044",
                    span,
                    f"`{name}` has {entries(length)} along this axis: there is no entry {offset.add}",
                    env,
                    help=_span_of_indices(length),
                )
            return False
        scope = self.scopes[offset.variable.slot]
        guard = self.place(scope)
        scope.accesses.append(Access(offset.variable.slot, name, length, offset.add, guard, span))
        if not self.lengths_known or length is None or not offset.variable.values:
            return False
        values = offset.variable.values
        low, high = min(values) + offset.add, max(values) + offset.add
        if low >= 0 and high < length:
            return False
        if guard != "nested":
            outside = high if high >= length else low
            self.add(
                "ASR044",
                span,
                f"`{name}` has {entries(length)} along this axis, "
                f"and `{offset.variable.name}` takes this index to {outside}",
                env,
                help=f"let `{offset.variable.name}` run over less, or leave out its `in`",
            )
        return guard == "nested"

    def place(self, scope: Scope) -> Literal["no", "own", "nested"]:
        """Return what is being expanded under a binder: its body, its own guard, or that of a binder further in."""
        inside = self.guards[scope.guard_level :]
        return "no" if not inside else "own" if inside[-1] is scope else "nested"


def entries(length: int | None) -> str:
    """Return in words how long an axis is."""
    return "1 entry" if length == 1 else f"{length} entries"


def _span_of_indices(length: int) -> str | None:
    if length == 0:
        return None
    return "its only index is 0" if length == 1 else f"indices run from 0 to {length - 1}"

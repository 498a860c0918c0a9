"""The interpreter as it is used: a file and values in, an outcome for each rule out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asrppl.files import Library
from asrppl.reference.formulas import Formulas
from asrppl.reference.names import Scope, folder_of, read
from asrppl.reference.readings import ZERO, Holds, Triple, Violation
from asrppl.source import Source
from asrppl.syntax import ast


@dataclass(frozen=True)
class Outcome:
    """What a rule comes to.

    Args:
        name: of the rule; of a bare formula, its line.
        decided: what it costs by what nothing can change: index variables, constants, params and given names.
        discrete: what it costs by ints and Booleans.
        graded: what it costs by reals.
        holds: whether its formula holds, a real ``<`` read as ``<=`` and without margin.
    """

    name: str
    decided: float
    discrete: float
    graded: float
    holds: bool

    @property
    def triple(self) -> Triple:
        """The three parts, which compare in dictionary order."""
        return self.decided, self.discrete, self.graded

    @property
    def cost(self) -> float:
        """The violation: the sum of its parts."""
        return self.decided + self.discrete + self.graded


class Reference(Formulas):
    """A rule file, and values for its names.

        >>> Reference("forall i: x[i] <= 1", {"x": [3.0, 0.5]}).violations()[0].cost
        2.0

    Args:
        rules: the text of a file, its path, or a source that was read, with ``library``.
        values: of one datum, by name: a number, nested lists of numbers, a function of numbers, or a mapping of
            some of ``value``, ``mask`` (presence), ``probs`` (of ``q(..)``, with ``support``: 0, 1, 2, … without),
            ``law`` (of ``q(..)``, a `statistics.NormalDist`) and of fields. Floats are reals; ints and Booleans are
            what they are, unless ``given NAME: type`` says otherwise.
        params: values in place of those that the file gives.
        data: the values of all data, this one among them, that an ``aggregate(..)`` is taken over; without, it is
            taken over this one.
        library: where the imports of a source are looked up.

    Raises:
        AsrError: the text has syntax errors, or reads a name that nothing gives.
        ValueError: a value is none that the file's declaration allows.
    """

    def __init__(
        self,
        rules: str | Path | Source,
        values: Mapping[str, object],
        *,
        params: Mapping[str, object] | None = None,
        data: Sequence[Mapping[str, object]] | None = None,
        library: Library | None = None,
    ) -> None:
        match rules:
            case Source():
                source = rules
            case str():
                source = Source("<rules>", rules)
            case Path():
                source, library = read(rules), folder_of(rules)
        super().__init__(source, values, params or {}, library)
        self._data = [self] if data is None else [Reference(rules, datum, params=params) for datum in data]

    def data(self) -> "Sequence[Reference]":
        """Return the interpreter of each datum that an aggregate is taken over."""
        return self._data

    def violations(self) -> list[Outcome]:
        """Return what each rule comes to, in the file's order.

        Raises:
            NotImplementedError: a rule reads ``E[..]`` or ``P[..]``, of which one draw says nothing.
        """
        return [self.outcome(rule) for rule in self.rules]

    def outcome(self, rule: ast.Rule) -> Outcome:
        """Return what one rule comes to (raises as `violations` does)."""
        scope, applies = Scope(self.module), self.applies(rule)
        triple = self.walk(self.reading(rule), rule.formula, scope, True) if applies else ZERO
        return Outcome(rule_name(rule), *triple, not applies or self.walk(Holds(), rule.formula, scope, True))

    def applies(self, rule: ast.Rule) -> bool:
        """Whether a rule speaks of this datum: whether what is after its ``where`` is true."""
        scope = Scope(self.module)
        return all(self.true(option.condition, scope) for option in rule.options if isinstance(option, ast.Where))

    def reading(self, rule: ast.Rule) -> Violation:
        """Return how a rule's options have its formula cost."""
        scope = Scope(self.module)
        margin, power = 0.0, 1.0
        smooth: float | None = None
        for option in rule.options:
            match option:
                case ast.Margin():
                    margin = self._amount(option.amount, scope)
                case ast.Power():
                    power = self._amount(option.exponent, scope)
                case ast.Smooth():
                    smooth = self._amount(option.power, scope)
                case ast.Where() | ast.Weight() | ast.Hard():
                    pass  # these say how much a violation counts and where, not what it is
        return Violation(margin=margin, power=power, smooth=smooth)

    def _amount(self, expr: ast.Expr, scope: Scope) -> float:
        value = self.term(expr, scope)
        assert value is not None
        return float(value)


def rule_name(rule: ast.Rule) -> str:
    """Return a rule's name; a bare formula has that of its line."""
    return rule.name.text if rule.name is not None else f"line {rule.span.source.position(rule.span.start)[0]}"

"""A rule program: a rule text, read and checked once, then typed and lowered for what it meets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from asrppl.check import Checked, RuleInfo, check_file, type_program
from asrppl.check.params import ParamValue
from asrppl.codes import Severity
from asrppl.core.bounded import Bounded
from asrppl.core.free import FreeNames
from asrppl.core.labels import indexed, level_name, type_of, weight_text
from asrppl.core.numbering import verify_numbering
from asrppl.core.rules import TypedProgram, TypedRule
from asrppl.core.signature import Signature
from asrppl.core.units import in_units
from asrppl.diagnostics import AsrError, Diagnostic, in_order, public, warn_of
from asrppl.files import Folder, Kept, Library, read_text, unreadable
from asrppl.notebook import table
from asrppl.source import Source
from asrppl.syntax import ast, parse_file

if TYPE_CHECKING:  # torch takes seconds to import, and rules are read without it
    from torch import Tensor

    from asrppl.bind.bound import Bound
    from asrppl.lower import Plan
    from asrppl.lower.means import Means
    from asrppl.module import RuleModule

_KEPT = 8
"""Plans that a program keeps: one a signature that it meets, the least recently used dropped first."""


class Program:
    """Rules that were read and checked: a functional F(q) ≤ 0 for each (Eq. 7 of the paper). Immutable.

    Made by `asrppl.load`, `asrppl.parse` and `from_dict`; it pickles. As functions of tensors, without Pyro::

        >>> program = asrppl.parse("rule apart weight 2: nonoverlap(box[0], box[1])")
        >>> boxes = torch.tensor([[10.0, 10, 8], [14, 12, 8]])  # two squares: x, y (centre), side
        >>> program.violations({"box": boxes})
        {'apart': tensor(4.)}
        >>> program.penalty({"box": boxes})
        tensor(8.)

    Attributes:
        source: the rule text and its name.
        files: the text of every file that it was made from, itself first, by the names that messages have for them.
        params: the values of all params, those given in place of the file's.
        rules: what the file's rules say, in order: name, weight, levels, formula, span.
        free: what the file expects of a guide, or of values, by name.
        defined: the names of the file's own params, lets and defs.
        diagnostics: the warnings about the file.
    """

    def __init__(
        self,
        source: Source,
        params: Mapping[str, ParamValue] | None = None,
        *,
        library: Library | None = None,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        parsed = parse_file(source)
        params = dict(params or {})
        checked = check_file(parsed.file, params, library=library, factors=factors)
        diagnostics = in_order((*parsed.diagnostics, *checked.diagnostics))
        if any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics):
            raise AsrError(diagnostics)
        self._checked: Checked = checked
        self._given = {name: cast(ParamValue, checked.params[name]) for name in params}
        self._factors = {rule.name: 1.0 if factors is None else factors[rule.name] for rule in checked.rules}
        self._typed: Bounded[Signature, tuple[TypedProgram, tuple[Diagnostic, ...]]] = Bounded(_KEPT)
        self._warned: Bounded[Signature, bool] = Bounded(_KEPT)
        self._nans: Bounded[str, bool] = Bounded(_KEPT * _KEPT)  # messages that were warned of
        self._plans: Bounded[tuple[Signature, int, bool, tuple[TypedRule, ...] | None, bool], Plan] = Bounded(_KEPT)
        self._means: Bounded[tuple[Signature, frozenset[str], int, bool], Means] = Bounded(_KEPT)
        self.source = source
        self.files: Mapping[str, str] = MappingProxyType({source.name: source.text, **checked.imported})
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics
        self.params: Mapping[str, object] = MappingProxyType(dict(checked.params))
        self.rules: tuple[RuleInfo, ...] = tuple(checked.rules)
        self.free: FreeNames = checked.free
        self.defined: frozenset[str] = frozenset(
            statement.name.text
            for statement in parsed.file.statements
            if isinstance(statement, ast.Param | ast.Let | ast.Def)
        )

    # ---- other programs of the same files

    @public
    def only(self, *names: str) -> Program:
        """Return the program with the rules ``names`` alone, in the file's order.

        >>> asrppl.parse("rule low: x >= 0\\nrule high: x <= 1").only("high").rules[0].name
        'high'

        Raises:
            KeyError: there is no such rule.
        """
        self._verify_rules(names)
        return self._with({name: factor for name, factor in self._factors.items() if name in names})

    @public
    def without(self, *names: str) -> Program:
        """Return the program without the rules ``names``.

        >>> [rule.name for rule in asrppl.parse("rule low: x >= 0\\nrule high: x <= 1").without("high").rules]
        ['low']

        Raises:
            KeyError: there is no such rule.
        """
        self._verify_rules(names)
        return self._with({name: factor for name, factor in self._factors.items() if name not in names})

    @public
    def scaled(self, factor: float | Mapping[str, float]) -> Program:
        """Return the program with weights multiplied by ``factor``: those of all rules, or by rule.

        Hard rules have no weight: one factor for all leaves them as they are.

        >>> program = asrppl.parse("rule low weight 2: x >= 0\\nrule high weight 2: x <= 1")
        >>> [rule.weight.end for rule in program.scaled({"high": 10}).rules]
        [2.0, 20.0]

        Raises:
            KeyError: there is no such rule.
            ValueError: a factor that is negative or not finite, or for a hard rule.
        """
        weighted = [rule.name for rule in self.rules if rule.hard is None]
        factors = factor if isinstance(factor, Mapping) else dict.fromkeys(weighted, factor)
        self._verify_rules(factors)
        for name, by in factors.items():
            if name not in weighted:
                raise ValueError(f"the rule `{name}` is hard: it has no weight to multiply")
            if not (math.isfinite(by) and by >= 0):
                raise ValueError(
                    f"the weight of `{name}` cannot be multiplied by {by!r}: take a number that is at least 0"
                )
        return self._with({name: own * float(factors.get(name, 1.0)) for name, own in self._factors.items()})

    def _verify_rules(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._factors:
                there = ", ".join(f"`{rule}`" for rule in self._factors) or "none"
                raise KeyError(f"there is no rule `{name}`; rules there are: {there}")

    def _with(self, factors: Mapping[str, float]) -> Program:
        return Program(self.source, self._given, library=Kept(self.files), factors=factors)

    # ---- plain data

    def to_dict(self) -> dict[str, Any]:
        """Return all that the program was made from, as plain data that JSON and `torch.load` can hold.

        ``main`` is the name of the rule text, ``files`` has the text of every file by name, ``params`` what was given
        for params, ``factors`` the rules that are kept, with what their weights are multiplied by.

        >>> asrppl.parse("rule low: x >= 0").to_dict()
        {'main': '<rules>', 'files': {'<rules>': 'rule low: x >= 0'}, 'params': {}, 'factors': {'low': 1.0}}
        """
        params = {name: _as_lists(value) for name, value in self._given.items()}
        return {"main": self.source.name, "files": dict(self.files), "params": params, "factors": dict(self._factors)}

    @classmethod
    @public
    def from_dict(cls, data: Mapping[str, Any]) -> Program:
        """Return the program that `to_dict` was called on; no file is read.

        >>> asrppl.Program.from_dict(asrppl.parse("rule low: x >= 0").to_dict())
        Program('<rules>', rules: low)

        Raises:
            ValueError: it is not what `to_dict` returns.
            AsrError: its rules have errors (text of another version of the language, say).
        """
        try:
            files, main = {str(name): str(text) for name, text in data["files"].items()}, str(data["main"])
            params, factors = dict(data["params"]), {str(name): float(by) for name, by in data["factors"].items()}
            source = Source(main, files[main])
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"this is not what Program.to_dict returns ({type(error).__name__}: {error})") from error
        program = cls(source, params, library=Kept(files), factors=factors)
        if program._factors != factors:
            lost = next(name for name in factors if name not in program._factors)
            raise ValueError(f"this is not what Program.to_dict returns (there is no rule `{lost}` in it)")
        return program

    # ---- stages: how the library's own parts use a program

    def typed(self, signature: Signature) -> TypedProgram:
        """Return the typed tree for what the names were bound to.

        Raises:
            AsrError: the bindings do not fit the rules (lengths that differ, a kind that makes no sense).
        """
        return self._type(signature)[0]

    def warnings(self, signature: Signature) -> tuple[Diagnostic, ...]:
        """Return the warnings that only show against what the names were bound to (raises as `typed` does)."""
        return self._type(signature)[1]

    def _type(self, signature: Signature) -> tuple[TypedProgram, tuple[Diagnostic, ...]]:
        def make() -> tuple[TypedProgram, tuple[Diagnostic, ...]]:
            typed, warnings = type_program(self._checked, signature)
            verify_numbering(typed, signature)
            return in_units(typed, signature), warnings

        return self._typed.get_or(signature, make)

    def plan(
        self,
        signature: Signature,
        *,
        elements: int = 64,
        skip_off: bool = False,
        rules: tuple[TypedRule, ...] | None = None,
        shares: bool = False,
    ) -> Plan:
        """Return the lowered program for what the names were bound to; kept, so that a second call costs nothing.

        Rules that read means are no part of it: they are taken apart first (`means`, or `asrppl.infer.estimate`).

        Args:
            signature: what the names were bound to.
            elements: of the batch, about.
            skip_off: leave out rules whose weight is 0 for good.
            rules: those that are meant, as they are lowered; None for all.
            shares: also compute where rules speak of something (`Plan.evaluate`).

        Raises:
            AsrError: the bindings do not fit the rules.
        """
        from asrppl.lower import lower

        # Powers of two, so that a last, smaller batch does not make a plan of its own.
        rounded = 2 ** math.ceil(math.log2(max(1, elements)))

        def make() -> Plan:
            typed = self.typed(signature) if rules is None else TypedProgram(rules)
            return lower(typed, signature=signature, elements=rounded, skip_off=skip_off, shares=shares)

        return self._plans.get_or((signature, rounded, skip_off, rules, shares), make)

    def means(self, bound: Bound, *, skip_off: bool = False) -> Means:
        """Return the program lowered for plain values, with what takes the means that its rules read; kept, too.

        Args:
            bound: the values.
            skip_off: leave out rules whose weight is 0 for good.

        Raises:
            AsrError: the values do not fit, or a mean over draws of a law is no sum over few states (ASR078).
        """
        from asrppl.lower.means import Means

        rounded = 2 ** math.ceil(math.log2(max(1, math.prod(bound.batch_shape))))
        signature, laws = bound.signature, bound.laws

        def make() -> Means:
            return Means(self.typed(signature), signature, laws, elements=rounded, skip_off=skip_off)

        return self._means.get_or((signature, laws, rounded, skip_off), make)

    # ---- values

    @public
    def violations(self, values: Mapping[str, object]) -> dict[str, Tensor]:
        """Return each rule's violation at the given values: v ≥ 0, and 0 exactly where the rule holds.

        Differentiable, on the device and in the dtype of the values, in the units of what the rule compares::

            >>> asrppl.parse("forall i: x[i] <= 1").violations({"x": torch.tensor([[0.0, 3.0], [0.0, 1.0]])})
            {'line 1': tensor([2., 0.])}

        Args:
            values: by name. The last axes of a value are those that the rule writes indices for; axes before them
                are batch axes, which broadcast between names. A number, list, NumPy array or tensor; for a box
                ``(*batch, objects, 4)`` with columns x, y, w, h (centre and sides), or 3 columns x, y, side for
                squares, or a mapping of fields; for ``q(name)`` a distribution whose law is known (a Normal, a
                Categorical); for a name that is called, a function that acts on each number. ``{"value": ..,
                "mask": ..}`` says which entries are there. Numbered names (``w_0``, ``w_1``, …) make one array.

                A value is known: its mean is itself. ``{"draws": ..}`` are draws, along a further first axis that all
                names with draws have in common: ``E[..]`` and ``P[..]`` are means over it. A name that is read inside
                them alone may be a `torch.distributions.Distribution` over finitely many numbers, the law of its
                draws, independent of all others: they are then exact. ``aggregate(..)`` is the mean over the batch::

                    >>> asrppl.parse("aggregate(x where g == 1) <= 1").violations({"x": [1.0, 4.0], "g": [0, 1]})
                    {'line 1': tensor(3.)}
                    >>> asrppl.parse("P[x <= 1] >= 0.9").violations({"x": {"draws": [0.0, 2.0, 3.0, 4.0]}})
                    {'line 1': tensor(0.6500)}
                    >>> law = torch.distributions.Bernoulli(torch.tensor([0.5, 0.5]))
                    >>> asrppl.parse("P[y[0] == y[1]] >= 0.9").violations({"y": law})
                    {'line 1': tensor(0.4000)}

        Returns:
            By rule: a tensor of the batch shape that the rule reads (0-d for a rule about the whole batch). A rule that
            reads draws outside of ``E[..]`` and ``P[..]`` has a violation for each of them, the first axis.

        Raises:
            AsrError: a name without a value, a value that does not fit, a mean over draws that are given as a law and
                have too many joint values (ASR078).
        """
        from asrppl.bind.values import bind_values

        return self._evaluate(bind_values(self.free, values), skip_off=False)

    @public
    def penalty(self, values: Mapping[str, object], step: int = 0) -> Tensor:
        """Return the weighted sum of the rules' violations, each averaged over batch and draws: Σ w_i mean v_i.

        Nats per datum, differentiable, 0-d: what is added to a loss per datum (Eq. 11 of the paper)::

            >>> asrppl.parse("rule low weight 0 -> 10 over 100 steps: x <= 1").penalty({"x": 3.0}, step=50)
            tensor(10.)

        Args:
            values: as for `violations`.
            step: of training, from 0: where a weight's ramp is.

        Raises:
            AsrError: as `violations` does, or a rule is ``hard`` (ASR079).
        """
        self._verify_weighted()
        from asrppl.bind.values import bind_values

        bound = bind_values(self.free, values)
        total: Tensor | None = None
        violations = self._evaluate(bound, skip_off=True)
        for rule in self.rules:
            weight = rule.weight.at(step)
            if rule.name in violations and weight != 0:
                term = weight * violations[rule.name].mean()
                total = term if total is None else total + term
        return total if total is not None else _zero(bound)

    @public
    def module(self, shapes: Mapping[str, tuple[int | None, ...] | Tensor], *, penalty: bool = False) -> RuleModule:
        """Return the rules as a `torch.nn.Module`, for `torch.compile`, `torch.export` and `torch.vmap`.

        Its ``forward`` takes the tensors, by place or by name, and returns what `violations` does::

            >>> rules = asrppl.parse("rule low weight 0 -> 10 over 100 steps: forall i: x[i] <= 1")
            >>> rules.module({"x": (None, 2)})(x=torch.tensor([[0.0, 3.0], [0.0, 1.0]]))
            {'low': tensor([2., 0.])}
            >>> rules.module({"x": (None, 2)}, penalty=True).at(50)(torch.tensor([[0.0, 3.0], [0.0, 1.0]]))
            tensor(5.)

        Args:
            shapes: by name, as `violations` takes values: of tensors, the columns of a box or record last. None is the
                length of a batch axis that is not known; values may have more batch axes, or none. What are no
                floating numbers is said by a tensor in place of its shape.
            penalty: return the weighted sum, as `penalty` does, with the weights of step 0; ``module.at(step)`` sets
                those of another step.

        Means over the batch (``aggregate``) are over what a call hands over: under `torch.vmap` over one entry. What is
        no number is not warned of, as `violations` does: this would read the values.

        Raises:
            AsrError: a name without a shape, a shape that does not fit, what is no tensor (``q(x)``, a function), or
                with ``penalty`` a hard rule (ASR079).
            ValueError: None for an axis that a rule indexes.
        """
        from asrppl.module import RuleModule

        if penalty:
            self._verify_weighted()
        return RuleModule(self, shapes, penalty=penalty)

    def _verify_weighted(self) -> None:
        hard = [rule for rule in self.rules if rule.hard is not None]
        if hard:
            message = "a hard rule has no weight: its penalty is a multiplier, raised in training until the rule holds"
            raise AsrError([Diagnostic("ASR079", message, rule.span, help="give it a weight") for rule in hard])

    def warn_once(self, signature: Signature) -> None:
        """Raise the warnings that only show against what the names were bound to, the first time that they are met."""
        if signature not in self._warned:
            self._warned.put(signature, True)
            warn_of(self.warnings(signature))

    def _evaluate(self, bound: Bound, *, skip_off: bool) -> dict[str, Tensor]:
        self.warn_once(bound.signature)
        violations = self.means(bound, skip_off=skip_off).violations(bound)
        self.warn_of_nan(self.typed(bound.signature).rules, violations, bound)
        return violations

    def warn_of_nan(self, rules: Iterable[TypedRule], violations: Mapping[str, Tensor], bound: Bound) -> None:
        """Warn, once a rule and entry, of violations that are no number (ASR117); nothing waits for a device."""
        found = [violation.detach() for violation in violations.values() if violation.device.type == "cpu"]
        if not math.isnan(sum(violation.sum() for violation in found)):  # none is negative: nan is never lost
            return
        for rule in rules:
            violation = violations.get(rule.name)
            if violation is None or not bool(violation.detach().isnan().any()):
                continue
            from asrppl.lower import nans

            message = f"the violation of rule `{rule.name}` is nan: {nans.culprit(nans.inputs(rule), bound)}"
            if message not in self._nans:
                self._nans.put(message, True)
                warn_of([Diagnostic("ASR117", message, rule.span, help="a rule whose cost is nan trains nothing")])

    # ---- Python

    def _repr_html_(self) -> str:
        from asrppl.highlight import html_of  # which not every reader of rules is to wait for

        rows = [
            (rule.name, weight_text(rule.weight, rule.hard), level_name(rule.levels), rule.text) for rule in self.rules
        ]
        reads = ", ".join(f"{indexed(free)}: {type_of(free)}" for free in self.free.values()) or "nothing"
        head = ("rule", "weight", "level", "formula")
        return html_of(self.source.text) + table(head, rows, f"{self.source.name}; reads {reads}")

    def __repr__(self) -> str:
        rules = ", ".join(rule.name for rule in self.rules)
        return f"Program({self.source.name!r}, rules: {rules})"

    def __reduce__(self) -> tuple[Callable[[Mapping[str, Any]], Program], tuple[dict[str, Any]]]:
        return Program.from_dict, (self.to_dict(),)


def _zero(bound: Bound) -> Tensor:
    import torch

    first = next((part for part in bound.tensors.values() if part.is_floating_point()), None)
    return torch.zeros(()) if first is None else first.new_zeros(())


@public
def load(path: str | Path, /, **params: ParamValue) -> Program:
    """Read a rule file; its imports are looked up beside it. No torch is imported.

    >>> _ = Path("low.asr").write_text("param most = 3\\nrule low: x <= most\\n")
    >>> asrppl.load("low.asr", most=2).params["most"]
    2

    Args:
        path: of the file.
        params: values for the file's ``param`` statements, in place of those it gives.

    Raises:
        AsrError: with all of the file's errors and warnings.
        OSError: the file cannot be read.
    """
    name = str(path)
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        raise AsrError([Diagnostic("ASR076", f"{name}: {unreadable(error)}")]) from error
    program = Program(Source(name, text), params, library=Folder(name, Path(path).parent))
    warn_of(program.diagnostics)
    return program


@public
def parse(text: str, /, **params: ParamValue) -> Program:
    """Read rules from a text, which may not import files. No torch is imported.

    >>> asrppl.parse("rule low weight 10: x <= most\\nparam most = 3", most=2)
    Program('<rules>', rules: low)

    Args:
        text: of the rules.
        params: values for the text's ``param`` statements, in place of those it gives.

    Raises:
        AsrError: with all of the text's errors and warnings.
    """
    _verify_no_path(text)
    program = Program(Source("<rules>", text), params)
    warn_of(program.diagnostics)
    return program


# No rule is a field or a quotient alone: what looks so is the name of a file.
_PATH = re.compile(r"[\w.~/\\ -]+\.asr|[\w.~-]*[/\\][\w./\\~-]*\.[A-Za-z]+")


def _verify_no_path(text: str) -> None:
    """Raise `AsrError` (ASR098) for the name of a file in place of rules."""
    name = text.strip()
    if _PATH.fullmatch(name):
        if name.endswith(".asr"):
            help = f'read it with asrppl.load("{name}")'
        else:
            help = "a path in place of rules ends in `.asr`, or is a pathlib.Path"
        raise AsrError([Diagnostic("ASR098", f"`{name}` is the name of a file, and no text of rules", help=help)])


def _as_lists(value: object) -> object:
    return [_as_lists(part) for part in cast(tuple[object, ...], value)] if isinstance(value, tuple) else value

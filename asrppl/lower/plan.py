"""What runs in a training step: a lowered program."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.rules import TypedProgram, TypedRule
from asrppl.core.signature import Signature
from asrppl.core.units import without
from asrppl.core.walk import rank as rank_of
from asrppl.lower import chunks, nans
from asrppl.lower.algebra import Algebra
from asrppl.lower.builder import Hidden
from asrppl.lower.chunks import Chunked
from asrppl.lower.code import Compiled
from asrppl.lower.force import in_force
from asrppl.lower.formulas import Style, total_violation
from asrppl.lower.listed import Listed
from asrppl.lower.placed import Placed

_NO_FUNCTIONS: Mapping[str, Callable[..., Tensor]] = MappingProxyType({})


class Plan(Placed):
    """A program lowered to one graph with an output per rule. Immutable; pickled as what it was lowered from.

    Args:
        arguments: of the graph, in order: the tensors that it reads by key, the functions that it calls by name.
        rules: names of its outputs, in order.
        speaking: the rules that may be vacuous, whose further outputs say where they are not.
        module: the graph; its constants are in double precision on the CPU.
        source: the arguments of `lower` that made it.
    """

    def __init__(
        self,
        arguments: tuple[InputKey | str, ...],
        rules: tuple[str, ...],
        speaking: tuple[str, ...],
        module: Compiled,
        source: tuple[TypedProgram, dict[str, Any]],
    ) -> None:
        super().__init__(arguments, module)
        self.rules = rules
        self.speaking = speaking
        self._source = source
        self._deciding = {
            rule.name: (reads, rule.datum is not None)
            for rule in source[0].rules
            if rule.name in rules and (reads := nans.deciding(rule))
        }

    def __call__(
        self, tensors: Mapping[InputKey, Tensor], functions: Mapping[str, Callable[..., Tensor]] = _NO_FUNCTIONS
    ) -> dict[str, Tensor]:
        """Return the violation of each rule: what `evaluate` returns first."""
        return self.evaluate(tensors, functions)[0]

    def evaluate(
        self, tensors: Mapping[InputKey, Tensor], functions: Mapping[str, Callable[..., Tensor]] = _NO_FUNCTIONS
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the violation of each rule, and where those speak of something that may be vacuous.

        The working dtype is that of the first floating input (torch's default where there is none); other
        inputs are converted to it. Nothing waits for a device.

        Args:
            tensors: by name and component, ``(*batch, *index axes)``, as in `Bound`; further ones are ignored.
            functions: by name.

        Returns:
            By rule, in nats per datum and unit of weight: a tensor that broadcasts to the batch shape, right-aligned
            (a scalar for a rule of population level). A rule about one datum that indexes it (`TypedRule.datum`) has
            that axis last.
        """
        results = self.run(tensors, functions)
        if not self.speaking and not self._deciding:
            return dict(zip(self.rules, results, strict=True)), {}
        count = len(self.rules)
        violations = dict(zip(self.rules, results[:count], strict=True))
        for name, (reads, whole) in self._deciding.items():
            violations[name] = nans.spoilt(violations[name], reads, tensors, whole=whole)
        return violations, dict(zip(self.speaking, results[count:], strict=True))

    @property
    def code(self) -> str:
        """The graph as Python source, loops over parts of an index after it."""
        return "\n\n".join(_codes(self.module, "")) + "\n"

    def __reduce__(self) -> tuple[Callable[..., "Plan"], tuple[TypedProgram, dict[str, Any]]]:
        return _lower_again, self._source

    def __repr__(self) -> str:
        return f"Plan(rules={self.rules}, inputs={self.inputs}, {len(self.module.graph.nodes)} nodes)"


def lower(
    program: TypedProgram,
    *,
    signature: Signature | None = None,
    elements: int = 64,
    bound: int = chunks.BOUND,
    skip_off: bool = False,
    shares: bool = False,
) -> Plan:
    """Lower a typed program to one graph.

    Args:
        program: the typed tree.
        signature: what it was typed against: saves work for the sides of squares and for axes read whole.
        elements: of the batch, about: with the lengths of the index variables it decides what is computed densely,
            and what in a loop over parts, each recomputed in the backward pass.
        bound: elements of a dense grid that may be held at once.
        skip_off: leave out rules whose weight is 0 for good.
        shares: also compute where rules speak of something, for `Plan.evaluate`.

    No rule reads a mean (`E[..]`, `P[..]`, `aggregate(..)`): those are taken apart before (`asrppl.core.moments`).
    """
    options = {"signature": signature, "elements": elements, "bound": bound, "skip_off": skip_off, "shares": shares}
    rules = [rule for rule in program.rules if not (skip_off and rule.weight.off)]
    rank = rank_of([rule.formula for rule in rules])
    entries = dict(signature.entries if signature is not None else ())
    data = max((len(rule.datum.values) for rule in rules if rule.datum is not None), default=1)
    g = Algebra(rank, (), max(1, elements * data), bound, entries)
    outputs = [_output(g, rule) for rule in rules]
    speaking = [(rule.name, found) for rule in rules if shares and (found := _output(g, rule, force=True)) is not None]
    module = g.finish([*outputs, *(found for _, found in speaking)])
    names = tuple(rule.name for rule in rules)
    arguments = tuple(key for key in g.inputs if not isinstance(key, Hidden))  # (only bodies of loops have those)
    return Plan(arguments, names, tuple(name for name, _ in speaking), module, (program, options))


def _output(g: Algebra, rule: TypedRule, *, force: bool = False) -> Any:
    formula = rule.formula if rule.datum is None else without(rule.formula, rule.datum)
    style = Style(rule.smooth, rule.margin, rule.power)
    value = in_force(g, formula) if force else total_violation(g, formula, style)
    if value is None:
        return None
    return g.drop_slots(value, keep=None if rule.datum is None else rule.datum.slot)


def _lower_again(program: TypedProgram, options: dict[str, Any]) -> Plan:
    return lower(program, **options)


def _codes(module: Compiled, name: str) -> Iterator[str]:
    yield (f"# {name}\n" if name else "") + module.code.strip()
    for part, child in module.named_children():
        if isinstance(child, Chunked | Listed):
            yield from _codes(child.body, f"{name}.{part}" if name else part)
        if isinstance(child, Listed):
            yield from _codes(child.listed, f"{name}.{part}, of pairs that are listed" if name else f"{part}, listed")

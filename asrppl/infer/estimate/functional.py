"""A rule that reads moments, lowered: its integrands, what is said of their means, and its comparisons."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.affine import affine, constant, linear_part
from asrppl.core.moments import Comparison, Decomposed, Moment, decomposed, stages
from asrppl.core.rules import TypedProgram, TypedRule
from asrppl.core.signature import Level, Signature
from asrppl.core.typed import AtMost
from asrppl.infer.estimate.evaluation import Leaf
from asrppl.infer.estimate.soundness import inputs_of
from asrppl.lower import Plan, lower
from asrppl.lower.quantities import Quantities, Quantity, integrands

Functions = Mapping[str, Callable[..., Tensor]]
Known = Callable[[Decomposed], Decomposed]
Sampled = dict[str, tuple[Tensor, Tensor | None]]
"""By moment its integrand and which draws and data are meant, as ``(*axes, *batch)``."""


@dataclass(frozen=True, eq=False)
class Functional:
    """A rule as v = G(m_1, …, m_r), lowered. What is asked at every step is worked out once.

    Args:
        decomposed: the rule taken apart.
        stages: graphs of the integrands, those of a stage reading only moments of earlier ones.
        outer: the graph of G.
        excesses: the graph of the comparisons' two sides.
        signature: what G was typed against, with the names of moments and multipliers.
        elements: of the batch, about.
    """

    decomposed: Decomposed
    stages: tuple[tuple[tuple[Moment, ...], Quantities], ...]
    outer: Plan
    excesses: Quantities
    signature: Signature
    elements: int

    @classmethod
    def of(cls, rule: TypedRule, signature: Signature, elements: int, known: Known) -> "Functional":
        """Return a rule lowered against ``signature``, for batches of about so many elements.

        ``known`` exchanges the integrands of moments for others of the same means, whose gradients are right.
        """
        parts = known(decomposed(rule))
        signature = parts.signature(signature)
        turns = tuple((turn, integrands(turn, signature, elements)) for turn in stages(parts.moments))
        outer = lower(TypedProgram((parts.rule,)), signature=signature, elements=elements, shares=True)
        asked = [Quantity(comparison.excess, comparison.variables) for comparison in parts.comparisons]
        return cls(parts, turns, outer, Quantities(asked, signature, elements), signature, elements)

    @property
    def name(self) -> str:
        """Of the rule."""
        return self.decomposed.rule.name

    @property
    def moments(self) -> tuple[Moment, ...]:
        """Those that are read by another before it."""
        return self.decomposed.moments

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Those that have multipliers."""
        return self.decomposed.comparisons

    @cached_property
    def by_name(self) -> dict[str, Moment]:
        """Its moments."""
        return {moment.name: moment for moment in self.moments}

    @cached_property
    def axes(self) -> dict[Leaf, int]:
        """How many axes of the tensors of each leaf are no batch axes."""
        sums = {(moment.name, "sum"): axes_of(moment) for moment in self.moments}
        return sums | {(moment.name, "share"): len(moment.variables) for moment in self.moments}

    @cached_property
    def lengths(self) -> str:
        """The lengths of its moments' and comparisons' axes, those over data named: what it remembers has those."""
        moments = (_axes(each.lengths, each.operator.levels) for each in self.moments)
        return " ".join((*moments, *(_axes(each.lengths, each.excess.levels) for each in self.comparisons)))

    @cached_property
    def read_by(self) -> dict[str, frozenset[str]]:
        """By comparison the moments that it reads."""
        return {
            each.name: frozenset(name for name, _ in inputs_of(each.excess) if name in self.by_name)
            for each in self.comparisons
        }

    @cached_property
    def is_one(self) -> bool:
        """Whether the rule is one comparison, and nothing else."""
        formula = self.decomposed.rule.formula
        return isinstance(formula, AtMost) and formula.multiplier is not None and formula.defined is None

    @cached_property
    def classical(self) -> tuple[Leaf, float] | None:
        """Of a rule that is one comparison a m + b <= 0 with numbers a and b (Eq. 2 of the paper) m and a."""
        if not self.is_one:
            return None
        found = affine(self.comparisons[0].excess, self.by_name.keys())
        if found is None or len(found.pieces) != 1 or len(self.moments) != 1 or constant(found.rest) is None:
            return None
        (piece,), (moment,) = found.pieces, self.moments
        factor = constant(piece.coefficient)
        plain = not (self.comparisons[0].variables or moment.variables or piece.variables or moment.support)
        return ((moment.name, "sum"), factor) if plain and factor is not None else None

    @cached_property
    def linear(self) -> Quantities | None:
        """How far means that move move each comparison, where all are affine in values of moments; None elsewhere."""
        asked: list[Quantity] = []
        for each in self.comparisons:
            reads = self.read_by[each.name]
            part = linear_part(each.excess, reads)
            if part is None or not reads or any(self.by_name[name].support is not None for name in reads):
                return None  # (of a distribution it reads the logarithms of the probabilities)
            asked.append(Quantity(part, each.variables))
        return Quantities(asked, self.signature, self.elements)

    @cached_property
    def reads(self) -> tuple[dict[str, frozenset[InputKey]], ...]:
        """By stage and moment what its integrand reads, other moments among it."""
        return tuple({moment.name: _inputs(moment) for moment in stage} for stage, _ in self.stages)

    def inputs(self, moment: Moment) -> frozenset[InputKey]:
        """What the integrand of a moment reads."""
        return _inputs(moment)

    def is_exact(self, comparison: Comparison, exact: frozenset[str]) -> bool:
        """Whether all the moments that a comparison reads are in ``exact``."""
        return self.read_by[comparison.name] <= exact

    def comparisons_of(self, moments: Collection[str]) -> frozenset[str]:
        """Return the names of the comparisons that read one of ``moments``."""
        if not moments:
            return frozenset()
        return frozenset(name for name, own in self.read_by.items() if not own.isdisjoint(moments))

    @cached_property
    def of_each_datum(self) -> frozenset[str]:
        """The names of the moments and comparisons that each datum has."""
        moments = {moment.name for moment in self.moments if not is_whole(moment)}
        return frozenset(moments | {each.name for each in self.comparisons if Level.DATUM in each.excess.levels})

    @cached_property
    def about_data(self) -> bool:
        """Whether what it says is said of each datum."""
        return Level.DATUM in self.decomposed.rule.formula.levels

    def sampled(self, stage: int, tensors: Mapping[InputKey, Tensor], functions: Functions) -> Sampled:
        """Return the integrands of a stage on the draws and data of a run."""
        moments, quantities = self.stages[stage]
        found = iter(quantities(tensors, functions))
        sampled: Sampled = {}
        for moment in moments:
            body = _axes_first(next(found), axes_of(moment))
            where = None if moment.where is None else _axes_first(next(found), len(moment.variables))
            sampled[moment.name] = body, where
        return sampled


def _axes(lengths: tuple[int, ...], levels: frozenset[Level]) -> str:
    return "x".join([*map(str, lengths), *(["data"] if Level.DATUM in levels else [])])


def axes_of(moment: Moment) -> int:
    """Return how many axes a moment has, that of a distribution's values among them."""
    return len(moment.variables) + (moment.support is not None)


def is_whole(moment: Moment) -> bool:
    """Whether a moment is one for all data, and not one for each datum."""
    return Level.DATUM in moment.over or Level.DATUM not in moment.operator.levels


def _axes_first(value: Tensor, axes: int) -> Tensor:
    return value.movedim(tuple(range(-axes, 0)), tuple(range(axes))) if axes else value


def _inputs(moment: Moment) -> frozenset[InputKey]:
    own = inputs_of(moment.integrand)
    return own if moment.where is None else own | inputs_of(moment.where)

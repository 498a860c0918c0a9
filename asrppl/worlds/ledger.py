"""What each conjunct of each rule costs, and which entries it reads: so that a change is priced by what it touches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from asrppl.check import RuleInfo
from asrppl.reference.names import Scope
from asrppl.reference.readings import ZERO, Triple
from asrppl.worlds.instances import Place, conjuncts, total
from asrppl.worlds.watched import NEAR, Cell, Entry, Watched


@dataclass(slots=True)
class Ledger:
    """A rule at one datum.

    Args:
        watched: the interpreter of the datum.
        rule: the name of the rule.

    Raises:
        NotImplementedError: the interpreter knows no cost of it.
    """

    watched: Watched
    rule: str
    applies: bool = True
    places: list[tuple[Place, Triple]] = field(default_factory=list[tuple[Place, Triple]])
    _by: dict[Entry, list[int]] = field(default_factory=dict[Entry, list[int]])
    _guards: set[Entry] = field(default_factory=set[Entry])

    def __post_init__(self) -> None:
        rule = self.watched.rule(self.rule)
        reading = self.watched.reading(rule)
        with self.watched.touching() as touched:
            self.applies = self.watched.applies(rule)
            whole = Place(rule.formula, Scope(self.watched.module), True)
            for place in conjuncts(self.watched, whole) if self.applies else ():
                self._guards |= touched  # what was read to get to this instance
                touched.clear()
                triple = place.cost(self.watched, reading)
                for entry in touched:
                    self._by.setdefault(entry, []).append(len(self.places))
                touched.clear()
                self.places.append((place, triple))
            self._guards |= touched

    @property
    def parts(self) -> Triple:
        """What the rule costs: decided, discrete, graded."""
        if not self.places:
            return ZERO
        decided, discrete, graded = zip(*(triple for _, triple in self.places), strict=True)
        return sum(decided), sum(discrete), sum(graded)

    def broken(self) -> list[tuple[Place, Triple]]:
        """Return the conjuncts that are not kept, the worst first."""
        return sorted((pair for pair in self.places if total(pair[1]) > NEAR), key=lambda pair: -total(pair[1]))

    def reads(self, cell: Cell) -> bool:
        """Whether a cell has a say in what the rule costs."""
        return cell.entry in self._by or cell.entry in self._guards

    def after(self, cell: Cell, new: object) -> float:
        """Return what the rule costs with another number in a cell."""
        with self.watched.changed(cell, new):
            if cell.entry in self._guards:  # there may be other instances
                return total(Ledger(self.watched, self.rule).parts)
            reading = self.watched.reading(self.watched.rule(self.rule))
            found = total(self.parts)
            for at in self._by.get(cell.entry, ()):
                place, before = self.places[at]
                found += total(place.cost(self.watched, reading)) - total(before)
            return max(found, 0.0)


class Books:
    """The ledgers of all rules and data, each kept once it was made.

    Args:
        rules: of the file.
        data: the interpreters of all data.
    """

    def __init__(self, rules: Sequence[RuleInfo], data: Sequence[Watched]) -> None:
        self._population = {rule.name: not rule.levels for rule in rules}
        self._data = data
        self._kept: dict[tuple[str, int], Ledger | None] = {}

    def of(self, rule: str, datum: int) -> Ledger:
        """Return a rule's ledger at a datum (a rule about all data has one).

        Raises:
            NotImplementedError: the interpreter knows no cost of it.
        """
        datum = 0 if self._population[rule] else datum
        found = self._kept.get((rule, datum))
        if found is None:
            found = self._kept[rule, datum] = Ledger(self._data[datum], rule)
        return found

    def entry(self, rule: str, watched: Watched, cell: Cell, of: str = "") -> str:
        """Return how a rule writes a number, with its datum unless that is the one which is spoken of."""
        here = cell.datum == watched.number and (len(self._data) == 1 or not self._population[rule])
        return f"{cell}{of}" if here else f"{cell}{of} of datum {cell.datum}"

    def breaks(self, cell: Cell, new: object) -> tuple[str, ...]:
        """Return the rules that another number in a cell breaks, which are kept now."""
        found: list[str] = []
        for rule, population in self._population.items():
            for datum in range(1 if population else len(self._data)):
                try:
                    ledger = self.of(rule, datum)
                except NotImplementedError:
                    break
                if ledger.reads(cell) and total(ledger.parts) <= NEAR and ledger.after(cell, new) > NEAR:
                    found.append(rule)
                    break
        return tuple(found)

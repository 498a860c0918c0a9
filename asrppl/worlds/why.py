"""Why rules do not hold of some values: which instances break them, by how much, and what mends each most cheaply.

It is worked out by the reference interpreter, and needs no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asrppl.check import check_file, type_program
from asrppl.check.params import ParamValue
from asrppl.diagnostics import AsrError, in_order
from asrppl.files import Folder, Library, read_text
from asrppl.reference.readings import ZERO, Triple, Violation
from asrppl.source import Source
from asrppl.suggest import did_you_mean
from asrppl.syntax import parse_file
from asrppl.worlds.data import Values, data_of, signature_of
from asrppl.worlds.instances import Place, some, total
from asrppl.worlds.ledger import Books
from asrppl.worlds.mend import cheapest
from asrppl.worlds.watched import NEAR, Watched, everyone

SHOWN = 5
"""Instances of a rule that are looked into, where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One side of an ``or``, an ``implies`` or an ``exists``.

    Args:
        text: how it reads for this instance.
        parts: what it costs: decided, discrete, graded.
        active: whether it is the one that counts, the first in dictionary order.
    """

    text: str
    parts: Triple
    active: bool

    @property
    def violation(self) -> float:
        """What it costs in all."""
        return total(self.parts)


@dataclass(frozen=True, slots=True)
class Mend:
    """The least change of one number with which an instance is kept; it was tried.

    Args:
        entry: which number, as a rule writes it: ``box[0].x``.
        old: what it is.
        new: what it would have to be.
        left: what its rule would still cost.
        breaks: the rules that would be broken, and are kept now.
        taken: of a probability, which one it is taken from: ``q(n)[0]``.
    """

    entry: str
    old: bool | int | float
    new: bool | int | float
    left: float
    breaks: tuple[str, ...] = ()
    taken: str = ""

    @property
    def by(self) -> float:
        """How far the number moves; a Boolean moves by 1."""
        return abs(self.new - self.old)


@dataclass(frozen=True, slots=True)
class Instance:
    """A conjunct of a rule that is broken, for one choice of its index variables.

    Args:
        at: the index variables of leading ``forall``s, and their values.
        text: how it reads there.
        parts: what it costs: decided, discrete, graded.
        branches: of an ``or`` and the like; of many only the best ones.
        reads: the numbers that it reads, as rules write them.
        mend: None where no single number that may change mends it, or where it was not looked for.
        note: what else there is to say, "" for nothing.
    """

    at: tuple[tuple[str, int], ...]
    text: str
    parts: Triple
    branches: tuple[Branch, ...]
    reads: tuple[tuple[str, object], ...]
    mend: Mend | None
    note: str = ""

    @property
    def violation(self) -> float:
        """What it costs in all."""
        return total(self.parts)


@dataclass(frozen=True, slots=True)
class Why:
    """What a rule comes to at one datum.

    Args:
        rule: its name; a bare formula's is its line.
        datum: where in the batch; empty where there is none.
        holds: whether it costs nothing (up to 1e-9).
        applies: whether it speaks of this datum (its ``where``).
        parts: what it costs: decided, discrete, graded.
        instances: the worst that are broken, worst first.
        more: how many others there are.
        problem: why it cannot be told, "" where it can.
    """

    rule: str
    datum: tuple[int, ...]
    holds: bool
    applies: bool
    parts: Triple
    instances: tuple[Instance, ...] = ()
    more: int = 0
    problem: str = ""

    @property
    def violation(self) -> float:
        """What it costs in all."""
        return total(self.parts)


def why(
    rules: str | Path | Source,
    values: Values,
    params: Mapping[str, ParamValue] | None = None,
    *,
    library: Library | None = None,
    shown: int = SHOWN,
    only: Sequence[str] | None = None,
) -> list[Why]:
    """Return what each rule comes to at the values, and why.

    A value is known: its mean over draws is itself, and ``aggregate(..)`` is the mean over the batch.

    Args:
        rules: their text, the path of a file, or a source, with ``library``.
        values: by name, as `Program.violations` takes them: leading axes that no index names are a batch.
        params: in place of those that the rules give.
        library: where the imports of a source are looked up.
        shown: how many instances of each rule are looked into, the worst first.
        only: the rules that are meant; None for all.

    Raises:
        AsrError: the rules have errors, or the values do not fit them.
        KeyError: there is no rule of a name in ``only``.
        OSError: the file cannot be read.
    """
    if isinstance(rules, Path):
        rules, library = Source(str(rules), read_text(rules)), Folder(str(rules), rules.parent)
    source = Source("<rules>", rules) if isinstance(rules, str) else rules
    parsed = parse_file(source)
    params = dict(params or {})
    checked = check_file(parsed.file, params, library=library)
    if parsed.diagnostics or checked.failed:
        raise AsrError(in_order((*parsed.diagnostics, *checked.diagnostics)))
    names = [rule.name for rule in checked.rules]
    for name in only or ():
        if name not in names:
            mend = did_you_mean(name, names) or f"rules there are: {', '.join(names) or 'none'}"
            raise KeyError(f"there is no rule `{name}`; {mend}")
    data = data_of(checked.free, values)
    for datum in data.values[:1]:
        type_program(checked, signature_of(checked.free, datum))
    known = {name: value for name, value in checked.params.items() if name in params}
    watched = everyone(lambda datum: Watched(source, datum, params=known, library=library), data.values)
    books, found = Books(checked.rules, watched), list[Why]()
    for rule in checked.rules:
        if only is not None and rule.name not in only:
            continue
        if not rule.levels and watched:  # of the whole population there is one value
            found.append(_why(books, watched[0], rule.name, (), shown))
            continue
        places = zip(data.places(), watched, strict=True)
        found += [_why(books, one, rule.name, place, shown) for place, one in places]
    return found


def _why(books: Books, watched: Watched, rule: str, datum: tuple[int, ...], shown: int) -> Why:
    try:
        ledger = books.of(rule, watched.number)
        found = ledger.broken()
        looked = tuple(_instance(books, watched, rule, *pair) for pair in found[:shown])
    except NotImplementedError as error:
        return Why(rule, datum, False, True, ZERO, problem=str(error))
    holds = total(ledger.parts) <= NEAR
    return Why(rule, datum, holds, ledger.applies, ledger.parts, looked, len(found) - len(looked))


def _instance(books: Books, watched: Watched, rule: str, place: Place, parts: Triple) -> Instance:
    reading = watched.reading(watched.rule(rule))
    branches, note = _branches(watched, reading, place)
    with watched.noting() as noted:
        place.cost(watched, reading)
    reads = tuple((books.entry(rule, watched, cell), watched.value(cell)) for cell in noted)
    mend = None
    if parts[0] > NEAR and all(cell.name in watched.declared for cell in noted):
        note = note or "it reads only what nothing can change"
    else:
        mend = _mend(books, watched, rule, reading, place)
        note = note or ("" if mend else "no single number mends it")
    return Instance(place.indices, place.text(watched), parts, branches, reads, mend, note)


def _branches(watched: Watched, reading: Violation, place: Place) -> tuple[tuple[Branch, ...], str]:
    found = some(watched, place)
    if found is None:
        return (), ""
    if not found:
        return (), "no index passes its guard"
    costs = [(part, part.cost(watched, reading)) for part in found]
    first = min(range(len(costs)), key=lambda at: costs[at][1])
    shown = sorted(range(len(costs)), key=lambda at: costs[at][1])[:SHOWN]
    return tuple(Branch(costs[at][0].text(watched), costs[at][1], at == first) for at in sorted(shown)), ""


def _mend(books: Books, watched: Watched, rule: str, reading: Violation, place: Place) -> Mend | None:
    """Return the cheapest mend; of several as cheap, one that breaks and leaves least."""
    mends: list[Mend] = []
    for change in cheapest(watched, reading, place)[:SHOWN]:
        left = books.of(rule, watched.number).after(change.cell, change.put)
        breaks = books.breaks(change.cell, change.put)
        entry = books.entry(rule, watched, change.cell, change.of)
        taken = "" if change.taken is None else books.entry(rule, watched, change.cell, f"[{change.taken:g}]")
        mends.append(Mend(entry, change.old, change.new, left, breaks, taken))
    return min(mends, key=lambda mend: (len(mend.breaks), mend.left), default=None)

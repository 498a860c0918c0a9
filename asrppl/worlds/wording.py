"""What `why` and `example` found, in words: for the command line, the REPL and a page alike."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from asrppl.literals import exact
from asrppl.worlds.shown import Example, Shown
from asrppl.worlds.watched import NEAR
from asrppl.worlds.why import Branch, Instance, Mend, Why

_PARTS = ("decided", "discrete", "graded")
_READ = 8
"""Numbers that are listed of those an instance reads."""


def written(value: object) -> str:
    """Return a value to the last digit, reals without a point where they are whole."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        parts = cast(Mapping[object, object], value).items()
        return "{" + ", ".join(f"{name}: {written(part)}" for name, part in parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, cast(Sequence[object], value))) + "]"
    if isinstance(value, float):
        short = amount(value)
        return short if float(short) == value else repr(value)
    return str(value)


def amount(number: float) -> str:
    """Return what something costs, or how far it moves, in six digits."""
    return f"{number:.6g}"


def lines_of(why: Why) -> Iterator[str]:
    """Yield what is to be said of a rule at one datum, a line each."""
    where = f" [{', '.join(map(str, why.datum))}]" if why.datum else ""
    if why.problem:
        yield f"{why.rule}{where}: cannot be told: {why.problem}"
    elif not why.applies:
        yield f"{why.rule}{where}: holds, since it asks nothing here"
    elif why.holds:
        yield f"{why.rule}{where}: holds"
    else:
        yield f"{why.rule}{where}: does not hold, violation {amount(why.violation)} ({_parts(why.parts)})"
    for instance in why.instances:
        yield from _instance(instance)
    if why.more:
        yield f"  and {why.more} more"


def _instance(instance: Instance) -> Iterator[str]:
    at = ", ".join(f"{name}={value}" for name, value in instance.at)
    yield f"  {at}{': ' if at else ''}{instance.text} costs {amount(instance.violation)}"
    for branch in instance.branches:
        yield f"    {_branch(branch)}"
    if instance.reads:
        shown = ", ".join(f"{entry} = {written(value)}" for entry, value in instance.reads[:_READ])
        yield f"    reads {shown}{', …' if len(instance.reads) > _READ else ''}"
    if instance.mend is not None:
        yield f"    mend: {_mend(instance.mend)}"
    if instance.note:
        yield f"    {instance.note}"


def _branch(branch: Branch) -> str:
    return f"{'active' if branch.active else 'or'}: {branch.text} costs {amount(branch.violation)}"


def _mend(mend: Mend) -> str:
    """Return a mend in words: ``box[0].x from 10 to 6 (by 4), and the rule holds``."""
    change = f"{mend.entry} from {written(mend.old)} to {written(mend.new)}"
    if not isinstance(mend.old, bool):
        change += f" (by {amount(mend.by)}{f', taken from {mend.taken}' if mend.taken else ''})"
    after = "and the rule holds" if mend.left <= NEAR else f"and the rule costs {amount(mend.left)}"
    return change + f", {after}" + (f"; it breaks {_list(mend.breaks)}" if mend.breaks else "")


def _parts(parts: Sequence[float]) -> str:
    return " + ".join(f"{amount(part)} {name}" for part, name in zip(parts, _PARTS, strict=True) if part > 0)


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


# ---- examples


def headline(shown: Shown) -> str:
    """Return what a world is for."""
    if not shown.rule:
        return "keeps all rules"
    by = shown.costs.get(shown.rule, 0.0)
    return f"breaks {shown.rule} alone, by {amount(float(by))}"


def example_lines(example: Example) -> Iterator[str]:
    """Yield what is to be said of example worlds, a line each."""
    for what in example.said:
        yield f"made up: {what}"
    if example.conflict:
        yield ""
        alone = len(example.conflict) == 1
        least = "no smaller set does" if example.smallest else "a smaller set may, too"
        names = _list(example.conflict)
        yield f"{names} never holds" if alone else f"These rules stand against each other: {names} ({least})"
    for shown in (example.keeps, *example.breaks):
        yield ""
        yield from _world(shown, example.boxes)


def _world(shown: Shown, boxes: Sequence[str]) -> Iterator[str]:
    if not shown.proved and shown.values is not None:
        yield f"{headline(shown)} ({shown.how})"
        yield from _values(shown.values, boxes)
        return
    what = f"no world breaks {shown.rule} alone" if shown.rule else "no world keeps all rules"
    yield f"{what}: {shown.how}"
    if shown.nearest is not None and not shown.rule and not shown.proved:
        broken = {rule: cost for rule, cost in shown.costs.items() if cost > NEAR}
        yield f"least broken: {', '.join(f'{rule} by {amount(cost)}' for rule, cost in broken.items())}"
        yield from _values(shown.nearest, boxes)


def _values(values: Mapping[str, object], boxes: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in assignments(values, boxes))


def assignments(values: Mapping[str, object], boxes: Sequence[str]) -> Iterator[str]:
    """Yield values as the REPL reads them, the very same, a line each: what is shown was checked.

    A real keeps its point: rules ask other things of integers (`x < 0` holds of 0.0). The numbers of ``boxes`` are
    reals however they are written.
    """
    for name, value in values.items():
        yield f"{name} = {written(value) if name in boxes else exact(value)}"

"""What `why` and `example` found, in words: for the command line, the REPL and a page alike."""

from collections.abc import Iterator, Sequence

from asrppl.worlds.watched import NEAR
from asrppl.worlds.why import Branch, Instance, Mend, Why

_PARTS = ("decided", "discrete", "graded")
_READ = 8
"""Numbers that are listed of those an instance reads."""


def number(value: object) -> str:
    """Return a number as rules write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


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
        yield f"{why.rule}{where}: does not hold, violation {number(why.violation)} ({_parts(why.parts)})"
    for instance in why.instances:
        yield from _instance(instance)
    if why.more:
        yield f"  and {why.more} more"


def _instance(instance: Instance) -> Iterator[str]:
    at = ", ".join(f"{name}={value}" for name, value in instance.at)
    yield f"  {at}{': ' if at else ''}{instance.text} costs {number(instance.violation)}"
    for branch in instance.branches:
        yield f"    {_branch(branch)}"
    if instance.reads:
        shown = ", ".join(f"{entry} = {_value(value)}" for entry, value in instance.reads[:_READ])
        yield f"    reads {shown}{', …' if len(instance.reads) > _READ else ''}"
    if instance.mend is not None:
        yield f"    mend: {_mend(instance.mend)}"
    if instance.note:
        yield f"    {instance.note}"


def _branch(branch: Branch) -> str:
    return f"{'active' if branch.active else 'or'}: {branch.text} costs {number(branch.violation)}"


def _mend(mend: Mend) -> str:
    """Return a mend in words: ``box[0].x from 10 to 6 (by 4), and the rule holds``."""
    change = f"{mend.entry} from {number(mend.old)} to {number(mend.new)}"
    if not isinstance(mend.old, bool):
        change += f" (by {number(mend.by)})"
    after = "and the rule holds" if mend.left <= NEAR else f"and the rule costs {number(mend.left)}"
    return change + f", {after}" + (f"; it breaks {_list(mend.breaks)}" if mend.breaks else "")


def _parts(parts: Sequence[float]) -> str:
    return " + ".join(f"{number(part)} {name}" for part, name in zip(parts, _PARTS, strict=True) if part > 0)


def _value(value: object) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{number(at)}: {number(share)}" for at, share in value.items())  # pyright: ignore
        return f"{{{inside}}}"
    return number(value)


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

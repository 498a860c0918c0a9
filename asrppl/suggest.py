"""Which name was meant: distances between names."""

from collections.abc import Iterable

_LONGEST = 64


def distance(a: str, b: str) -> int:
    """Return the number of insertions, deletions, substitutions and swaps of neighbours between two names.

    Where what they do not begin and end with in common is longer than a name should be, the longer of it is returned:
    a bound, and the work is that of names.
    """
    start = _common(a, b)
    end = _common(a[start:][::-1], b[start:][::-1])
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    if max(len(a), len(b)) > _LONGEST:
        return max(len(a), len(b))
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        current = [i]
        for j, right in enumerate(b, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]


def _common(a: str, b: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


def nearest(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Return the known names that ``name`` may have been meant for, the likeliest first."""
    bound = max(1, len(name) // 3)
    folded = name.lower()
    likely = (other for other in set(known) if other != name and abs(len(other) - len(name)) <= bound)
    ranked = sorted((distance(folded, other.lower()), other) for other in likely)
    # Names that share no letter are not near, however short they are.
    return tuple(other for far, other in ranked if far <= bound and far < max(len(name), len(other)))[:limit]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return a help text that offers the nearest known names, None where none is near."""
    found = nearest(name, known)
    if not found:
        return None
    quoted = [f"`{other}`" for other in found]
    return f"did you mean {quoted[0] if len(quoted) == 1 else ', '.join(quoted[:-1]) + ' or ' + quoted[-1]}?"


def _squeezed(name: str) -> str:
    kept = [c for i, c in enumerate(name) if i == 0 or c != name[i - 1] or c.isdigit()]
    return "".join(kept).lower()


def is_suspiciously_close(name: str, other: str) -> bool:
    """Whether one of two different names looks like a slip for the other.

    Names that differ in their digits (``x1``, ``x2``) are a family, and short names are often one letter apart: of
    those only a doubled letter, another case or a swap counts.
    """
    if name == other:
        return False
    if _without_digits(name) == _without_digits(other):
        return False
    if _squeezed(name) == _squeezed(other):
        return True
    shorter = min(len(name), len(other))
    if shorter < 4:
        return len(name) == len(other) > 1 and sorted(name) == sorted(other) and distance(name, other) == 1
    return distance(name, other) <= (1 if shorter < 8 else 2)


def _without_digits(name: str) -> str:
    return "".join(c for c in name if not c.isdigit())

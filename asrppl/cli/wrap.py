"""Formulas over several lines: broken before an operator, where the fewest brackets are open."""

WIDTH = 100
_LOOSE = ("⇔ ", "⇒ ", "∨ ", "∧ ", "≤ ", "≥ ", "= ", "< ", "> ", "∈ ", "+ ", "− ", "· ", "/ ")
"""What a line begins with, best first."""


def wrapped(text: str, width: int) -> list[str]:
    """Return Unicode mathematics in lines of at most ``width`` characters where it has places to break them.

    Lines after the first are to be indented by two, which ``width`` has no room for.
    """
    lines: list[str] = []
    start, depths = 0, _depths(text)
    while len(text) - start > width - 2 * bool(lines):
        room = width - 2 * bool(lines)
        places = [at for at in range(start + 1, min(start + room + 1, len(text))) if text[at - 1] == " "]
        if not places:
            break
        fewest = min(depths[at] for at in places)
        best = max((at for at in places if depths[at] == fewest), key=lambda at: (-_looseness(text, at), at))
        if best - start < room // 4:  # a short head alone on its line: what is in its brackets is broken, too
            best = max(places, key=lambda at: (at - start >= room // 2, -depths[at], -_looseness(text, at), at))
        lines.append(text[start : best - 1])
        start = best
    return [*lines, text[start:]]


def _looseness(text: str, at: int) -> int:
    found = (place for place, sign in enumerate(_LOOSE) if text.startswith(sign, at))
    return next(found, len(_LOOSE) + (text[at - 2] not in ":,"))


def _depths(text: str) -> list[int]:
    depths: list[int] = []
    depth = 0
    for character in text:
        depths.append(depth)
        depth += (character in "([{⌊") - (character in ")]}⌋")
    return depths

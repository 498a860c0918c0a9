"""Commands that move values, and draw them: `:grad`, `:descend`, `:plot`."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from asrppl.cli.output import counted
from asrppl.cli.repl.picture import Box, frame_of, text_picture
from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command, subject
from asrppl.cli.repl.show import show_value
from asrppl.commands import printable
from asrppl.files import unreadable, write_whole
from asrppl.worlds.picture import Panel, panels_svg

if TYPE_CHECKING:
    from asrppl.cli.repl.moves import Moved
    from asrppl.cli.repl.shell import Repl

_STEPS = 500
_PAUSE = 0.08
"""Seconds between two pictures of a descent."""
Boxes = dict[str, Box]


def grad(repl: "Repl", text: str) -> None:
    """Print the gradient of the penalty in each real value."""
    from asrppl.cli.repl import moves

    found = moves.start(repl, text)
    penalty = found.penalty()
    print(f"penalty {float(penalty.detach()):g}")
    _print_values(found, found.shown(found.slopes(penalty)), "d/d ")


def _print_values(found: "Moved", values: dict[str, object], before: str = "") -> None:
    for name, value in values.items():
        print(printable(f"{before}{name} = {show_value(value)}"))
    for name, why in found.fixed.items():
        print(printable(f"{name} stays: {why}"))


def descend(repl: "Repl", text: str) -> None:
    """Let the values descend the penalty, and show where they settle."""
    from asrppl.cli.repl import moves
    from asrppl.cli.repl.evaluation import values_of

    found = moves.start(repl, text)
    session, values = repl.session, repl.session.values
    way: list[Boxes] = [moves.boxes(found.program, found.values)]
    there = moves.descend(found, _STEPS, lambda: way.append(moves.boxes(found.program, found.values)))
    last = there.last if there.last > moves.NEAR else 0.0
    print(f"penalty {there.first:g} -> {last:.3g} in {counted(there.steps, 'step')}")
    moved: dict[str, object] = {}
    for name, value in there.values.items():
        old = values[name]
        moved[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    session.set_all(moved)
    repl.start = values
    _print_values(found, there.values)
    if way[0]:
        _print_way([*way, moves.boxes(found.program, values_of(found.program, session.values))])


def _print_way(way: list[Boxes]) -> None:
    """Draw where boxes began, and where they ended; a terminal shows the way between."""
    frame = frame_of([box for boxes in way for box in boxes.values()])
    print("before:")
    print("\n".join(_picture(way[0], frame)))
    print("after:")
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        for boxes in way[:-1]:
            lines = _picture(boxes, frame)
            print("\n".join(lines), end="", flush=True)
            time.sleep(_PAUSE)
            print(end=f"\x1b[{len(lines) - 1}A\r\x1b[J")  # back to where it began, and nothing from there
    print("\n".join(_picture(way[-1], frame)))


def _picture(boxes: Boxes, frame: tuple[float, float, float, float]) -> list[str]:
    has_lines = (sys.stdout.encoding or "ascii").lower().startswith("utf")
    return text_picture(boxes, frame, ascii_only=not has_lines)


def plot(repl: "Repl", text: str) -> None:
    """Draw the boxes that the rules read, in the terminal or to an SVG file."""
    from asrppl.cli.repl import moves
    from asrppl.cli.repl.evaluation import values_of

    session = repl.session
    program = session.program() if session.rules() else session.checked(subject(repl, ""))
    boxes = moves.boxes(program, values_of(program, session.values))
    if not boxes:
        raise ReplError("there are no boxes to draw: no rule reads one that has a value")
    if not text:
        print("\n".join(_picture(boxes, frame_of([*boxes.values()]))))
        return
    if not text.endswith(".svg"):
        raise ReplError(f"{text}: the picture is an SVG file, so give it a name that ends in .svg")
    before = {} if repl.start is None else moves.boxes(program, values_of(program, repl.start))
    try:
        write_whole(Path(text), _svg(before, boxes).encode())
    except OSError as error:
        raise ReplError(f"{text}: {unreadable(error)}") from None
    print(printable(f"{text}: {counted(len(boxes), 'box', 'boxes')}"))


def _svg(before: Boxes, now: Boxes) -> str:
    titled = {"before": before, "after": now} if before not in ({}, now) else {"": now}
    panels = [
        Panel(title, tuple((label, box.rectangle) for label, box in boxes.items())) for title, boxes in titled.items()
    ]
    return panels_svg(panels) or ""


COMMANDS = {
    "grad": Command("grad [RULE]", "which way its cost rises in each real value", grad, "formula"),
    "descend": Command("descend [RULE]", "let the values go to where it holds, and show them", descend, "formula"),
    "plot": Command("plot [FILE.svg]", "draw the boxes; in a file also where :descend began", plot, "file"),
}

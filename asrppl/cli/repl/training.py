"""Commands that move values, and draw them: `:grad`, `:descend`, `:plot`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from asrppl.cli.output import counted
from asrppl.cli.repl.literals import show_value
from asrppl.cli.repl.picture import Box, frame_of, text_picture
from asrppl.cli.repl.places import ReplError
from asrppl.cli.repl.registry import Command, subject
from asrppl.commands import printable
from asrppl.files import unreadable, write_whole
from asrppl.worlds.picture import Panel, panels_svg

if TYPE_CHECKING:
    from asrppl.cli.repl.moves import Moved
    from asrppl.cli.repl.shell import Repl

_STEPS = 500


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

    found = moves.start(repl, text)
    session, values = repl.session, repl.session.values
    before = dict(moves.boxes(session, found.program))
    there = moves.descend(found, _STEPS)
    last = there.last if there.last > moves.NEAR else 0.0
    print(f"penalty {there.first:g} -> {last:.3g} in {counted(there.steps, 'step')}")
    moved: dict[str, object] = {}
    for name, value in there.values.items():
        old = values[name]
        moved[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    session.set_all(moved)
    repl.start = values
    _print_values(found, there.values)
    after = dict(moves.boxes(session, found.program))
    if after:
        _print_pictures(before, after)


def _print_pictures(before: dict[str, Box], after: dict[str, Box]) -> None:
    frame = frame_of([*before.values(), *after.values()])
    for title, boxes in (("before:", before), ("after:", after)):
        print(title)
        print("\n".join(text_picture(boxes, frame, ascii_only=not _has_lines())))


def plot(repl: "Repl", text: str) -> None:
    """Draw the boxes that the rules read, in the terminal or to an SVG file."""
    from asrppl.cli.repl import moves

    session = repl.session
    program = session.program() if session.rules() else session.checked(subject(repl, ""))
    boxes = dict(moves.boxes(session, program))
    if not boxes:
        raise ReplError("there are no boxes to draw: no rule reads one that has a value")
    if not text:
        print("\n".join(text_picture(boxes, frame_of([*boxes.values()]), ascii_only=not _has_lines())))
        return
    if not text.endswith(".svg"):
        raise ReplError(f"{text}: the picture is an SVG file, so give it a name that ends in .svg")
    now, before = session.values, dict[str, Box]()
    if repl.start is not None:
        session.values = {**now, **repl.start}
        try:
            before = dict(moves.boxes(session, program))
        finally:
            session.values = now
    try:
        write_whole(Path(text), _svg(before, boxes).encode())
    except OSError as error:
        raise ReplError(f"{text}: {unreadable(error)}") from None
    print(printable(f"{text}: {counted(len(boxes), 'box', 'boxes')}"))


def _svg(before: dict[str, Box], now: dict[str, Box]) -> str:
    titled = {"before": before, "after": now} if before not in ({}, now) else {"": now}
    panels = [
        Panel(title, tuple((label, box.rectangle) for label, box in boxes.items())) for title, boxes in titled.items()
    ]
    return panels_svg(panels) or ""


def _has_lines() -> bool:
    return (sys.stdout.encoding or "ascii").lower().startswith("utf")


COMMANDS = {
    "grad": Command("grad [RULE]", "which way its cost rises in each real value", grad, "formula"),
    "descend": Command("descend [RULE]", "let the values go to where it holds, and show them", descend, "formula"),
    "plot": Command("plot [FILE.svg]", "draw the boxes; in a file also where :descend began", plot, "file"),
}

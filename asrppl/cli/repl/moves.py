"""`:grad` and `:descend`: which way training would move the session's values, and where they settle."""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from asrppl.bind.values import bind_values
from asrppl.cli.repl.evaluation import mended, values_of
from asrppl.cli.repl.laws import Law
from asrppl.cli.repl.picture import Box
from asrppl.cli.repl.places import ReplError, moved
from asrppl.cli.repl.registry import subject
from asrppl.cli.repl.session import Session
from asrppl.diagnostics import AsrError, AsrWarning
from asrppl.lower.instances import plain
from asrppl.program import Program

if TYPE_CHECKING:
    from asrppl.cli.repl.shell import Repl

NEAR = 1e-9
"""A penalty that is 0 up to rounding."""
_LAST, _BEYOND = 3, 1 + 1e-6
"""Steps on from there, each a little longer than to the boundary, so that rules hold there to the last digit."""
_HALF = 20
"""Steps that go half of the way, so that what gives way is not the first in line alone."""


@dataclass(slots=True)
class Moved:
    """A penalty at a session's values, which move.

    Args:
        session: whose values they are.
        program: its rules' weighted sum is the penalty.
        text: of the formula, for the places of errors; empty where it is all rules.
        values: as binding takes them, those that can move as tensors with gradients.
        leaves: those tensors, by name, and by field of a record.
        fixed: names that cannot move, and why.
    """

    session: Session
    program: Program
    text: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    leaves: dict[tuple[str, str | None], Tensor] = field(default_factory=dict[tuple[str, str | None], Tensor])
    fixed: dict[str, str] = field(default_factory=dict[str, str])

    def penalty(self) -> Tensor:
        """Return the weighted violation, the mean over draws and data."""
        try:
            with warnings.catch_warnings(action="ignore", category=AsrWarning):  # they came when it was typed
                return self.program.penalty(self.values)
        except AsrError as error:
            raise mended(moved(error, self.program.source, self.text), self.session) from None

    def slopes(self, penalty: Tensor) -> list[Tensor]:
        """Return the gradient in each leaf."""
        leaves = list(self.leaves.values())
        if not penalty.requires_grad:
            return [torch.zeros_like(leaf) for leaf in leaves]
        found = cast(list[Tensor | None], torch.autograd.grad(penalty, leaves, allow_unused=True))
        return [torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, found, strict=True)]

    def shown(self, tensors: list[Tensor]) -> dict[str, object]:
        """Return one tensor for each leaf as values by name, in the form that was typed."""
        found: dict[str, object] = {}
        for (name, part), tensor in zip(self.leaves, tensors, strict=True):
            numbers = plain(tensor.detach() + 0.0)  # (no -0)
            if part is None:
                found[name] = numbers
            else:
                cast(dict[str, object], found.setdefault(name, {}))[part] = numbers
        return found


def start(repl: "Repl", text: str) -> Moved:
    """Return the penalty of a formula, or without one of all rules (or what was typed last), at the values there are.

    Raises:
        AsrError: it has errors.
        ReplError: there is nothing to move.
    """
    session = repl.session
    if text or not session.rules():
        text = subject(repl, text)
        program = session.checked(text)
        program = program.only(program.rules[-1].name)
    else:
        program = session.program()
    try:
        values = values_of(program, session.values)
    except AsrError as error:
        raise moved(error, program.source, text) from None
    found = Moved(session, program, text, values)
    for name in values:
        found.values[name] = _lifted(found, name, values[name])
    found.penalty()  # what lacks a value, or does not fit, is an error first
    if not found.leaves:
        why = "".join(f"; {name}: {reason}" for name, reason in found.fixed.items())
        raise ReplError(f"no value that is read can move{why}")
    return found


def _lifted(found: Moved, name: str, value: object) -> object:
    """Return a value with its real numbers as leaves of a gradient."""
    if isinstance(found.session.values[name], Law) or not isinstance(value, Tensor | Mapping):
        whole = "whole numbers and truth values have no gradient (2.0 is a real number)"
        found.fixed[name] = "a law stands for it" if isinstance(found.session.values[name], Law) else whole
        return value
    if isinstance(value, Tensor):
        return _leaf(found, name, None, value)
    parts = cast(Mapping[str, object], value).items()
    return {
        part: _leaf(found, name, part, inner) if isinstance(inner, Tensor) and part != "mask" else inner
        for part, inner in parts
    }


def _leaf(found: Moved, name: str, part: str | None, value: Tensor) -> Tensor:
    found.leaves[name, part] = leaf = value.clone().requires_grad_()
    return leaf


@dataclass(frozen=True, slots=True)
class Descent:
    """Where a descent began and ended: penalties, values, steps taken."""

    first: float
    last: float
    values: dict[str, object]
    steps: int


def descend(found: Moved, most: int, each: Callable[[], None]) -> Descent:
    """Let the values descend the penalty, and return the best that they came to.

    The least penalty is taken to be 0, which it is where the rules can hold together: a step is as long as would reach
    it if the penalty were linear (Polyak's), half of that at first. ``each`` is called after each step.
    """
    penalty = found.penalty()
    first = best = float(penalty.detach())
    leaves = list(found.leaves.values())
    kept = [leaf.detach().clone() for leaf in leaves]
    step = near = 0
    while best > 0 and step < most and near < _LAST:
        slopes = found.slopes(penalty)
        square = sum(float((slope**2).sum()) for slope in slopes)
        if square == 0:
            break
        length = (0.5 if step < _HALF else _BEYOND) * float(penalty.detach()) / square
        with torch.no_grad():
            for leaf, slope in zip(leaves, slopes, strict=True):
                leaf -= length * slope
        penalty, step, near = found.penalty(), step + 1, near + (best <= NEAR)
        each()
        if float(penalty.detach()) < best:
            best, kept = float(penalty.detach()), [leaf.detach().clone() for leaf in leaves]
    return Descent(first, best, found.shown(kept), step)


def boxes(program: Program, given: Mapping[str, Any]) -> dict[str, Box]:
    """Return the boxes that a program reads by their labels, of a batch the first; values are as binding takes them."""
    read = {name: free for name, free in program.free.items() if free.shape == "box"}
    values = {name: value for name, value in given.items() if name in read}
    found: dict[str, Box] = {}
    bound = bind_values({name: read[name] for name in values}, values)
    for name, entry in bound.signature.entries:
        if any((name, part) not in bound.tensors for part in "xywh"):
            continue
        size = math.prod(entry.axes)
        tensors = [bound.tensors[name, part].detach().reshape(-1)[:size] for part in "xywh"]
        columns = [cast(list[float], plain(tensor)) for tensor in tensors]
        places = itertools.product(*map(range, entry.axes))
        for place, (x, y, w, h) in zip(places, zip(*columns, strict=True), strict=True):
            if all(map(math.isfinite, (x, y, w, h))):
                found[f"{name}{list(place)}" if place else name] = Box(x, y, w, h)
    return found

"""Two evaluators of rule files, so that what has to hold of every one can be asked of each."""

from collections.abc import Callable, Mapping, Sequence

import torch

from asrppl.bind.values import bind_values
from asrppl.diagnostics import AsrError
from asrppl.program import parse
from asrppl.reference import Reference

Evaluate = Callable[[str, Mapping[str, object], Sequence[Mapping[str, object]]], list[float] | None]
"""Takes a text, and values as `tests.programs.values` makes them (as tensors, and in plain Python), and returns what
all of its rules cost together for each datum; None where the checker refuses the text."""


def by_compiler(text: str, tensors: Mapping[str, object], data: Sequence[Mapping[str, object]]) -> list[float] | None:
    """Return what the rules cost as a compiled graph has it."""
    try:
        program = parse(text)
        found = program.violations({name: tensors[name] for name in program.free})
    except AsrError:
        return None
    return sum(found.values(), torch.zeros(len(data), dtype=torch.float64)).expand(len(data)).tolist()


def by_reference(text: str, tensors: Mapping[str, object], data: Sequence[Mapping[str, object]]) -> list[float] | None:
    """Return what the rules cost as the interpreter has it, of texts that the checker takes."""
    try:
        program = parse(text)
        program.typed(bind_values(program.free, {name: tensors[name] for name in program.free}).signature)
    except AsrError:
        return None
    return [sum(outcome.cost for outcome in Reference(text, datum).violations()) for datum in data]


EVALUATORS: dict[str, Evaluate] = {"reference": by_reference, "compiler": by_compiler}

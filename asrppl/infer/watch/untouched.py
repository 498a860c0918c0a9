"""Runs that leave a program as it was: what its modules and objects hold is put back afterwards.

Nothing that was there is written to, not even to put it back: the graph of the step around may have saved a buffer, and
autograd refuses what was modified since. The run has copies of tensors, and what it made of attributes is dropped.
"""

import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import pyro
import torch
from torch import Tensor

from asrppl.infer.watch.pyro_internals import innermost

_LONG = 10_000
"""Containers with more items are left as they are: data, and no state of a program."""

Contents = list[Any] | dict[Any, Any] | set[Any]


@contextmanager
def untouched(*programs: Callable[..., Any]) -> Generator[None]:
    """Put back what a run changes in the programs' modules and objects: buffers, flags, counters, lazy set-up.

    Parameters are not copied: a run that writes to their data is seen.
    """
    kept = _Kept()
    for program in programs:
        for owner in _owners(program):
            kept.keep(owner)
    kept.lend_copies()
    try:
        yield
    finally:
        kept.put_back()


class _Kept:
    """What programs held before a run."""

    def __init__(self) -> None:
        self.tables: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}  # attributes, or buffers: and what was there
        self.contents: dict[int, tuple[Contents, Contents]] = {}
        self.cells: list[tuple[CellType, object]] = []

    def keep(self, owner: object) -> None:
        """Note what ``owner`` holds."""
        if isinstance(owner, CellType):
            self.cells.append((owner, owner.cell_contents))
            self._keep_contents(owner.cell_contents)
            return
        table = vars(owner)
        self.tables[id(table)] = table, dict(table)
        for value in table.values():
            self._keep_contents(value)
        buffers: object = table.get("_buffers")
        if isinstance(buffers, dict):
            named = cast("dict[str, Any]", buffers)
            self.tables[id(named)] = named, dict(named)

    def _keep_contents(self, value: object) -> None:
        if isinstance(value, list | dict | set):
            contents = cast(Contents, value)
            if len(contents) <= _LONG:
                self.contents[id(contents)] = contents, contents.copy()

    def lend_copies(self) -> None:
        """Put copies in the place of tensors that are no parameters."""
        copies: dict[int, Tensor] = {}  # a buffer that two modules share is one copy
        for table, before in self.tables.values():
            for name, value in before.items():
                if isinstance(value, Tensor) and not value.requires_grad:
                    table[name] = copies.setdefault(id(value), value.detach().clone())

    def put_back(self) -> None:
        """Let all be as it was."""
        for cell, value in self.cells:
            cell.cell_contents = value
        for contents, before in self.contents.values():
            contents.clear()
            if isinstance(contents, list):
                contents.extend(before)
            else:
                contents.update(before)
        for table, before in self.tables.values():
            table.clear()
            table.update(before)


def _owners(program: object) -> Iterator[object]:
    """Yield what holds a program's state: modules, objects that it is a method of, cells of its closure."""
    seen: set[int] = set()
    pending: list[object] = [innermost(program)]
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, torch.nn.Module):
            yield item
            pending += [*_further(vars(item)), *item.children()]
        elif isinstance(item, MethodType):
            pending.append(item.__func__)
            if isinstance(item.__self__, torch.nn.Module):
                pending.append(item.__self__)
            elif id(item.__self__) not in seen:
                seen.add(id(item.__self__))
                yield from _object(item.__self__, pending)
        elif isinstance(item, partial):
            pending += [item.func, *item.args, *item.keywords.values()]
        elif isinstance(item, FunctionType):
            yield from _cells(item, pending)
        elif isinstance(item, list | tuple | dict):
            held = cast("dict[object, object]", item).values() if isinstance(item, dict) else cast("list[object]", item)
            if len(held) <= _LONG:
                pending += [part for part in held if isinstance(part, torch.nn.Module)]
        else:
            yield from _object(item, pending)


def _object(item: object, pending: list[object]) -> Iterator[object]:
    """Yield an object of a user's class, and go on with what it holds."""
    own = type(item).__module__.partition(".")[0] not in ("torch", "pyro", "asrppl", "builtins")
    if own and not isinstance(item, type | ModuleType) and isinstance(getattr(item, "__dict__", None), dict):
        yield item
        pending += _further(vars(item))


def _further(attributes: dict[str, Any]) -> list[object]:
    """Return what an object's attributes hold that may hold state in turn; other objects in them are left alone."""
    kinds = (torch.nn.Module, MethodType, FunctionType, partial, list, tuple, dict)
    return [value for value in attributes.values() if isinstance(value, kinds)]


def _cells(function: FunctionType, pending: list[object]) -> Iterator[CellType]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a name of the closure that has no value yet
            pending.append(cell.cell_contents)
            yield cell
    with suppress(ValueError):
        found = inspect.getclosurevars(function).globals.values()
        pending += [value for value in found if isinstance(value, torch.nn.Module)]


@contextmanager
def kept_params() -> Generator[None]:
    """Take the params that a run makes out of the store afterwards: its start must not depend on this run."""
    store: Any = pyro.get_param_store()
    before = set(store.keys())
    try:
        yield
    finally:
        for name in set(store.keys()) - before:
            try:
                del store[name]
            except KeyError:  # a tensor under two names (a module held twice) goes with the first of them
                store.setdefault(name, torch.zeros(()))
                del store[name]

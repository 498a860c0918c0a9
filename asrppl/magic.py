"""Rules in a notebook: `%load_ext asrppl`, and then cells that begin with `%%asr NAME`."""

import keyword
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from asrppl.codes import Severity
from asrppl.commands import parse_params
from asrppl.diagnostics import AsrError, Diagnostic, html
from asrppl.files import Folder
from asrppl.program import Program
from asrppl.source import Source

_USE = "%%asr NAME [PARAM=VALUE ..] [--at VALUES]"


class Shell(Protocol):
    """What we use of IPython's shell, with the types that it leaves out."""

    user_ns: dict[str, object]

    def register_magic_function(self, func: Callable[..., object], magic_kind: str, magic_name: str) -> None:
        """Add a magic."""
        ...


def load_ipython_extension(shell: Shell) -> None:
    """Add the magic `asr`.

    Of a cell, ``%%asr rules S=64`` checks its text as rules, shows what is wrong with it, and binds the `Program` to
    ``rules``, with these values for params; imports are looked up in the folder that Python runs in. With ``--at
    values``, a mapping of values by name, it also shows what the rules say of these, and draws boxes. Without a cell,
    ``%asr rules --at values`` does so with a program that is there.
    """

    def asr(line: str, cell: str | None = None) -> object:
        name, params, values = _arguments(shell, line)
        program = _known(shell, name) if cell is None else _made(shell, name, cell, params)
        if values is None:
            return program
        if cell is not None:
            _show(program)
        return _scene(program, values)

    shell.register_magic_function(asr, "line_cell", "asr")


def _arguments(shell: Shell, line: str) -> tuple[str, dict[str, Any], Any]:
    """Return the name, the params and the values that a line says."""
    words, marked, at = line.partition("--at")
    name, *params = words.split() or [""]
    if not name.isidentifier() or keyword.iskeyword(name) or (marked and not at.strip()):
        _refuse(f"write {_USE}")
    try:
        given = parse_params(params)
    except ValueError as error:
        _refuse(str(error).removeprefix("-p "))
    try:
        return name, given, eval(at.strip(), shell.user_ns) if marked else None
    except Exception as error:  # whatever the user's expression raises
        _refuse(f"--at{at}: {type(error).__name__}: {error}")


def _known(shell: Shell, name: str) -> Program:
    program = shell.user_ns.get(name)
    if not isinstance(program, Program):
        _refuse(f"`{name}` is no program of rules; make one in a cell: {_USE}")
    return program


def _made(shell: Shell, name: str, text: str, params: dict[str, Any]) -> Program:
    """Return the program of a cell, and bind it to its name."""
    try:
        program = Program(Source(f"<{name}>", text), params, library=Folder(f"<{name}>", Path.cwd()))
    except AsrError as error:
        _show_findings(error.diagnostics)
        _refuse(f"the rules have {_errors(error.diagnostics)}; `{name}` is as it was")
    shell.user_ns[name] = program
    if program.diagnostics:
        _show_findings(program.diagnostics)
    return program


def _scene(program: Program, values: Any) -> object:
    from asrppl.worlds.scene import scene

    try:
        return scene(program.to_dict(), program.free, values)
    except AsrError as error:
        _show_findings(error.diagnostics)
        _refuse(f"the values do not fit the rules: {_errors(error.diagnostics)}")


def _errors(found: Sequence[Diagnostic]) -> str:
    number = sum(each.severity is Severity.ERROR for each in found)
    return "an error" if number == 1 else f"{number} errors"


# ---- IPython, which is there where this is used, and nowhere else


def _refuse(message: str) -> NoReturn:
    """End the cell with a message and no traceback; a run of all cells stops there."""
    from IPython.core.error import UsageError

    raise UsageError(message) from None


def _show(found: object) -> None:
    from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

    display(found)


def _show_findings(found: Sequence[Diagnostic]) -> None:
    from IPython.display import HTML

    _show(HTML(html(found)))

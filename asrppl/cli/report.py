"""What is found out about one rule file."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrppl.check import Checked, RuleInfo, check_file
from asrppl.cli.output import count_errors
from asrppl.commands import printable
from asrppl.core.free import FreeName
from asrppl.diagnostics import Diagnostic, in_order
from asrppl.files import Folder, Library, read_stream, read_text, unreadable
from asrppl.source import Source
from asrppl.syntax import parse_file


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found out about one file; ``problem`` where it could not be read at all."""

    file: str
    problem: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    expects: tuple[FreeName, ...] = ()
    rules: tuple[RuleInfo, ...] = ()
    params: Mapping[str, object] | None = None
    source: Source | None = None
    checked: Checked | None = None

    @property
    def failed(self) -> bool:
        """Whether it has an error, or could not be read."""
        return self.problem is not None or count_errors(self.diagnostics)[0] > 0


def read_source(file: str) -> tuple[Source, Path | None]:
    """Return a rule file's text, and the folder that its imports stand in (``-``: standard input, which has none).

    Raises:
        OSError: it cannot be read, or is too large.
        UnicodeDecodeError: it is not UTF-8.
    """
    if file == "-":
        return Source("<stdin>", read_stream(sys.stdin.buffer, "<stdin>")), None
    return Source(file, read_text(file)), Path(file).parent


def opened(file: str, command: str) -> tuple[Source, Library | None] | None:
    """Return a rule file's text, and where its imports are; None, with the problem printed, where it cannot be read."""
    try:
        source, folder = read_source(file)
    except (OSError, UnicodeDecodeError) as error:
        print(printable(f"asrppl {command}: {file}: {unreadable(error)}"), file=sys.stderr)
        return None
    return source, None if folder is None else Folder(file, folder)


def check_path(file: str, params: Mapping[str, Any], *, alone: bool = True) -> FileReport:
    """Check one file; unless it is ``alone``, params that it does not have are meant for others."""
    try:
        source, folder = read_source(file)
    except (OSError, UnicodeDecodeError) as error:
        return FileReport(file, unreadable(error))
    parsed = parse_file(source)
    library = None if folder is None else Folder(file, folder)
    if not alone:
        known = check_file(parsed.file, {}, library=library).params
        params = {name: value for name, value in params.items() if name in known}
    checked = check_file(parsed.file, params, library=library)
    diagnostics = in_order((*parsed.diagnostics, *checked.diagnostics))
    expects, rules = tuple(checked.free.values()), tuple(checked.rules)
    return FileReport(file, None, diagnostics, expects, rules, dict(checked.params), source, checked)

"""`asrppl repl`: give names values, type rules, and see which hold and which indices break them."""

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from asrppl.cli.output import counted, print_diagnostics
from asrppl.cli.repl.literals import ASSIGNMENT, LiteralError, parse_value, show_value
from asrppl.cli.report import read_source
from asrppl.commands import Commands, printable
from asrppl.core.labels import indexed, type_of
from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.files import unreadable
from asrppl.folders import cache_folder
from asrppl.syntax.lines import depth_of, starts_statement
from asrppl.words import STATEMENTS

if TYPE_CHECKING:
    from asrppl.cli.repl.session import Outcome, Session

_DESCRIPTION = """\
Try rules on values. Give names values, type rules and terms:

  > box = [[10, 10, 8], [14, 12, 8]]
  > forall i != j: nonoverlap(box[i], box[j])
  does not hold: violation 8
    i=0, j=1: 4
    i=1, j=0: 4
  > box[0].x + 2
  12

A box is a row of 4 numbers (x, y, w, h: centre and sides) or 3 (x, y, size). For `q(n)`, give n the list of its
probabilities. Statements of the language (param, let, def, site, rule, import) are added to the session. Further,
leading axes of a value are a batch.
"""
_EPILOG = """\
Works with piped input too: no prompts, every line is tried, and the status is 1 if one was in error (a rule that does
not hold is no error).

examples:
  asrppl repl
  asrppl repl overlap.asr
  printf 'n = 2\\nn in {1, 3}\\n' | asrppl repl
"""
_HELP = """\
NAME = VALUE     give a name a value: 2, true, [[10, 10, 8], [14, 12, 8]], {x: [1, 2], y: [3, 4]}
FORMULA          does it hold? its violation, and the indices that break it
TERM             its value
STATEMENT        param, let, def, site, rule, import: added to the session, in place of one of the same name
:names           the session's names and values, and what its rules still need
:rules           what each rule comes to
:load FILE       add the statements of a rule file
:reset           forget everything
:quit            leave (or Ctrl-D)"""
_SHOWN = 5
_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[[0-9]+(?:, *[0-9]+)*\])?)")


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl repl`."""
    parser = subparsers.add_parser(
        "repl",
        help="try rules on values, line by line",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a rule file to begin with")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from asrppl.cli.repl.session import Session  # with torch, which takes seconds to import

    repl = Repl(Session(Path.cwd()))
    if arguments.file is not None and not repl.run(f":load {arguments.file}"):
        return 1
    if sys.stdin.isatty():
        return _interact(repl)
    stream: TextIO = sys.stdin
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # bytes that are no text spoil their line, not the session
    failed = 0
    for text in logical_lines(line.rstrip("\r\n") for line in stream):
        failed += not repl.run(text)
        sys.stdout.flush()
        if repl.left:
            break
    return 1 if failed else 0


def _interact(repl: "Repl") -> int:
    print("Rules on values. :help says what to type, Ctrl-D leaves.")
    with _history():
        while not repl.left:
            try:
                text = input("> ")
                while depth_of(text) and (more := input(". ")).strip():
                    text += "\n" + more
                repl.run(text)
            except KeyboardInterrupt:  # gives up the line, or the evaluation, not the session
                print("interrupted")
            except EOFError:
                print()
                break
    return 0


@contextlib.contextmanager
def _history() -> Generator[None]:
    """Line editing, and what was typed in earlier sessions, where the platform has them."""
    try:
        import readline
    except ImportError:
        yield
        return
    folder = cache_folder()
    if folder is None:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(folder / "history")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(1000)
            readline.write_history_file(folder / "history")


def logical_lines(lines: Iterable[str]) -> Iterator[str]:
    """Join lines as a rule file does: inside an open bracket, and where the next one starts with white space."""
    held = ""
    for line in lines:
        inside = depth_of(held) > 0
        goes_on = held and (inside or line[:1] in ("", " ", "\t") or line.startswith("#"))
        if goes_on and not _always_starts(line):
            held += f"\n{line}"
        else:
            yield held
            held = line
    yield held


def _always_starts(line: str) -> bool:
    """Whether a line starts something new even inside a bracket, so that one unclosed bracket spoils one line."""
    return bool(ASSIGNMENT.match(line)) or line.startswith(":") or starts_statement(f" {line}")


class Repl:
    """A session and what is printed about it."""

    def __init__(self, session: "Session") -> None:
        self.session: Session = session
        self.left: bool = False

    def run(self, text: str) -> bool:
        """Do what one line says; returns whether it was without error."""
        text = text.strip()
        if not text or text.startswith("#"):
            return True
        try:
            if text.startswith(":"):
                return self._command(text)
            assignment = ASSIGNMENT.fullmatch(text)
            if assignment is not None:
                self.session.set(assignment.group(1), parse_value(_uncommented(assignment.group(2))))
            elif text.split(maxsplit=1)[0] in STATEMENTS and starts_statement(" " + text):
                self._add(text)
            else:
                self._evaluate(text)
        except AsrError as error:
            print_diagnostics(error.diagnostics)
            return False
        except LiteralError as error:
            print(printable(f"error: {error}"))
            return False
        return True

    # ---- statements, formulas, terms

    def _add(self, text: str) -> None:
        from asrppl.syntax import ast

        entry, warnings = self.session.add(text)
        print_diagnostics(warnings)
        if entry.kind is ast.Rule:
            self._print_outcome(entry.name or text, self.session.outcome(entry))

    def _evaluate(self, text: str) -> None:
        if (part := self._part(text)) is not None:
            print(show_value(part))
            return
        try:
            outcome = self.session.evaluate(text)
        except AsrError as error:
            if not _is_term(text, error):
                raise
            self._print_value(text, error)
            return
        print_diagnostics(outcome.warnings)
        self._print_violation("", outcome)

    def _part(self, text: str) -> object | None:
        """Return what ``box`` or ``box[0]`` stands for in the values, None where the text is anything else."""
        found = _PART.fullmatch(text)
        if found is None:
            return None
        part = self.session.values.get(found.group(1))
        for index in re.findall(r"[0-9]+", found.group(2)):
            if not isinstance(part, list):
                return None
            items = cast(list[object], part)
            if len(items) <= int(index):
                return None
            part = items[int(index)]
        return part

    def _print_value(self, text: str, error: AsrError) -> None:
        try:
            print(self._value(text))
        except AsrError as second:
            fields: dict[str, str] = {}
            for name in ("x", "y", "w", "h"):
                with contextlib.suppress(AsrError):
                    fields[name] = self._value(f"{text}.{name}")
            if not fields:
                raise second from error
            print(", ".join(f"{name}={value}" for name, value in fields.items()))

    def _value(self, text: str) -> str:
        from asrppl.lower.instances import plain

        return show_value(plain(self.session.value(text)))

    def _print_outcome(self, name: str, outcome: "Outcome | AsrError") -> None:
        if not isinstance(outcome, AsrError):
            print_diagnostics(outcome.warnings)
            self._print_violation(f"{name}: ", outcome)
            return
        missing = [diagnostic for diagnostic in outcome.diagnostics if diagnostic.code == "ASR070"]
        if len(missing) < len(outcome.diagnostics):
            raise outcome
        print(printable(f"{name}: waits for a value of {', '.join(_missing(missing))}"))

    def _print_violation(self, prefix: str, outcome: "Outcome") -> None:
        from asrppl.lower.instances import plain

        violation = outcome.violation
        if not bool((violation > 0).any()):
            print(printable(f"{prefix}holds"))
            return
        print(printable(f"{prefix}does not hold: violation {show_value(plain(violation))}"))
        for instance in outcome.broken[:_SHOWN]:
            batch = f"[{', '.join(map(str, instance.batch))}] " if violation.ndim else ""
            indices = ", ".join(f"{name}={value}" for name, value in instance.at)
            part = f"   {instance.part}" if instance.part else ""
            print(printable(f"  {batch}{indices}: {instance.violation:g}{part}"))
        if len(outcome.broken) > _SHOWN:
            print(f"  and {len(outcome.broken) - _SHOWN} more")

    # ---- commands

    def _command(self, text: str) -> bool:
        word, _, rest = text.partition(" ")
        match word:
            case ":help" | ":h" | ":?":
                print(_HELP)
            case ":names":
                self._names()
            case ":rules":
                self._rules()
            case ":load":
                return self._load(rest.strip())
            case ":reset":
                self.session = type(self.session)(Path.cwd())
            case ":quit" | ":q" | ":exit":
                self.left = True
            case _:
                print(printable(f"error: there is no command {word}; :help lists them"))
                return False
        return True

    def _names(self) -> None:
        session = self.session
        program = session.program()
        for name, value in program.params.items():
            print(f"param {name} = {show_value(value)}")
        for name, value in session.values.items():
            print(printable(f"{name} = {show_value(value)}"))
        for entry in session.entries:
            if entry.kind.__name__ in ("Let", "Def", "Site"):
                print(printable(entry.text))
        missing = [free for name, free in program.free.items() if name not in session.values]
        if missing:
            print("rules read: " + ", ".join(f"{indexed(free)}: {type_of(free)}" for free in missing))

    def _rules(self) -> None:
        rules = [entry for entry in self.session.entries if entry.kind.__name__ == "Rule"]
        if not rules:
            print("no rules yet")
        for entry in rules:
            self._print_outcome(entry.name or entry.text, self.session.outcome(entry))

    def _load(self, name: str) -> bool:
        if not name:
            print("error: :load needs the name of a file")
            return False
        try:
            source, folder = read_source(name)
        except (OSError, UnicodeDecodeError) as error:
            print(printable(f"error: {name}: {unreadable(error)}"))
            return False
        rules = self.session.load(source, folder or Path.cwd())
        print(printable(f"{name}: {counted(len(rules), 'rule')}"))
        return True


def _is_term(text: str, error: AsrError) -> bool:
    """Whether all that is wrong with a formula is that the whole of it is a number or a record."""
    return all(
        found.code in ("ASR036", "ASR038") and found.span is not None and found.span.text == text
        for found in error.diagnostics
    )


def _missing(diagnostics: Iterable[Diagnostic]) -> list[str]:
    return list(dict.fromkeys(found.fields["name"] for found in diagnostics))


def _uncommented(text: str) -> str:
    """Return the text of a value without a comment at the end of a line."""
    return "\n".join(line.partition("#")[0] for line in text.split("\n"))

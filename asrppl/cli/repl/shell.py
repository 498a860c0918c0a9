"""What the REPL does with a line, and what it prints: the same of what is typed and of what is piped."""

import contextlib
from collections.abc import Callable

from asrppl.cli.output import print_diagnostics
from asrppl.cli.repl import files, show
from asrppl.cli.repl.commands import COMMANDS, SHORT
from asrppl.cli.repl.laws import TILDE, LawError, read_law
from asrppl.cli.repl.lines import logical_lines
from asrppl.cli.repl.places import ReplError, within
from asrppl.cli.repl.session import Session, SessionStatement
from asrppl.cli.repl.show import show_value
from asrppl.cli.repl.values import part_of, read_value, split
from asrppl.commands import printable
from asrppl.core.labels import weight_text
from asrppl.diagnostics import AsrError
from asrppl.literals import ASSIGNMENT, LiteralError
from asrppl.suggest import did_you_mean
from asrppl.syntax import ast
from asrppl.syntax.lines import starts_statement
from asrppl.words import STATEMENTS


class Repl:
    """A session, what is printed about it, and what the commands remember.

    Args:
        session: to begin with.

    Attributes:
        left: whether `:quit` was typed.
        last: the formula or rule that was typed last: what commands without an argument are about.
        loaded: the file that was loaded last.
        watched: the file whose changes are followed, None where none is.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.left = False
        self.last: str | None = None
        self.loaded: str | None = None
        self.watched: str | None = None
        self.changed: object = None
        """What the watched file was like when it was read last."""
        self.start: dict[str, object] | None = None
        """The values before the last descent, which `:plot` draws too."""

    def run_all(self, text: str) -> bool:
        """Do what each logical line of a text says; returns whether all were without error."""
        return all([self.run(line) for line in logical_lines(text.split("\n"))])

    def run(self, text: str) -> bool:
        """Do what one line says; returns whether it was without error."""
        text = text.strip()
        files.look(self)
        if not text or text.startswith("#"):
            return True
        return self.attempt(lambda: self._do(text))

    def attempt(self, do: Callable[[], None]) -> bool:
        """Do something, its errors printed; returns whether there were none."""
        try:
            do()
        except AsrError as error:
            print_diagnostics(error.diagnostics)
            return False
        except (LiteralError, LawError, ReplError) as error:
            print(printable(f"error: {error}"))
            return False
        return True

    def _do(self, text: str) -> None:
        assignment, law = ASSIGNMENT.fullmatch(text), TILDE.fullmatch(text)
        if text.startswith(":"):
            self._command(text)
        elif text.startswith("?"):
            self._command(f":doc {text[1:]}")
        elif assignment is not None:
            self.session.set(assignment.group(1), self.read(assignment.group(2), text))
        elif law is not None:
            self._set_law(law.group(1), _uncommented(law.group(2)), text)
        elif text.split(maxsplit=1)[0] in STATEMENTS and starts_statement(" " + text):
            self._add(text)
        else:
            try:
                self._evaluate(text)
            except AsrError as error:
                if _is_command(text, error):
                    raise ReplError(f"a command begins with a colon: `:{text}`") from None
                raise

    def _command(self, text: str) -> None:
        word, rest = (*text[1:].split(maxsplit=1), "", "")[:2]
        command = COMMANDS.get(SHORT.get(word, word))
        if command is None:
            near = did_you_mean(f":{word}", [f":{name}" for name in COMMANDS])
            raise ReplError(f"there is no command :{word}; {near + ' ' if near else ''}:help lists them")
        command.run(self, rest.strip())

    # ---- values

    def read(self, text: str, typed: str) -> object:
        """Return the value of a text, a part of what was typed: a literal, or made of expressions of the language."""

        def evaluate(part: str) -> object:
            try:
                return self.plain_value(part)
            except AsrError as error:
                raise within(error, part, typed) from None

        return read_value(_uncommented(text).strip(), evaluate)

    def _set_law(self, name: str, text: str, typed: str) -> None:
        from asrppl.cli.repl.given import DRAWS, distribution_of

        law = read_law(text, lambda part: self.read(part, typed), split)
        distribution_of(law)  # or an error now, not where it is read first
        self.session.set(name, law)
        print(f"{name} ~ {show_value(law)}: {DRAWS:,} draws where its values are read")

    def plain_value(self, text: str) -> object:
        """Return the value of a term, of a record by its fields, or whether a formula holds (errors as `run` has)."""
        from asrppl.cli.repl import evaluation

        known = part_of(self.session.values, text)
        if known is not None and not isinstance(known, tuple):
            return known
        try:
            self.session.checked(text)
        except AsrError as error:
            if not is_term(text, error):
                raise
            return self._term(text, error)
        return evaluation.truth(self.session, text)

    def _term(self, text: str, error: AsrError) -> object:
        from asrppl.cli.repl import evaluation

        try:
            return evaluation.value(self.session, text)
        except AsrError as second:
            fields: dict[str, object] = {}
            for name in ("x", "y", "w", "h"):
                with contextlib.suppress(AsrError):
                    fields[name] = evaluation.value(self.session, f"{text}.{name}")
            if not fields:
                raise second from error
            return fields

    # ---- statements, formulas, terms

    def _add(self, text: str) -> None:
        entry, warnings = self.session.add(text)
        print_diagnostics(warnings)
        if entry.kind is ast.Rule:
            self.last = entry.text
            self.print_rule(entry, entry.name or text)

    def _evaluate(self, text: str) -> None:
        from asrppl.cli.repl import evaluation

        known = part_of(self.session.values, text)
        if known is not None:
            print(printable(show_value(known)))
            return
        try:
            found = evaluation.outcome(self.session, text)
        except AsrError as error:
            if not is_term(text, error):
                raise
            value = self._term(text, error)
            print(show.value(value))
            return
        self.last = text
        print_diagnostics(found.warnings)
        show.print_outcome("", found)

    def print_rule(self, entry: SessionStatement, name: str) -> float | None:
        """Print what a rule of the session comes to; returns its mean violation, None where names lack a value."""
        from asrppl.cli.repl import evaluation

        try:
            found = evaluation.outcome(self.session, entry.text)
        except AsrError as error:
            missing = [diagnostic for diagnostic in error.diagnostics if diagnostic.code == "ASR070"]
            if len(missing) < len(error.diagnostics):
                raise
            names = dict.fromkeys(found.fields["name"] for found in missing)
            print(printable(f"{name}: waits for a value of {', '.join(names)}"))
            return None
        print_diagnostics(found.warnings)
        show.print_outcome(f"{name}: ", found)
        return float(found.violation.mean())

    def print_rules(self) -> None:
        """Print what each rule comes to, with its weight, and the weighted total."""
        entries, rules = self.session.rules(), self.session.program().rules
        total, waiting, hard = 0.0, 0, any(rule.hard is not None for rule in rules)
        for entry, rule in zip(entries, rules, strict=True):
            name = f"{entry.name or entry.text} ({weight_text(rule.weight, rule.hard)})"
            violation = self.print_rule(entry, name)
            waiting += violation is None
            total += 0.0 if violation is None or rule.hard is not None else rule.weight.end * violation
        if not entries:
            print("no rules yet")
        elif waiting < len(entries):
            without = f", without {waiting} that wait{'s' if waiting == 1 else ''}" if waiting else ""
            print(f"total: {total:g} nats per datum{without}{'; hard rules have no weight' if hard else ''}")


def is_term(text: str, error: AsrError) -> bool:
    """Whether all that is wrong with a formula is that the whole of it is a number or a record."""
    return all(
        found.code in ("ASR036", "ASR038") and found.span is not None and found.span.text == text
        for found in error.diagnostics
    )


def _is_command(text: str, error: AsrError) -> bool:
    """Whether what cannot be evaluated is a command without its colon, alone or before what it may be about."""
    word, _, rest = text.partition(" ")
    if SHORT.get(word, word) not in COMMANDS:
        return False
    is_formula = any(found.code == "ASR070" for found in error.diagnostics)  # of a name that is called so
    return not rest or (rest.lstrip()[:1].isalnum() and not is_formula)


def _uncommented(text: str) -> str:
    """Return the text of a value without a comment at the end of a line."""
    return "\n".join(line.partition("#")[0] for line in text.split("\n"))

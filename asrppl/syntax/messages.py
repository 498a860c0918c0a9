"""What is said about a statement that the parser refused: first the usual mistakes, then the general case."""

import re
from collections.abc import Callable

from lark.exceptions import UnexpectedInput

from asrppl.diagnostics import Diagnostic, replacing
from asrppl.source import Source, Span
from asrppl.syntax import binders, choices, foreign, forms, spelling, structure
from asrppl.syntax.expected import accepted, described
from asrppl.syntax.extent import TERM, after, before
from asrppl.syntax.lines import Piece
from asrppl.syntax.stop import WORD, Stop
from asrppl.words import KEYWORDS

# The most telling first.
_MISTAKES: tuple[Callable[[Stop], Diagnostic | None], ...] = (
    foreign.comment,
    structure.sign_first,
    forms.definition,
    spelling.reserved_as_name,
    structure.nameless,
    spelling.capitals,
    foreign.amount,
    choices.dots,
    forms.generator,
    forms.let_in,
    forms.slice,
    foreign.unique,
    binders.parentheses,
    binders.comparing,
    binders.second_domain,
    binders.guard,
    binders.range_without_in,
    binders.missing_comma,
    binders.colon,
    structure.rule_name,
    structure.ramp,
    forms.late_option,
    structure.option,
    foreign.bars,
    foreign.sampling,
    foreign.exclusive_or,
    foreign.modulo,
    spelling.named_argument,
    spelling.equals,
    spelling.foreign_operator,
    spelling.number,
    structure.unknown_statement,
    spelling.misspelt,
    spelling.stray_text,
    choices.unfinished,
    choices.trailing,
    forms.ternary,
    forms.braces,
    forms.call_of_field,
    foreign.word,
    foreign.trailing,
    foreign.sigil,
    choices.members,
    structure.needs_parentheses,
    forms.product,
    structure.missing_colon,
    structure.brackets,
    structure.stray_range,
    structure.joined_statements,
)


def explain(error: UnexpectedInput, piece: Piece, source: Source) -> Diagnostic:
    """Return what is to be said about a statement that the parser refused."""
    token = getattr(error, "token", None)
    at = len(piece.text) if token is not None and token.type == "$END" else error.pos_in_stream or 0
    words = [(found.group(), found.start()) for found in WORD.finditer(piece.text)]
    word = next((text for text, start in words if start == at), None)
    if word is None:  # the lexer stopped inside one of these words
        match = WORD.match(piece.text, at)
        word = match.group() if match is not None else ""
    before = tuple((text, start) for text, start in words if start < at)
    stop = Stop(source, piece, at, word, before, accepted(piece.text))
    return next((found for mistake in _MISTAKES if (found := mistake(stop)) is not None), None) or _general(stop)


def sign_first(piece: Piece, source: Source) -> Diagnostic:
    """Return what is to be said about a statement that starts with a sign, which the parser would read."""
    if piece.text.startswith("--"):
        said = piece.text[2:].strip("- ")
        help = f"write `# {said}`" if said else "a comment starts with `#`"
        place = Span(source, piece.start, piece.start + 2)
        return Diagnostic("ASR004", "`--` starts no comment", place, help=help, edits=replacing(place, "#"))
    return Diagnostic(
        "ASR010",
        f"a statement cannot start with `{piece.text[0]}`",
        Span(source, piece.start, piece.start + 1),
        help="start the line with white space if it goes on with the statement above, else put the term in parentheses",
    )


_TOLERANCE = re.compile(r"(?<=[\w)\]\s])\+-(?=[ \t]*[\w(])")


def misread(piece: Piece, source: Source) -> Diagnostic | None:
    """Return what is to be said about a statement that the parser would read as something else."""
    comment = re.search(r"(?<=[ \t])--(?=[ \t])", piece.text)
    if comment is not None and '"' not in piece.text:
        place = Span(source, piece.start + comment.start(), piece.start + comment.end())
        said = piece.text[comment.end() :].strip()
        help = f"write `# {said}`, or `- -` for two signs"
        return Diagnostic("ASR004", "`--` starts no comment", place, help=help, edits=replacing(place, "#"))
    found = _TOLERANCE.search(piece.text)
    if found is None or '"' in piece.text:
        return None
    at, text = found.start(), piece.text
    middle = before(text, at, TERM)
    equal = text[:at].rstrip()[: -len(middle) or None].rstrip()
    amount = after(text, found.end(), TERM)
    span = Span(source, piece.start + at, piece.start + at + 2)
    mend = f"write `{middle} - {amount}`, or"
    if equal.endswith("=="):
        value = before(equal, len(equal) - 2, TERM)
        mend = f"abs({value} - {middle}) <= {amount}"
        start = piece.start + len(equal[: len(equal) - 2].rstrip()) - len(value)
        end = piece.start + text.index(amount, found.end()) + len(amount)
        edits = replacing(Span(source, start, end), mend)
        return Diagnostic("ASR004", "`+-` is no operator", span, help=f"write `{mend}`", edits=edits)
    return Diagnostic("ASR004", "`+-` is no operator", span, help=f"{mend} `abs(x - a) <= {amount}` for `x == a +- ..`")


def _general(stop: Stop) -> Diagnostic:
    expected = described(stop.accepts)
    if not stop.token:
        return stop.found("ASR018", f"the statement ends where {expected} belongs")
    what = f"the text {stop.token}" if stop.token.startswith('"') else f"`{stop.token}`"
    help: str | None = None
    close = [word for word in KEYWORDS if word == stop.token.lower()] if stop.token not in KEYWORDS else []
    if close:
        help = f"the words of the language are written small: `{close[0]}`"
    elif stop.token == "where":
        help = "a `where` belongs to a binder, before its `:`, as in `forall i where g: ...`"
    elif stop.token == "." and stop.before and stop.before[0][0] == "import":
        help = 'the name of a file stands in quotes: `import "mine.asr"`'
    return stop.found("ASR001", f"{what} cannot stand here; expected {expected}", help)

"""The pre-pass: cuts a file into statements and finds what is wrong with its characters, texts and brackets.

A statement ends at its line's end; a line that starts with white space, or stands inside an open bracket, goes on with
the statement above; but a statement word before a name starts a statement wherever a line begins with it, so that one
unclosed bracket spoils one statement and not the file.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import islice

from asrppl.diagnostics import Edit, Note, Sink, replacing
from asrppl.source import Source, Span
from asrppl.words import STATEMENT_START

MAX_FILE = 262_144
MAX_STATEMENT = 16_384
MAX_ERRORS = 100

# Line ends are \n only. A \r belongs to one just before it; alone it is a character that the language does not have.
_NOTABLE = re.compile(
    r"(?P<comment>\#[^\r\n]*)"
    r'|(?P<text>"[^"\r\n]*")'
    r"|(?P<open_text>\"[^\r\n]*)"
    r"|(?P<opener>[(\[{])"
    r"|(?P<closer>[)\]}])"
    r"|(?P<end>\r?$)"
    r"|(?P<bad>(?:[^\t\r -~]|\r(?!$))+)"
)
_PARTNER = {"(": ")", "[": "]", "{": "}"}

_LOOKALIKES = {
    "−": "-",
    "–": "-",
    "—": "-",
    "\u2010": "-",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "∧": "and",
    "∨": "or",
    "¬": "not",
    "∀": "forall",
    "∃": "exists",
    "∈": "in",
    "∉": "not in",
    "→": "implies",
    "⇒": "implies",
    "⇔": "iff",
    "↔": "iff",
    "∑": "sum",
    "Σ": "sum",
    "∏": "prod",
    "√": "sqrt(..)",
    "∃!": "(count i: ..) == 1",
    "∄": "not exists",
    "±": "abs(x - a) <= b",
    "≈": "abs(a - b) <= eps",
    "⟹": "implies",
    "⟺": "iff",
    "⊻": "not (a iff b)",
    "⊕": "not (a iff b)",
    "∞": "inf",
    "≡": "==",
    "←": "=",
    "²": "^ 2",
    "³": "^ 3",
    "…": "..",
    "‖": "||",
    "∥": "||",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement's text from ``start`` in the file, comments and line ends blanked, so that offsets survive."""

    start: int
    text: str


@dataclass(slots=True)
class _Draft:
    start: int
    parts: list[str] = field(default_factory=list[str])
    open: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    broken: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts)


def cut(source: Source, sink: Sink) -> list[Piece]:
    """Return the statements of ``source``; what cannot be parsed for its characters or brackets is reported instead."""
    text = source.text
    if len(text) > MAX_FILE:
        sink.add(
            "ASR016",
            Span(source, MAX_FILE, MAX_FILE),
            f"the file has {len(text):,} characters, more than the {MAX_FILE:,} that are read",
            help="split it and `import` the parts",
        )
        return []
    pieces: list[Piece] = []
    draft: _Draft | None = None
    start = 1 if text.startswith("\ufeff") else 0  # a byte order mark is none of the text
    while start < len(text) and len(sink.found) < MAX_ERRORS:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        begin = start
        while begin < end and text[begin] in " \t\r":
            begin += 1
        blank = begin == end or text[begin] == "#"
        if text.startswith(("//", "/*"), begin) and (draft is None or not draft.open):
            end = _skip_comment(source, sink, begin, end)
            blank, begin = True, end
            start = end
        goes_on = draft is not None and (begin > start or bool(draft.open))
        if not blank and (not goes_on or STATEMENT_START.match(text, begin, end)):
            if draft is not None:
                _close(draft, source, sink, pieces)
            draft = _Draft(begin)
            start = begin
        if draft is not None:
            _scan(draft, source, sink, start, end)
            draft.parts.append(" ")
        start = end + 1
    if draft is not None:
        _close(draft, source, sink, pieces)
    return pieces


def _skip_comment(source: Source, sink: Sink, start: int, end: int) -> int:
    """Report a comment as other languages write it, once, and return where it ends."""
    text, sign = source.text, source.text[start : start + 2]
    if sign == "/*":
        closed = text.find("*/", start + 2)
        end = len(text) if closed < 0 else closed + 2
    said = re.split(r"\r?\n|\*/", text[start + 2 : end])[0].strip("* \t\r")
    sink.add(
        "ASR004",
        Span(source, start, start + 2),
        f"`{sign}` starts no comment",
        help=f"write `# {said}`" if said else "a comment starts with `#`",
        edits=replacing(Span(source, start, start + 2), "#") if sign == "//" else (),
    )
    return end


def depth_of(text: str) -> int:
    """Return how many brackets of ``text`` are still open at its end (texts and comments do not count)."""
    depth = 0
    for line in text.split("\n"):
        for found in _NOTABLE.finditer(line):
            depth += (found.lastgroup == "opener") - (found.lastgroup == "closer")
    return max(depth, 0)


def starts_statement(line: str) -> bool:
    """Return whether ``line`` starts a statement whatever stands above it."""
    return line.strip()[:1] not in ("", "#") and (line[0] not in " \t" or bool(STATEMENT_START.match(line.lstrip())))


def _close(draft: _Draft, source: Source, sink: Sink, pieces: list[Piece]) -> None:
    if draft.open and not draft.broken:
        bracket, offset = draft.open[-1]
        sink.add(
            "ASR002",
            Span(source, offset, offset + 1),
            f"this `{bracket}` is never closed",
            help=f"add `{_PARTNER[bracket]}` where it ends",
        )
        return
    text = draft.text.rstrip()
    if draft.broken:
        return
    if len(text) > MAX_STATEMENT:
        sink.add(
            "ASR015",
            Span(source, draft.start, draft.start + 1),
            f"this statement has {len(text):,} characters, more than the {MAX_STATEMENT:,} that one may have",
            help="split it into several rules, or name its parts with `let` or `def`",
        )
        return
    pieces.append(Piece(draft.start, text))


def _scan(draft: _Draft, source: Source, sink: Sink, start: int, end: int) -> None:
    """Add a line to the statement, and look at its brackets, texts and characters."""
    text = source.text
    at = start
    for found in _NOTABLE.finditer(text, start, end):
        if len(sink.found) >= MAX_ERRORS:
            break  # the file is not read on
        draft.parts.append(text[at : found.start()])
        at = found.end()
        what = found.group()
        place = Span(source, found.start(), found.end())
        kind = found.lastgroup
        draft.parts.append(" " * len(what) if kind in ("comment", "end") else what)
        if kind == "opener":
            draft.open.append((what, found.start()))
        elif kind == "closer":
            _match(draft, sink, place)
        elif kind == "open_text":
            mend = replacing(Span(source, place.end, place.end), '"')
            sink.add("ASR013", place, "this text has no closing quote on its line", help='add `"`', edits=mend)
            draft.broken = True
        elif kind == "bad":
            for run in islice(re.finditer(r"([^\t -~])\1*", what), MAX_ERRORS):
                _refuse(sink, Span(source, found.start() + run.start(), found.start() + run.end()))
            draft.broken = True
        elif kind == "text" and (strange := re.search(r"[\\\x00-\x1f\x7f]", what)):
            character = strange.group()
            shown = "a backslash" if character == "\\" else f"the control character U+{ord(character):04X}"
            sink.add(
                "ASR013",
                place,
                f"a text in quotes cannot hold {shown}",
                help="folders are separated by `/`" if character == "\\" else None,
            )
            draft.broken = True
    draft.parts.append(text[at:end])


def _match(draft: _Draft, sink: Sink, place: Span) -> None:
    """Pair a closing bracket with the one it closes."""
    if draft.broken:
        return
    if not draft.open:
        sink.add(
            "ASR002", place, f"this `{place.text}` closes nothing", help="remove it, or open the bracket before it"
        )
        draft.broken = True
        return
    bracket, offset = draft.open.pop()
    if _PARTNER[bracket] != place.text and (found := _half_open(place.source.text, offset, place.start)):
        start, mend = found
        span, edits = Span(place.source, offset, place.end), replacing(Span(place.source, start, place.end), mend)
        sink.add("ASR002", span, "there are no half-open intervals", help=f"write `{mend}`", edits=edits)
        draft.broken = True
        draft.open.clear()
        return
    if _PARTNER[bracket] != place.text:
        sink.add(
            "ASR002",
            Span(place.source, offset, offset + 1),
            f"this `{bracket}` is not closed before `{place.text}`",
            help=f"add `{_PARTNER[bracket]}` where it ends",
            notes=(Note(f"here is the `{place.text}`", place),),
        )
        draft.broken = True
        draft.open.clear()  # else the lines below would be taken for the inside of a bracket


_VALUE = re.compile(r"([A-Za-z_][\w.]*(?:\[[^\][]*\](?:\.\w+)?)*|\([^()]*\)|[a-z]+\([^()]*\))[ \t]+in[ \t]*$")


def _half_open(text: str, start: int, end: int) -> tuple[int, str] | None:
    """Return where `x in (0, 1]` begins and what is to be written, None for other brackets."""
    value = _VALUE.search(text[max(0, start - 200) : start])
    ends = text[start + 1 : end].split(",")
    if text[start] + text[end] not in ("(]", "[)") or len(ends) != 2 or value is None:
        return None
    below, above = "<" if text[start] == "(" else "<=", "<" if text[end] == ")" else "<="
    mend = f"{ends[0].strip()} {below} {value.group(1)} {above} {ends[1].strip()}"
    return max(0, start - 200) + value.start(1), mend


def _refuse(sink: Sink, place: Span) -> None:
    """Report a character that the language does not have, with the one that was likely meant."""
    character = place.text[0]
    code = f"U+{ord(character):04X}"
    follows = place.source.text[place.end : place.end + 1]
    meant = _LOOKALIKES.get(character + follows) or _LOOKALIKES.get(character)
    if meant is None:
        plain = unicodedata.normalize("NFKC", character)
        meant = plain if plain != character and plain.isascii() and plain.isprintable() else None
    help: str | None = None
    edits: tuple[Edit, ...] = ()
    if meant is not None and meant.strip():
        plain = len(place.text) == 1 and ("." not in meant or meant == "..") and ":" not in meant and character != "±"
        edits = replacing(place, f" {meant} " if meant[0].isalpha() else meant) if plain else ()
        help = f"write `{meant}`" if character != "±" else f"write `{meant}` for `x == a ± b`"
    elif meant is not None or character.isspace():
        help, edits = "write a plain space", replacing(place, " ")
    elif character in "\u2018\u2019":
        help = 'texts stand in `"`'
    elif character.isalpha():
        help = "names are made of the letters a to z and A to Z, digits and `_`"
    if character == "\r":
        message = "a carriage return stands alone; lines end with a line feed"
        help = "save the file with LF or CRLF line ends"
    elif character.isprintable():
        message = f"the language does not have the character `{character}` ({code})"
    elif unicodedata.category(character) == "Cc":
        message = f"a control character ({code}) stands in the text"
        help, edits = "remove it", replacing(place, "")
    else:
        message = (
            f"an invisible character ({code}, {unicodedata.name(character, 'unnamed').lower()}) stands in the text"
        )
        help = help or "remove it"
    sink.add("ASR003", place, message, help=help, edits=edits)

"""What `asrppl check` found, for programs: JSON of our own, and GitHub's annotations."""

import json
from collections.abc import Iterator, Sequence

from asrppl.cli.output import level
from asrppl.cli.report import FileReport
from asrppl.commands import printable
from asrppl.core.labels import type_of
from asrppl.diagnostics import Diagnostic

SCHEMA = 1
"""The version of the JSON: a field that is added leaves it, one that goes or changes its meaning raises it."""


def as_json(reports: Sequence[FileReport]) -> str:
    """Return reports as JSON."""
    return json.dumps({"schema": SCHEMA, "files": [_as_json(report) for report in reports]}, indent=2)


def _as_json(report: FileReport) -> dict[str, object]:
    return {
        "file": report.file,
        "error": report.problem,
        "diagnostics": [diagnostic.to_json() for diagnostic in report.diagnostics],
        "expects": [
            {
                "name": free.name,
                "rank": free.rank,
                "type": type_of(free),
                "line": free.span.source.position(free.span.start)[0],
                "column": free.span.source.position(free.span.start)[1],
            }
            for free in report.expects
        ],
        "rules": [
            {
                "name": rule.name,
                "weight": None if rule.hard is not None else rule.weight.end,
                "start": None if rule.hard is not None else rule.weight.start,
                "since": rule.weight.since,
                "steps": rule.weight.steps,
                "hard": rule.hard,
                "level": level(rule),
                "line": rule.span.source.position(rule.span.start)[0],
            }
            for rule in report.rules
        ],
    }


def findings(reports: Sequence[FileReport]) -> Iterator[tuple[FileReport, Diagnostic]]:
    """Yield all findings, each once: one of a file that several import is theirs together."""
    seen: set[tuple[str | None, Diagnostic]] = set()
    for report in reports:
        for diagnostic in report.diagnostics:
            key = (report.file if diagnostic.span is None else None, diagnostic)
            if key not in seen:
                seen.add(key)
                yield report, diagnostic


def as_github(reports: Sequence[FileReport]) -> str:
    """Return findings as GitHub's workflow commands, a line each: they show beside the lines of a pull request.

    The format and its escapes are those of https://docs.github.com/actions/reference/workflow-commands and of the
    toolkit that writes it (``escapeData`` and ``escapeProperty`` of @actions/core).
    """
    lines = [
        f"::error file={_property(report.file)},title=asrppl::{_data(report.problem)}"
        for report in reports
        if report.problem is not None
    ]
    for report, diagnostic in findings(reports):
        place: dict[str, object] = {"file": report.file}
        if diagnostic.span is not None:
            source = diagnostic.span.source
            line, column = source.position(diagnostic.span.start)
            end_line, end_column = source.position(diagnostic.span.end)
            place = {"file": source.name, "line": line, "endLine": end_line}
            if line == end_line:  # columns of several lines are refused; their ends are inclusive
                place |= {"col": column, "endColumn": max(column, end_column - 1)}
        place["title"] = diagnostic.code
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in place.items())
        lines.append(f"::{diagnostic.severity.value} {properties}::{_data(message(diagnostic))}")
    return "\n".join(lines)


def message(diagnostic: Diagnostic) -> str:
    """Return what a finding says without its place: the sentence, notes and the mend, a line each."""
    lines = [diagnostic.message, *(f"note: {note.message}" for note in diagnostic.notes)]
    return "\n".join([*lines, f"help: {diagnostic.help}"] if diagnostic.help is not None else lines)


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

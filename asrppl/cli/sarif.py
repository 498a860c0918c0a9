"""What `asrppl check` found as SARIF 2.1.0, which code hosts and editors show beside the code.

The properties are those of https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, among them all that
GitHub's code scanning asks for.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import asrppl
from asrppl.cli.formats import findings, message
from asrppl.cli.report import FileReport
from asrppl.codes import CODES, Code
from asrppl.diagnostics import Diagnostic
from asrppl.explanations import explanations
from asrppl.project import address
from asrppl.source import Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(reports: Sequence[FileReport]) -> str:
    """Return reports as one run of SARIF: its rules are all codes, a file that could not be read is a notification."""
    home = address("Homepage")
    driver: dict[str, object] = {
        "name": "asrppl",
        "version": asrppl.__version__,
        "rules": [*map(_rule, CODES.values())],
    }
    if home is not None:
        driver["informationUri"] = home
    problems = [
        {"level": "error", "message": {"text": report.problem}, "locations": [_location(report.file, None)]}
        for report in reports
        if report.problem is not None
    ]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not problems, "toolExecutionNotifications": problems}],
        "results": [_result(report, diagnostic) for report, diagnostic in findings(reports)],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: Code) -> dict[str, object]:
    explained = explanations().get(code.code)
    return {
        "id": code.code,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.title if explained is None else explained.text},
        "help": {"text": code.title if explained is None else explained.plain()},
        "defaultConfiguration": {"level": code.severity.value},
    }


_INDEX = {code: index for index, code in enumerate(CODES)}


def _result(report: FileReport, diagnostic: Diagnostic) -> dict[str, object]:
    name = report.file if diagnostic.span is None else diagnostic.span.source.name
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": _INDEX[diagnostic.code],
        "level": diagnostic.severity.value,
        "message": {"text": message(diagnostic)},
        "locations": [_location(name, diagnostic.span)],
    }
    related = [
        {**_location(note.span.source.name, note.span), "message": {"text": note.message}}
        for note in diagnostic.notes
        if note.span is not None
    ]
    return {**result, "relatedLocations": related} if related else result


def _location(name: str, span: Span | None) -> dict[str, object]:
    region = {"startLine": 1}  # code hosts refuse a finding without a place
    if span is not None:
        line, column = span.source.position(span.start)
        end_line, end_column = span.source.position(span.end)
        region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(name)}, "region": region}}


def _uri(name: str) -> str:
    path = Path(name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())

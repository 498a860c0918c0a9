"""What `asrppl check` found, for programs."""

import json
from collections.abc import Sequence

from asrppl.cli.output import level
from asrppl.cli.report import FileReport
from asrppl.core.labels import type_of


def as_json(reports: Sequence[FileReport]) -> str:
    """Return reports as JSON."""
    return json.dumps({"files": [_as_json(report) for report in reports]}, indent=2)


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

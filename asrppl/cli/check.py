"""`asrppl check`: what is wrong with rule files, and what they expect from the guide."""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrppl.check import Checked, RuleInfo, check_file
from asrppl.cli.arguments import add_params, params_of
from asrppl.cli.output import count_errors, counted, level, print_diagnostics, weight
from asrppl.commands import Commands, printable
from asrppl.core.free import FreeName
from asrppl.core.labels import indexed, type_of
from asrppl.diagnostics import Diagnostic, in_order
from asrppl.files import Folder, read_stream, read_text, unreadable
from asrppl.source import Source
from asrppl.syntax import parse_file

_DESCRIPTION = """\
Check rule files: syntax, names, types, levels. All of a file's errors come at once, each with its place, a code and,
where there is one, the mend. Then the names that the file does not define are listed with the types that their uses
give them: a guide has to have sites of these names, or expose them, or `bind=` has to map them.

Status 1 if a file has errors; warnings do not count.
"""
_EPILOG = """\
examples:
  asrppl check overlap.asr
  asrppl check overlap.asr -p S=64 -p eps=2
  asrppl check rules/*.asr --format json
  echo 'forall i != j: nonoverlap(box[i], box[j])' | asrppl check -
"""


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


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl check`."""
    parser = subparsers.add_parser(
        "check",
        help="find mistakes in rule files",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a rule file (.asr), or - for standard input")
    add_params(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the output (default: text)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    params = params_of(arguments, "check")
    if params is None:
        return 2
    files: list[str] = arguments.files
    reports = [check_path(file, params, alone=len(files) == 1) for file in files]
    strangers = _nowhere_known(reports, params) if len(files) > 1 else []
    if arguments.format == "json":
        print(json.dumps({"files": [_as_json(report) for report in reports]}, indent=2))
    else:
        for report in reports:
            _print(report)
        if len(reports) > 1:
            print(_summary("in all", [found for report in reports for found in report.diagnostics], reports))
    for name in strangers:
        print(f"asrppl check: none of the files has a param `{name}`", file=sys.stderr)
    return 1 if strangers or any(report.failed for report in reports) else 0


def read_source(file: str) -> tuple[Source, Path | None]:
    """Return a rule file's text, and the folder that its imports stand in (``-``: standard input, which has none).

    Raises:
        OSError: it cannot be read, or is too large.
        UnicodeDecodeError: it is not UTF-8.
    """
    if file == "-":
        return Source("<stdin>", read_stream(sys.stdin.buffer, "<stdin>")), None
    return Source(file, read_text(file)), Path(file).parent


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


def _nowhere_known(reports: list[FileReport], params: Mapping[str, object]) -> list[str]:
    return [name for name in params if not any(name in (report.params or {}) for report in reports)]


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


def _print(report: FileReport) -> None:
    if report.problem is not None:
        print(printable(f"asrppl check: {report.file}: {report.problem}"), file=sys.stderr)
        return
    print_diagnostics(report.diagnostics)
    if report.rules and not report.failed:
        width = max(len(rule.name) for rule in report.rules)
        for rule in report.rules:
            print(f"  {rule.name:{width}}  {weight(rule)}, {level(rule)} level")
    if report.expects:
        print("expects from the guide: " + ", ".join(f"{indexed(free)}: {type_of(free)}" for free in report.expects))
    print(_summary(printable(report.file), report.diagnostics, [report]))


def _summary(name: str, diagnostics: list[Diagnostic] | tuple[Diagnostic, ...], reports: list[FileReport]) -> str:
    errors, warnings = count_errors(diagnostics)
    unread = sum(report.problem is not None for report in reports)
    parts = [counted(sum(len(report.rules) for report in reports), "rule"), counted(errors, "error")]
    if warnings:
        parts.append(counted(warnings, "warning"))
    if unread:
        parts.append(f"{counted(unread, 'file')} not read")
    return f"{name}: {', '.join(parts)}"

"""`asrppl check`: what is wrong with rule files, and what they expect from the guide."""

import argparse
import sys
from collections.abc import Mapping

from asrppl.cli.arguments import add_files, add_params, chosen, params_of
from asrppl.cli.color import When, add_color, color_of
from asrppl.cli.formats import as_github, as_json
from asrppl.cli.output import count_errors, counted, level, print_diagnostics, weight
from asrppl.cli.report import FileReport, check_path
from asrppl.cli.sarif import as_sarif
from asrppl.commands import Commands, printable
from asrppl.core.labels import indexed, type_of
from asrppl.diagnostics import Diagnostic

_DESCRIPTION = """\
Check rule files: syntax, names, types, levels. All of a file's errors come at once, each with its place, a code and,
where there is one, the mend. Then the names that the file does not define are listed with the types that their uses
give them: a guide has to have sites of these names, or expose them, or `bind=` has to map them.

Status 1 if a file has errors; with --strict warnings count too.
"""
_EPILOG = """\
examples:
  asrppl check overlap.asr
  asrppl check overlap.asr -p S=64 -p eps=2
  asrppl check rules/
  asrppl check rules/ --strict --format json
  echo 'forall i != j: nonoverlap(box[i], box[j])' | asrppl check -
"""


_FORMATS = {"json": as_json, "github": as_github, "sarif": as_sarif}


def add_parser(subparsers: Commands) -> None:
    """Register `asrppl check`."""
    parser = subparsers.add_parser(
        "check",
        help="find mistakes in rule files",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_files(parser)
    add_params(parser)
    parser.add_argument(
        "--format",
        choices=("text", *_FORMATS),
        default="text",
        help="of the output: text (the default), json, annotations of GitHub's workflows, or SARIF 2.1.0",
    )
    parser.add_argument("--strict", action="store_true", help="status 1 for warnings too")
    add_color(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    params = params_of(arguments, "check")
    if params is None:
        return 2
    files = chosen(arguments.files)
    reports = [
        FileReport(name, problem) if problem is not None else check_path(name, params, alone=len(files) == 1)
        for name, problem in files
    ]
    strangers = _nowhere_known(reports, params) if len(files) > 1 else []
    if arguments.format in _FORMATS:
        if written := _FORMATS[arguments.format](reports):
            print(written)
    else:
        for report in reports:
            _print(report, color_of(arguments))
        if len(reports) > 1:
            print(_summary("in all", [found for report in reports for found in report.diagnostics], reports))
    for name in strangers:
        print(f"asrppl check: none of the files has a param `{name}`", file=sys.stderr)
    warned = any(count_errors(report.diagnostics)[1] for report in reports)
    failed = any(report.failed for report in reports)
    return 1 if strangers or failed or (arguments.strict and warned) else 0


def _nowhere_known(reports: list[FileReport], params: Mapping[str, object]) -> list[str]:
    return [name for name in params if not any(name in (report.params or {}) for report in reports)]


def _print(report: FileReport, color: When) -> None:
    if report.problem is not None:
        print(printable(f"asrppl check: {report.file}: {report.problem}"), file=sys.stderr)
        return
    print_diagnostics(report.diagnostics, color)
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

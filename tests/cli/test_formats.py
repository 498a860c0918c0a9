"""`asrppl check --format`: what other programs read."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from asrppl.cli.main import main
from asrppl.codes import CODES

PLACE = re.compile(r"::(error|warning) ([^:]*)::(.*)")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "a, b: 5%.asr": "rule r: n == 1 or 3\n",  # the name has what is escaped
        "warned.asr": "param S = 3\nx <= 1\n",
        "fine.asr": "x <= 1\n",
        "shared.asr": "let unused = a <=\n",
        "one.asr": 'import "shared.asr"\nx <= 1\n',
        "two.asr": 'import "shared.asr"\nx <= 2\n',
    }
    for name, text in texts.items():
        Path(name).write_text(text)


def github(*names: str, out: pytest.CaptureFixture[str]) -> list[tuple[str, dict[str, str], str]]:
    """The annotations, read as GitHub's runner reads them."""
    main(["check", "--format", "github", *names])
    found: list[tuple[str, dict[str, str], str]] = []
    for line in out.readouterr().out.splitlines():
        match = PLACE.fullmatch(line)
        assert match is not None, line
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        found.append((match[1], {name: unquote(value) for name, value in properties.items()}, unquote(match[3])))
    return found


def test_annotations_say_where_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "github", "a, b: 5%.asr"]) == 1
    assert capsys.readouterr().out == (
        "::error file=a%2C b%3A 5%25.asr,line=1,endLine=1,col=19,endColumn=19,title=ASR036::"
        "a formula is needed here, and this is a number%0Ahelp: did you mean `n in {1, 3}`?\n"
    )
    ((severity, place, _),) = github("warned.asr", out=capsys)
    assert (severity, place["file"], place["line"], place["title"]) == ("warning", "warned.asr", "1", "ASR055")


def test_what_cannot_be_read_is_annotated_and_what_is_fine_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = github("none.asr", "fine.asr", out=capsys)
    assert found == [("error", {"file": "none.asr", "title": "asrppl"}, "No such file or directory")]
    assert github("fine.asr", out=capsys) == []


def test_a_finding_of_a_file_that_two_import_is_annotated_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = github("one.asr", "two.asr", out=capsys)
    assert len([place for _, place, _ in found if place["file"] == "shared.asr"]) == 1


def test_an_override_without_a_place_stands_at_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    ((_, place, _),) = github("fine.asr", "-p", "T=3", out=capsys)
    assert place == {"file": "fine.asr", "title": "ASR031"}


def sarif(*names: str, out: pytest.CaptureFixture[str]) -> dict[str, object]:
    main(["check", "--format", "sarif", *names])
    written = json.loads(out.readouterr().out)
    assert written["version"] == "2.1.0"
    assert written["$schema"].endswith("sarif-2.1.0.json")
    (run,) = written["runs"]
    return run


def check_location(location: dict) -> None:
    """What SARIF and code scanning ask of a place."""
    physical = location["physicalLocation"]
    assert not re.search(r"[ <>\\]", physical["artifactLocation"]["uri"])
    region = physical["region"]
    assert region["startLine"] >= 1
    assert region.get("endLine", region["startLine"]) >= region["startLine"]
    if "startColumn" in region and region["startLine"] == region["endLine"]:
        assert 1 <= region["startColumn"] <= region["endColumn"]


def test_sarif_has_every_property_that_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    run: dict = sarif(*sorted(map(str, Path().glob("*.asr"))), "none.asr", out=capsys)
    assert set(run) == {"tool", "columnKind", "invocations", "results"}
    driver = run["tool"]["driver"]
    assert driver["name"] == "asrppl"
    assert driver["informationUri"].startswith("https://")
    assert [rule["id"] for rule in driver["rules"]] == list(CODES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] == CODES[rule["id"]].title
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning")
    assert {result["level"] for result in run["results"]} == {"error", "warning"}
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        for location in (*result["locations"], *result.get("relatedLocations", ())):
            check_location(location)
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (problem,) = invocation["toolExecutionNotifications"]
    assert problem["message"]["text"] == "No such file or directory"


def test_sarif_says_where_as_the_text_does(capsys: pytest.CaptureFixture[str]) -> None:
    run: dict = sarif("a, b: 5%.asr", out=capsys)
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%2C%20b%3A%205%25.asr"
    assert place["region"] == {"startLine": 1, "startColumn": 19, "endLine": 1, "endColumn": 20}
    assert run["invocations"][0] == {"executionSuccessful": True, "toolExecutionNotifications": []}


def test_sarif_names_an_absolute_file_by_a_uri(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run: dict = sarif(str(tmp_path / "warned.asr"), out=capsys)
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (tmp_path / "warned.asr").as_uri()

"""What the pages say is so: programs print what stands below them, rules check, sessions and commands are real."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

import asrppl
from asrppl.cli import main as command_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("examples/**/*.md"),
    )
    if "tables" not in path.parts  # made from results
)
HERE = "https://github.com/asrppl/asrppl/blob/main/"
RAW = "https://raw.githubusercontent.com/asrppl/asrppl/main/"
PROGRAMS = {"python", "text", "asr", "console", "sh"}
MADE = "docs/diagnostics.md"  # from asrppl/explanations.md, whose blocks tests/test_explanations.py runs


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page, with their languages."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text_of(page), re.MULTILINE | re.DOTALL)
    assert {language for language, _ in found} <= PROGRAMS, f"{page}: a block says its language"
    return found


def pages_with(language: str) -> list[str]:
    found = [page for page in PAGES if page != MADE and any(known == language for known, _ in blocks(page))]
    assert found
    return found


@pytest.mark.parametrize("page", pages_with("python"))
def test_programs_run_and_print_what_stands_below_them(page: str) -> None:
    names: dict[str, object] = {}
    printed = ""
    for language, block in blocks(page):
        if language == "python":
            assert printed == "", "what a program prints stands below it"
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(block, page, "exec"), names)  # one page's programs go on from each other
            printed = output.getvalue()
        elif language == "text" and printed:
            assert block == printed
            printed = ""
    assert printed == ""


def test_the_readme_begins_with_a_rule_that_comes_to_hold() -> None:
    (program, *_), (output, *_) = (
        [block for language, block in blocks("README.md") if language == wanted] for wanted in ("python", "text")
    )
    assert "regularize" in program
    places = [float(number) for number in re.findall(r"-?\d+\.\d", output.partition("]")[0])]
    for place, centre in zip(places, (-3.0, 0.0, 3.0), strict=True):  # of the data
        assert abs(place - centre) < 0.3


@pytest.mark.parametrize("page", pages_with("asr"))
def test_rules_check_without_a_word(page: str) -> None:
    for language, block in blocks(page):
        if language == "asr":
            assert asrppl.parse(block).diagnostics == ()


@pytest.mark.parametrize("page", pages_with("console"))
def test_sessions_print_what_stands_there(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in blocks(page):
        if language == "console":
            for command, rest in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                replay(shlex.split(command), rest, monkeypatch)


def replay(words: list[str], rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == "cat":  # shows a file, which the next commands read
        Path(words[1]).write_text(rest, encoding="utf-8")
        return
    assert words[0] == "asrppl"
    lines = rest.splitlines(keepends=True)
    typed = "".join(line[2:] for line in lines if line.startswith(("> ", ". ")))
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        command_line.main(words[1:])
    wanted = "".join(line for line in lines if not line.startswith(("> ", ". ")))
    assert output.getvalue().strip() == wanted.strip()


@pytest.mark.parametrize("page", [page for page in pages_with("sh")])
def test_commands_are_real(page: str) -> None:
    """As they are written; AIR's tests run the trainings in a short form, since they take minutes to hours."""
    targets = re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE)
    for language, block in blocks(page):
        for line in block.splitlines() if language == "sh" else ():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            name = Path(words[0]).name
            if name == "make":
                assert {word for word in words[1:] if "=" not in word} <= set(targets), line
            elif name == "asrppl":
                arguments = [word.replace("DIR", "mnist") for word in words[1:]]
                command_line.build_parser().parse_args(arguments)
            elif name == "torchrun":
                assert "asrppl" in words or words[-1] == "train.py", line  # a script of the reader's
                if "asrppl" in words:
                    command_line.build_parser().parse_args(words[words.index("asrppl") + 1 :])
            elif name == "python":
                assert words[1] == "-m"
                module = ROOT / words[2].replace(".", "/")
                assert words[2] == "pytest" or module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()
            else:
                assert name in ("git", "bash", "pip"), line


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_pages(page: str) -> None:
    prose = re.sub(r"^ *```.*?^ *```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith((HERE, RAW)):
            path = ROOT / target.removeprefix(HERE).removeprefix(RAW).partition("#")[0]
        elif target.startswith(("https://", "#")):
            continue
        else:
            path = (ROOT / page).parent / target.partition("#")[0]
        assert path.exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_prose_are_short(page: str) -> None:
    prose = re.sub(r"^ *```.*?^ *```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    long = [line for line in prose.splitlines() if len(line) > 120 and not line.startswith(("|", "!["))]
    assert long == []

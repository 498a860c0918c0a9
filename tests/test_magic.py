"""Rules in a notebook: cells, what they show, and pictures of boxes."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import asrppl
from asrppl.worlds.scene import scene

RULES = "%%asr rules S=64\n# größe 🙂\nparam S = 50\nrule apart: forall i != j: nonoverlap(box[i], box[j])"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = InteractiveShell.instance()
    made.history_manager.enabled = False
    made.run_cell("%load_ext asrppl").raise_error()
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, cell: str) -> tuple[object, str, str]:
    """Return what a cell comes to, the HTML that it shows, and what it says on its end."""
    with capture_output() as said:
        done = shell.run_cell(cell, silent=False)
    shown = "".join(output.data.get("text/html", "") for output in said.outputs)
    return done.result, shown, str(done.error_in_exec or "")


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html.replace("<br>", "\n")))


def test_a_cell_makes_a_program_that_shows_itself_in_colour(shell: InteractiveShell) -> None:
    run(shell, "S = 3")
    program, _, said = run(shell, RULES)
    assert isinstance(program, asrppl.Program)
    assert (program, said) == (shell.user_ns["rules"], "")
    assert program.params == {"S": 64}
    shown = program._repr_html_()
    assert RULES.partition("\n")[2] in plain(shown)
    assert re.search(r'<span style="[^"]*font-weight: bold[^"]*">forall</span>', shown)
    assert "reads box[i]: box" in plain(shown)


def test_what_is_wrong_is_shown_and_nothing_is_bound(shell: InteractiveShell) -> None:
    run(shell, RULES)
    before = shell.user_ns["rules"]
    result, shown, said = run(shell, "%%asr rules\nrule a: x <= 3 && y <= 2\nrule b: z < <")
    assert (result, said) == (None, "the rules have 2 errors; `rules` is as it was")
    assert shell.user_ns["rules"] is before
    assert "error[ASR004]: `&&` is not an operator here\n --> <rules>:1:16" in plain(shown)
    assert "z < <" not in shown  # escaped


def test_warnings_are_shown_and_stop_nothing(shell: InteractiveShell) -> None:
    program, shown, said = run(shell, "%%asr rules\nlet unused = 3\nx <= 1")
    assert isinstance(program, asrppl.Program)
    assert (said, plain(shown).partition("\n")[0]) == ("", "warning[ASR055]: `unused` is never used")


def test_imports_are_looked_up_beside_the_notebook(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "shapes.asr").write_text("param most = 3\n")
    program, _, said = run(shell, '%%asr rules\nimport "shapes.asr"\nx <= most')
    assert said == ""
    assert isinstance(program, asrppl.Program)


def test_values_are_judged_and_boxes_drawn(shell: InteractiveShell) -> None:
    run(shell, RULES)
    run(shell, "values = {'box': [[10, 10, 8], [14, 12, 8], [40, 40, 8]]}")
    found, _, said = run(shell, "%asr rules --at values")
    assert said == ""
    shown = found._repr_html_()  # type: ignore[attr-defined]
    assert "apart: does not hold, violation 8" in plain(shown)
    assert re.findall(r'stroke-dasharray="5 3"><title>(.*?)</title>', shown) == ["box[0]", "box[1]"]
    assert shown.count("<title>") == 3
    found, shown, _ = run(shell, "%%asr rules --at {'x': 3}\nrule low: x <= 2")
    assert "low: does not hold, violation 1" in str(found)
    assert "<svg" not in found._repr_html_()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("%%asr\nx <= 1", "write %%asr NAME"),
        ("%%asr class\nx <= 1", "write %%asr NAME"),
        ("%%asr rules --at\nx <= 1", "write %%asr NAME"),
        ("%%asr rules S\nx <= 1", "expected NAME=NUMBER"),
        ("%asr nothing", "`nothing` is no program of rules"),
        ("%%asr rules --at vals\nx <= 1", "--at vals: NameError"),
        ("%%asr rules --at {'y': 1}\nx <= 1", "the values do not fit the rules: 2 errors"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(shell: InteractiveShell, cell: str, why: str) -> None:
    with capture_output() as said:
        done = shell.run_cell(cell)
    assert why in str(done.error_in_exec)
    assert "Traceback" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("box", "there", "broken"),
    [
        ([[[10, 10, 8], [14, 12, 8]], [[10, 10, 8], [24, 12, 8]]], 4, 2),  # a batch: a panel each
        ({"x": [10, 14], "y": [10, 12], "w": [8, 8], "h": [4, 4]}, 2, 2),
        ({"value": [[10, 10, 8], [14, 12, 8], [12, 12, 8]], "mask": [True, True, False]}, 2, 2),
        ([[10, 10, 8], [40, 40, 8]], 2, 0),
    ],
)
def test_each_box_that_is_there_is_drawn_and_marked_if_it_breaks_a_rule(box: object, there: int, broken: int) -> None:
    program = asrppl.parse("rule apart: forall i != j: nonoverlap(box[i], box[j])")
    picture = scene(program.to_dict(), program.free, {"box": box}).svg
    assert picture is not None
    assert (picture.count("<title>"), picture.count("stroke-dasharray")) == (there, broken)

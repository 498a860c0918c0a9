"""What the page is told: the same as the commands say, from a zip that needs no torch."""

import re
import subprocess
import sys
import threading
import urllib.request
import zipfile
from pathlib import Path

import pytest

from asrppl.source import Source
from asrppl.worlds import why
from examples.playground import engine
from examples.playground.__main__ import HOST, server
from examples.playground.build import HERE, MOST_BYTES, PAGE, WORLDS, archive, library, world
from examples.playground.values import parse_values, with_entry
from tests.conformance import WITH, programs, read


def values_of(line: str) -> str:
    return "\n".join(part.strip() for part in line.removeprefix(WITH).split(";"))


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_the_worlds_to_start_from_are_evaluated(path: Path) -> None:
    start = world(path)
    checked, evaluated = engine.check(start["rules"]), engine.evaluate(start["rules"], start["values"])
    assert checked["failed"] == (path.stem == "6-mistakes")
    assert (evaluated["problems"], evaluated["diagnostics"]) == ([], [])
    assert {free["name"] for free in checked["expects"]} <= set(parse_values(start["values"])[0])
    costs = [rule for rule in evaluated["rules"] if rule["violation"] > 0]
    assert all(cost["instances"] for cost in costs)
    assert costs or path.stem in ("5-parity", "6-mistakes")


def test_a_rule_costs_here_what_why_says() -> None:
    """(The page adds up the broken instances, so that nothing is worked out twice in a drag.)"""
    compared = 0
    for path in programs("good"):
        source, params = read(path)
        for line in source.text.splitlines() if not params else ():
            if not line.startswith(WITH):
                continue
            here = engine.evaluate(source.text, values_of(line))["rules"]
            given, _ = parse_values(values_of(line))
            there = why(Source("rules", source.text), given, shown=0)
            found = [(rule["name"], tuple(rule["datum"]), rule["applies"]) for rule in here]
            assert found == [(rule.rule, rule.datum, rule.applies) for rule in there], path
            for rule, wanted in zip(here, there, strict=True):
                assert rule["violation"] == pytest.approx(wanted.violation, rel=1e-9, abs=1e-8), path
            compared += len(here)
    assert compared > 400


def test_a_rule_with_an_error_leaves_the_others_working() -> None:
    text = "param S = 2\nrule a: x <= S\nrule b: n == 1 or 3\nlet c = x +\nrule d: c <= 1\ny <= 1\n"
    kept = engine.without_errors(text)
    assert [line.strip() for line in kept.split("\n")] == [
        "param S = 2",
        "rule a: x <= S",
        "",
        "",
        "rule d: c <= 1",
        "y <= 1",
        "",
    ]
    found = engine.evaluate(text, "x = 5.0\ny = 2.0\nc = 0.0\nn = 2")
    assert [(rule["name"], rule["violation"]) for rule in found["rules"]] == [("a", 3.0), ("d", 0), ("line 6", 1.0)]


def test_a_name_without_a_value_leaves_the_rules_without_it_working() -> None:
    text = "rule a: q + x[0] <= 1\nrule b: x[0] <= 3\nlet c = q\nrule d: c <= 0\nrule e: q <= 2 and x[1] <= 1\n"
    found = engine.evaluate(text, "x = [5.0, 2.0]")
    assert [(said["code"], said["line"]) for said in found["diagnostics"]] == [("ASR070", 1)]
    assert [(rule["name"], rule["violation"]) for rule in found["rules"]] == [("b", 2.0)]


def test_where_worlds_are_too_many_the_command_is_named() -> None:
    start = world(WORLDS[0])
    lines = engine.give_example(start["rules"], start["values"])["lines"]
    assert [line.split(";")[0] for line in lines] == ["There are infinitely many worlds", lines[1]]
    assert "`asrppl example RULES`" in lines[1]


def test_values_are_read_line_by_line() -> None:
    text = "x = 1  # one\ny = [[1,\n  2], [3, 4]]\n\nwhat\nx = 2\nz = 1 + 1\n"
    values, problems = parse_values(text)
    assert values == {"x": 1, "y": [[1, 2], [3, 4]]}
    assert [(problem["line"], problem["name"]) for problem in problems] == [(5, None), (6, "x"), (7, "z")]


def test_a_value_that_is_missing_is_said_once() -> None:
    (finding,) = engine.evaluate("x <= 1", "")["diagnostics"]
    assert (finding["code"], finding["line"], finding["help"]) == (
        "ASR070",
        1,
        "write `x = ...` in Values, or `param x = ...` if it is a constant",
    )
    found = engine.evaluate("x <= 1", "x = what")
    assert (len(found["problems"]), found["diagnostics"]) == (1, [])


def test_a_function_that_is_not_there_is_not_asked_a_value_for() -> None:
    (finding,) = engine.evaluate("not overlap(x, y)", "x = 1\ny = 2")["diagnostics"]
    assert finding["message"] == "there is no function `overlap`"
    assert finding["help"] == "did you mean `nonoverlap` or `overlap_area` or `overlap_x`?"
    (finding,) = engine.evaluate("f(x) <= 1", "x = 1")["diagnostics"]
    assert finding["help"] == "it would come from Python: write what it stands for"


def test_boxes_are_drawn_one_or_many_whether_rules_read_them_or_not() -> None:
    values = "box = [[1, 2, 3], [4, 5, 6]]\nimage = [5, 5, 10, 10]\nx = [1.0, 2.0]"
    assert engine.evaluate("inside(box[0], image)", values)["boxes"] == {
        "box": [[1, 2, 3], [4, 5, 6]],
        "image": [5, 5, 10, 10],
    }
    assert engine.evaluate("forall i, j: box[i, j] <= 9", values)["boxes"] == {"image": [5, 5, 10, 10]}


def test_instances_say_which_boxes_they_are_about() -> None:
    start = world(WORLDS[0])
    apart = engine.evaluate(start["rules"], start["values"])["rules"][0]
    first = apart["instances"][0]
    assert (first["at"], first["violation"], first["text"]) == ({"i": 0, "j": 1}, 5.5, "nonoverlap(box[0], box[1])")
    assert first["reads"] == [("box", 0), ("box", 1)]


def test_why_is_told_with_a_mend_and_codes_are_explained() -> None:
    start = world(WORLDS[0])
    lines = engine.tell_why(start["rules"], start["values"], "same_size")["lines"]
    assert any(line.strip().startswith("mend: ") for line in lines)
    assert "For example:" in engine.explain("ASR036")["lines"]


def test_a_mend_can_be_taken() -> None:
    start = world(WORLDS[0])
    offers = engine.tell_why(start["rules"], start["values"], "apart")["offers"]
    assert [offer["label"] for offer in offers] == ["Set box[0].x to 6.5", "Set box[1].x to 24.5"]
    for offer in offers:
        assert engine.evaluate(start["rules"], offer["values"])["rules"][0]["violation"] == 0


def test_what_a_mend_leaves_alone_stays_as_it_was_typed() -> None:
    many = ", ".join(f"[{9 * at}, 0, 8]" for at in range(50))
    values = f"box = [{many}]\nthird = 0.3333333333333333\nreal = 2.0\nn = 5\n"
    (offer,) = engine.tell_why("rule r: n <= 3 and third <= 1 and real <= 3 and box[0].w <= 9", values, "r")["offers"]
    assert offer["values"] == values.replace("n = 5", "n = 3")


def test_entries_are_changed_where_they_are_written_out() -> None:
    values = {"n": 2, "m": [[1, 2], [3, 4]], "box": [[1, 2, 3]], "title": [1, 2, 3, 4], "z": {"value": [1]}}
    assert with_entry(values, "n", 5) == {**values, "n": 5}
    assert with_entry(values, "m[1, 0]", 9) == {**values, "m": [[1, 2], [9, 4]]}
    assert with_entry(values, "box[0].size", 9) == {**values, "box": [[1, 2, 9]]}
    assert with_entry(values, "title.h", 9) == {**values, "title": [1, 2, 3, 9]}
    for entry in ("z[0]", "w", "box[0].w", "box[0].x of datum 1"):
        assert with_entry(values, entry, 9) is None
    assert values["m"] == [[1, 2], [3, 4]]


def test_examples_are_found_where_worlds_are_few() -> None:
    found = engine.give_example("rule a: x or y\nrule b: not (x and y)\n", "")
    labels = [one["label"].removeprefix("Take the one that ") for one in found["offers"]]
    assert labels == ["keeps all rules", "breaks a alone, by 1", "breaks b alone, by 1"]
    kept, _ = parse_values(found["offers"][0]["values"])
    assert sorted(kept.values()) == [False, True]
    assert "infinitely many" in engine.give_example("x <= 1", "")["lines"][0]
    assert engine.give_example("x <=", "")["lines"][0].startswith("error[ASR")


def test_the_zip_is_small_and_whole_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "asrppl.zip"
    assert archive(path) <= MOST_BYTES
    with zipfile.ZipFile(path) as packed:
        packed.extractall(tmp_path / "unpacked")
    code = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "pyro", "numpy", "z3"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, {str(tmp_path / "unpacked")!r})
from examples.playground import engine
rules = "rule a: x[0] or x[1]"
print(engine.check(rules)["failed"], engine.evaluate(rules, "x = [false, false]")["rules"][0]["violation"])
print(engine.tell_why(rules, "x = [false, false]", "a")["lines"][0])
print(len(engine.explain("ASR001")["lines"]) > 3)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "False 1.0\na: does not hold, violation 1 (1 discrete)\nTrue\n"


def test_the_page_asks_nothing_of_other_machines() -> None:
    for name in PAGE:
        addresses = re.findall(r"https?://[^\s\"'`)]+", (HERE / name).read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, name  # a name, which nothing fetches
    assert "default-src 'self'" in (HERE / "index.html").read_text(encoding="utf-8")


def test_all_of_the_library_is_described() -> None:
    found = {entry["call"]: entry["says"] for entry in library()}
    assert found["inside(a, b)"] == "All of a lies in b."
    assert all(found.values())


def test_it_is_served_to_this_machine_with_the_types_that_browsers_want(tmp_path: Path) -> None:
    for name in ("a.mjs", "a.wasm"):
        (tmp_path / name).write_text("")
    serving = server(tmp_path, 0)
    assert serving.server_address[0] == HOST == "127.0.0.1"
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    try:
        types = []
        for name in ("a.mjs", "a.wasm"):
            with urllib.request.urlopen(f"http://{HOST}:{serving.server_port}/{name}") as answer:
                types.append(answer.headers["Content-Type"])
    finally:
        serving.shutdown()
        serving.server_close()
    assert types == ["text/javascript", "application/wasm"]

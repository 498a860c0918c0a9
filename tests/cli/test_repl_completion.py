"""`asrppl repl`: what Tab offers, and which errors show while a line is typed."""

from pathlib import Path

import pytest

from asrppl.cli.repl.completion import candidates
from asrppl.cli.repl.lines import wants_more
from asrppl.cli.repl.mistakes import mistake_in
from asrppl.cli.repl.session import Session
from asrppl.cli.repl.shell import Repl


@pytest.fixture
def session(tmp_path: Path) -> Session:
    repl = Repl(Session(tmp_path))
    for line in (
        "box = [[10, 10, 8], [14, 12, 8]]",
        "ratio = 0.5",
        "pose = {angle: 1.0, scale: 2.0}",
        "n ~ [0.2, 0.8]",
        "param boundary = 3",
        "site other[i]: (alpha, beta)",
        "rule apart: other[0].alpha <= boundary",
        "def beside(a: box, b: box) = a.x <= b.x",
    ):
        repl.run(line)
    return repl.session


def offered(session: Session, before: str) -> dict[str, str]:
    return {found.text: found.about for found in candidates(session, before)}


def test_values_are_offered_with_their_types(session: Session) -> None:
    found = offered(session, "forall i: bo")
    assert found["box"] == "2 × 3 integers"
    assert "boundary" in found
    assert offered(session, "ra") == {"ratio": "real"}
    assert offered(session, "P[n")["n"] == "law categorical"


def test_words_and_the_library_are_offered_with_what_they_mean(session: Session) -> None:
    assert offered(session, "foral")["forall"].startswith("forall i: φ: ")
    assert offered(session, "forall i: nonov")["nonoverlap"].startswith("nonoverlap(a: box, b: box)")
    assert "beside" in offered(session, "besi")
    assert "param" in offered(session, "par")
    assert "param" not in offered(session, "x <= par")
    assert "weight" in offered(session, "rule r we")
    assert "other" in offered(session, "oth")


def test_fields_are_offered(session: Session) -> None:
    assert {"x", "y", "w", "h", "size", "left"} <= set(offered(session, "box[0]."))
    assert set(offered(session, "forall i: other[i].")) == {"alpha", "beta"}
    assert set(offered(session, "pose.")) == {"angle", "scale"}
    assert set(offered(session, "pose.an")) == {"angle"}


def test_commands_and_their_arguments_are_offered(session: Session, tmp_path: Path) -> None:
    assert set(offered(session, ":re")) == {"reload", "reset"}
    assert "apart" in offered(session, ":explain ap")
    assert "nonoverlap" in offered(session, "?nonov")
    assert "nonoverlap" in offered(session, ":doc nonov")
    assert "abs" in offered(session, "y = 2 * ab")
    assert "normal" in offered(session, "z ~ no")
    assert offered(session, ":names ") == {}
    for name in ("a.asr", "b.npz", "c.txt", ".hidden.asr"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    assert set(offered(session, ":load ")) == {"a.asr", "b.npz", "more/"}
    assert set(offered(session, 'import "')) == {"a.asr", "more/"}


def test_what_is_offered_takes_the_place_of_what_is_typed(session: Session) -> None:
    (found,) = candidates(session, "1 + rat")
    assert (found.text, found.replaces) == ("ratio", 3)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("forall i != j:", True),
        ("forall i", True),
        ("x <=", True),
        ("rule r weight 2:", True),
        ("f(a,", True),
        ("x = [1,", True),
        ("x =", True),
        ("x ~", True),
        ("a and # so", True),
        ("x <= 1", False),
        ("x <= 1 2", False),
        ("x = 1", False),
        (":load", False),
        ("?forall", False),
        ("", False),
        ("# forall i:", False),
    ],
)
def test_a_line_that_is_a_beginning_wants_more(text: str, more: bool) -> None:
    assert wants_more(text) is more


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("x <= 1 foo <= 2", "foo"),
        ("param 3x = 1 ", "3x"),
        ("nonoverlap(box[0]) and x <= 1", "nonoverlap(box[0])"),
        ("let box2 = nonoverlap(box[0]) + 1 ", "nonoverlap(box[0])"),
    ],
)
def test_errors_show_where_they_are_while_a_line_is_typed(session: Session, text: str, marked: str) -> None:
    found = mistake_in(session, text)
    assert found is not None
    assert text[found.start : found.end] == marked
    assert found.text.startswith("ASR0")


@pytest.mark.parametrize(
    "text", ["", "x <= 1 fo", "forall i: x[i] <=", "nonoverlap(box[0]", "x + 1", "x = (", ":load x y", "box[0].x <= 3"]
)
def test_what_is_being_typed_is_no_error_yet(session: Session, text: str) -> None:
    assert mistake_in(session, text) is None


@pytest.mark.parametrize(
    "text",
    [
        "forall i != j: nonoverlap(box[i], box[j])",
        "rule a weight 3 where on: if x <= 3 then y else z <= 1",
        "let mid = (a + b) / 2",
    ],
)
def test_no_letter_of_a_good_line_is_an_error(session: Session, text: str) -> None:
    for end in range(len(text) + 1):
        assert mistake_in(session, text[:end]) is None, text[:end]

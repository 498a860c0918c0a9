"""What may stand at the end of a text."""

import pytest

from asrppl.assist.analysis import analyse
from asrppl.assist.complete import Item, complete
from asrppl.files import Kept
from asrppl.source import Source
from asrppl.words import JOINING, OPTIONS

FILE = """\
# größe 🙂
param S = 50  # side
given big: bool
site z[i] = "z_{i}": (scale, xx, y)
let area[i] = z[i].scale * S
def near(a: box, eps) = abs(a.x) <= eps
rule r: forall i: near(box[i], 3) and area[i] <= S and z[i].xx <= 2
"""


def offered(more: str) -> list[Item]:
    library = Kept({"f.asr": FILE, "shapes.asr": ""})
    good = analyse(Source("f.asr", FILE), library=library)
    analysis = analyse(Source("f.asr", FILE + more), library=library)
    return complete(analysis, len(FILE + more), good=good, library=library)


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        ("ru", ["rule"]),
        ("rule t ", [*OPTIONS, "where"]),
        ("rule t w", ["weight", "where"]),
        ("rule t weight 3 s", ["smooth"]),
        ("rule t: forall ", []),
        ("rule t: forall i ", ["in", "where"]),
        ("rule t: forall i: box[i].", ["x", "y", "w", "h", "size", "left", "right", "top", "bottom"]),
        ("rule t: z[0].", ["scale", "xx", "y"]),
        ("rule t: box[0].x <= 3 ", sorted(JOINING)),
        ("rule t: box[0].x <= 3", []),
        ("rule t: near(box[0], ep", ["eps:"]),
        ("rule t: nonov", ["nonoverlap"]),
        ("given k: ", ["bool", "int"]),
        ("def f(a: ", ["box", "number", "formula"]),
        ("def f(abc, b) = abc", ["abc"]),
        ("let q[idx] = id", ["idx"]),
        ("forall i:\n    bo", ["box"]),
        ("# co", []),
        ('import "', ["shapes.asr"]),
    ],
)
def test_what_may_stand_there_is_offered(more: str, texts: list[str]) -> None:
    assert [item.text for item in offered(more)] == texts


def test_names_come_with_types_and_the_nearest_first() -> None:
    found = offered("rule t: forall near_one: box[0].x <= ")
    assert [item.text for item in found][:2] == ["near_one", "S"]
    by_text = {item.text: item for item in found}
    assert (by_text["S"].detail, by_text["S"].doc) == ("constant integer", "side")
    assert by_text["area"].detail == "number, sample level"
    assert by_text["box"].detail == "box, sample level"
    assert by_text["near"].detail == "near(a: box, eps)"
    assert {"nonoverlap", "sqrt", "forall", "normal", "not"} <= by_text.keys()


def test_an_index_is_in_scope_until_its_bracket_closes() -> None:
    assert "kk" in [item.text for item in offered("rule t: (exists kk: box[k")]
    assert "kk" not in [item.text for item in offered("rule t: (exists kk: box[kk].x <= 3) and k")]

"""What names mean, what they may be called, and what stands at a place."""

from collections.abc import Mapping

import pytest

from asrppl.assist.analysis import Analysis, analyse
from asrppl.assist.describe import describe
from asrppl.assist.rename import RenameError, renamable, rename
from asrppl.assist.vocabulary import VOCABULARY
from asrppl.files import Kept
from asrppl.source import Source
from asrppl.words import BINDING, BUILTINS, KEYWORDS, OPTION_PARTS, OPTIONS, STATEMENTS

LIBRARY = """\
# How near two boxes are, along x.
def near(a: box, b: box, eps) = abs(a.x - b.x) <= eps
param m = 3  # pixels
"""
MAIN = """\
import "library.asr"
# größe 🙂
given big: bool
site z[i] = "z_{i}": (scale, x, y)
let gap[k] = z[k].scale - z[k + 1].scale
rule r weight 3 where big: forall i: gap[i] <= m
rule s: forall i, j where i < j: near(box[i], box[j], eps: m) or inside(box[i], box[j])
rule t: forall u: (exists v in 0..2: gap[u] <= gap[v]) and other[u] <= 2
"""
FILES = {"library.asr": LIBRARY, "main.asr": MAIN}


def analysed(texts: Mapping[str, str]) -> dict[str, Analysis]:
    return {name: analyse(Source(name, text), library=Kept(texts)) for name, text in texts.items()}


def renamed(files: Mapping[str, str], file: str, at: str, name: str) -> dict[str, str]:
    """Return the files with the name that `at` begins with called otherwise."""
    before = analysed(files)
    found = renamable(before[file], files[file].index(at))
    texts = dict(files)
    for changed, spans in rename(before, found.symbol, name, lambda new: analysed({**files, **new})).items():
        for span in reversed(spans):
            texts[changed] = texts[changed][: span.start] + name + texts[changed][span.end :]
    return texts


@pytest.mark.parametrize(
    ("file", "at", "name", "changed"),
    [
        ("main.asr", "gap[k]", "step", {"main.asr": ["gap[k]", "gap[i]", "gap[u]", "gap[v]"]}),
        ("main.asr", "k]", "n", {"main.asr": ["gap[k]", "z[k]", "z[k + 1]"]}),
        ("main.asr", "i] =", "n", {"main.asr": ["z[i] =", "z_{i}"]}),
        ("main.asr", "scale,", "size", {"main.asr": ["scale, x", "].scale"]}),
        ("main.asr", "near(", "close", {"main.asr": ["near("], "library.asr": ["near("]}),
        ("library.asr", "eps)", "tol", {"main.asr": ["eps:"], "library.asr": ["eps)", "<= eps"]}),
        ("library.asr", "m =", "most", {"main.asr": ["<= m\n", "eps: m)"], "library.asr": ["param m ="]}),
        ("main.asr", "z[i] =", "where_", {"main.asr": ["site z", "z[k]"]}),
    ],
)
def test_a_name_is_another_wherever_it_is_named(file: str, at: str, name: str, changed: dict[str, list[str]]) -> None:
    texts = renamed(FILES, file, at, name)
    assert {each for each in FILES if texts[each] != FILES[each]} == set(changed)
    for each, gone in changed.items():
        assert not [text for text in gone if text in texts[each]]
        assert not any(found.diagnostics for found in analysed(texts).values())
    old = at.partition("[")[0].partition(" ")[0].strip("(),]")
    back = renamed(texts, file, at.replace(old, name, 1), old)
    assert back == FILES


@pytest.mark.parametrize(
    ("file", "at", "name", "why"),
    [
        ("main.asr", "gap[k]", "other", "`other` in line 8 of main.asr would come to mean another thing"),
        ("main.asr", "gap[k]", "box", "takes a box, and this is a number"),
        ("main.asr", "gap[k]", "m", "`m` is defined twice"),
        ("main.asr", "gap[k]", "abs", "`abs` is built in"),
        ("main.asr", "gap[k]", "in", "`in` is a word of the language"),
        ("main.asr", "gap[k]", "1st", "`1st` is no name"),
        ("main.asr", "u:", "v", "`v` is bound already"),
        ("main.asr", "k]", "z", "cannot be indexed"),
        ("library.asr", "eps)", "a", "`a` is bound twice"),
        ("library.asr", "m =", "gap", "`gap` is defined twice"),
        ("main.asr", "scale,", "x", "`x` is written twice"),
        ("main.asr", "box[i]", "b", '`site NAME = "box"`'),
        ("main.asr", "inside(", "b", "in the standard library"),
        ("library.asr", "abs(", "b", "a word of the language"),
        ("main.asr", "bool", "b", "a word of the language"),
        ("library.asr", "x - b", "b", "not named by the rules"),
        ("main.asr", "# gr", "b", "there is no name here"),
    ],
)
def test_what_would_come_to_mean_another_thing_is_refused(file: str, at: str, name: str, why: str) -> None:
    with pytest.raises(RenameError) as error:
        renamed(FILES, file, at, name)
    assert why in str(error.value)


def test_a_file_that_cannot_be_read_whole_is_not_changed() -> None:
    with pytest.raises(RenameError, match="errors of syntax"):
        renamed({**FILES, "main.asr": MAIN + "rule u: gap[0] <= \n"}, "main.asr", "gap[k]", "step")


@pytest.mark.parametrize(
    ("at", "code", "lines"),
    [
        ("m\n", "param m = 3", ["constant integer", "pixels"]),
        ("gap[i]", "let gap[k] = z[k].scale - z[k + 1].scale", ["number, sample level"]),
        (
            "near(",
            "def near(a: box, b: box, eps)",
            ["formula", "How near two boxes are, along x."],
        ),
        ("near(", "def near(a: box, b: box, eps)", ["costs max(|a.x − b.x| − eps, 0)"]),
        ("inside(", "def inside(a: box, b: box)", ["formula"]),
        ("r weight", "rule r", ["weight 3, sample level", "costs Σ_i max(gap_i − m, 0)"]),
        ("rule r", "rule r", ["where big: of other data it asks nothing"]),
        ("big", "big", ["given Boolean, posterior level"]),
        ("box[i]", "box[i]", ["box, sample level", "from the guide, or Python"]),
        ("v in", "v", ["an index, in {0, …, 2}"]),
        ("<= m", "<=", ["costs max(gap_i − m, 0)"]),
        ("or inside", "φ or ψ", ["one of them holds: costs the smaller"]),
        ("weight", "weight 10", [VOCABULARY["weight"].text]),
        ("eps: m", "eps", ["a parameter of `near(a: box, b: box, eps)`"]),
        (".scale", ".scale", ["a component"]),
    ],
)
def test_a_place_says_its_type_its_level_its_violation_and_its_comment(at: str, code: str, lines: list[str]) -> None:
    offset = MAIN.index(at) + (at[0] == ".")
    found = describe(analysed(FILES)["main.asr"], offset)
    assert found is not None
    assert found.code == code
    assert set(lines) <= set(found.lines), found.lines


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("gap[0]", "let gap[k] = z[k].scale - z[k + 1].scale"),
        ("near(b", "def near(a: box, b: box, eps)"),
        ("box[0]", "box[i]"),
        ("m &", "param m = 3"),
        ("inside(q", "def inside(a: box, b: box)"),
        ("x <", None),
    ],
)
def test_in_a_statement_that_cannot_be_read_known_words_mean_what_they_do_elsewhere(at: str, code: str | None) -> None:
    text = MAIN + "rule u: gap[0] <= m && near(box[0], box[1]) or inside(q, r) or box.x <"
    analysis = analysed({**FILES, "main.asr": text})["main.asr"]
    found = describe(analysis, text.rindex(at))
    assert (None if found is None else found.code) == code


def test_what_stands_in_a_condition_has_no_price() -> None:
    found = describe(analysed(FILES)["main.asr"], MAIN.index("< j"))
    assert found is None


def test_nothing_stands_in_comments() -> None:
    assert describe(analysed(FILES)["main.asr"], MAIN.index("größe")) is None


def test_every_word_of_the_language_is_explained() -> None:
    assert set(VOCABULARY) == {*BUILTINS, *KEYWORDS, *STATEMENTS, *OPTIONS, *OPTION_PARTS, *BINDING, "inf"}

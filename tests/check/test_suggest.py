"""Which name was meant."""

from random import Random

import pytest

from asrppl.suggest import did_you_mean, distance, is_suspiciously_close, nearest


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [
        ("SS", "S", True),
        ("eps", "esp", True),
        ("weigth", "weight", True),
        ("Scale", "scale", True),
        ("z_where", "z_what", False),
        ("x1", "x2", False),
        ("mu", "nu", False),
        ("n", "m", False),
        ("c_min", "c_max", False),
        ("box", "b", False),
        ("mu", "muu", True),
        ("ab", "ba", True),
        ("x", "x", False),
        ("mean", "bean", True),
        ("means", "bears", False),
        ("location", "lokazion", True),
        ("location", "lokaziom", False),
    ],
)
def test_only_likely_slips_are_close(one: str, other: str, close: bool) -> None:
    assert is_suspiciously_close(one, other) is close
    assert is_suspiciously_close(other, one) is close


def test_distances_count_edits_and_swaps() -> None:
    assert [distance("abc", other) for other in ("abc", "acb", "ab", "abcd", "xbc", "xyz", "")] == [0, 1, 1, 1, 1, 3, 3]
    assert nearest("scal", ["scale", "skill", "x"]) == ("scale",)
    assert nearest("z", ["x", "y"]) == ()


def test_a_third_of_a_name_may_differ_and_itself_is_not_offered() -> None:
    assert nearest("abc", ["axy", "abd", "abc"]) == ("abd",)
    assert nearest("abcdef", ["abcdxy", "abcxyz"]) == ("abcdxy",)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (["scale"], "did you mean `scale`?"),
        (["scale", "scala"], "did you mean `scala` or `scale`?"),
        (["scale", "scala", "scali", "scalo"], "did you mean `scala`, `scale` or `scali`?"),
        (["other"], None),
    ],
)
def test_the_likeliest_three_are_offered(known: list[str], said: str | None) -> None:
    assert did_you_mean("scal", known) == said


def test_names_of_thousands_of_letters_take_no_longer_than_names() -> None:
    assert distance("a" * 20_000, "a" * 19_999 + "b") == 1
    assert distance("ab" * 10_000, "cd" * 9_000) == 20_000


def plainly(a: str, b: str) -> int:
    """The same distance, by its definition."""
    if not a or not b:
        return len(a) + len(b)
    found = [plainly(a[1:], b) + 1, plainly(a, b[1:]) + 1, plainly(a[1:], b[1:]) + (a[0] != b[0])]
    if a[:2] == b[1::-1] and len(a) > 1 < len(b):
        found.append(plainly(a[2:], b[2:]) + 1)
    return min(found)


def test_distances_are_those_of_the_definition() -> None:
    draw = Random(0)
    for _ in range(300):
        a, b = ("".join(draw.choices("abc", k=draw.randrange(6))) for _ in range(2))
        assert distance(a, b) == plainly(a, b), (a, b)
    assert distance("x" + "a" * 62 + "x", "y" + "a" * 62 + "y") == 2

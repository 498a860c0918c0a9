"""What a file's names are taken for where nothing is bound: lengths from indices, kinds from uses."""

import pytest

from asrppl.check import check_file
from asrppl.check.assumed import Lengths, assumed
from asrppl.core.signature import BOX_FIELDS, Entry, Kind, Level
from asrppl.source import Source
from asrppl.syntax import parse_file


def take(text: str, lengths: Lengths) -> tuple[dict[str, Entry], list[str], frozenset[str]]:
    checked = check_file(parse_file(Source("rules.asr", text)).file, {}, library=None)
    signature, missing, variables = assumed(checked, [rule.formula for rule in checked.rules], lengths)
    return dict(signature.entries), [part.entry for part in missing], variables


@pytest.mark.parametrize(
    ("text", "lengths", "axes"),
    [
        ("forall i: x[i] <= 1", {"x": (5,)}, (5,)),
        ("forall i: x[i] <= 1", {"i": (5,)}, (5,)),
        ("forall i, t: x[i, t] <= 1", {"x": (5,)}, (5, 5)),
        ("forall i, t: x[i, t] <= 1", {"x": (5, 3)}, (5, 3)),
        ("forall i, t: x[i, t] <= 1", {"i": (5,), "t": (3,)}, (5, 3)),
        ("x[0] <= x[2]", {}, (3,)),
        ("forall i in 0..3: x[i + 1] <= 1", {}, (5,)),
        ("x <= 1", {}, ()),
    ],
)
def test_lengths(text: str, lengths: Lengths, axes: tuple[int, ...]) -> None:
    entries, missing, _ = take(text, lengths)
    assert entries["x"].axes == axes
    assert not missing


def test_what_nothing_tells_is_missing() -> None:
    _, missing, variables = take("forall i: x[i] <= y[n] and y[0] <= 1", {})
    assert missing == ["x[i]", "y[i]"]
    assert variables == {"i"}


def test_kinds() -> None:
    text = "given g: int\nforall i: box[i].size <= 1 and (on or g == 1) and f(x[i]) <= 2 and kl(q(n) || q(m)) <= 1"
    entries, _, _ = take(text, {"i": (4,), "n": (3,), "m": (3,)})
    assert entries["box"].fields == BOX_FIELDS
    assert entries["box"].squares
    assert entries["on"].kind is Kind.BOOL
    assert entries["g"].given
    assert entries["g"].kind is Kind.INT
    assert entries["f"].function
    assert entries["n"].support == (0, 1, 2)


def test_what_an_aggregate_takes_in_is_data() -> None:
    entries, _, _ = take("aggregate(E[x] where g == 1) <= aggregate(y) + aggregate(mean(q(z)))", {})
    data = frozenset({Level.DATUM})
    assert [entries[name].levels == data for name in "gxyz"] == [True, False, True, False]

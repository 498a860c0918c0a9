"""What rules say does not change with the names of definitions, parameters and indices."""

from random import Random

from asrppl.assist.analysis import Analysis, analyse
from asrppl.assist.rename import RenameError, renamable, rename
from asrppl.check.unfolded import unfolded
from asrppl.source import Source
from asrppl.syntax import format_expression

RULES = """\
param S = 2
param half = 0.5
let d[i] = x[i] - y[i]
let e[j] = d[j] * S + (sum i: d[i])
def near(p, at) = abs(p) <= at
def both(p: formula, u: formula, i) = p and u or near(i, half)
def wrap(f, k) = near(f, at: k) and (forall i: d[i] <= k)
rule one weight half: forall i, p: both(near(e[i], half), x[p] <= 2, x[i]) and wrap(x[i], S)
rule two where g: exists i: (count j in 0..2: d[j] <= e[i]) >= 2
"""
NEW = ["d", "e", "S", "i", "p", "q", "x", "y", "new", "near", "k", "j", "at", "one", "weight", "g", "sum"]


def analysed(text: str) -> Analysis:
    return analyse(Source("f.asr", text), library=None)


def written_out(analysis: Analysis) -> list[str]:
    """Return the rules with their definitions written out: of these only params and what the guide gives have names."""
    found = [unfolded(analysis.checked, rule.formula) for rule in analysis.checked.rules]
    return [format_expression(formula) for formula in found if formula is not None]


def test_definitions_written_out_are_the_same() -> None:
    random, before = Random(0), analysed(RULES)
    assert len(written_out(before)) == 2
    done, refused = 0, 0
    for _ in range(150):
        found, name = random.choice(before.occurrences), random.choice(NEW)
        try:
            symbol = renamable(before, found.span.start).symbol
            places = rename({"f.asr": before}, symbol, name, lambda new: {"f.asr": analysed(new.get("f.asr", RULES))})
        except RenameError:
            refused += 1
            continue
        text = RULES
        for span in reversed(places["f.asr"]):
            text = text[: span.start] + name + text[span.end :]
        after = analysed(text)
        assert after.checked.free == before.checked.free
        if symbol.kind in ("let", "def", "parameter"):
            assert written_out(after) == written_out(before), (symbol, name)
        done += 1
    assert done > 30
    assert refused > 30

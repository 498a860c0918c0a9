"""Rule texts with a rule left out, or with other weights."""

import pytest

from asrppl.program import parse
from asrppl_air.rules import rule_file, rule_names, scaled_weights, without_rule

TEXT = """\
param w = 3
rule first weight w + 1: box[0].x <= 1
rule ramp weight 0 -> w over 10 steps: box[0].x <= 2
rule plain: box[0].x <= 3
rule sure hard within 0.5: box[0].x <= 4
box[0].x
  <= 5
"""


def test_a_rule_left_out_leaves_all_others_on_their_lines() -> None:
    assert rule_names(TEXT) == ("first", "ramp", "plain", "sure", "line 6")
    for name in rule_names(TEXT):
        left = without_rule(TEXT, name)
        assert rule_names(left) == tuple(other for other in rule_names(TEXT) if other != name)
        assert len(left.splitlines()) == len(TEXT.splitlines())
    with pytest.raises(KeyError):
        without_rule(TEXT, "none")


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_scaled_weights_are_those_of_the_file_times_the_factor_at_every_step(factor) -> None:
    before, after = parse(TEXT), parse(scaled_weights(TEXT, factor))
    assert [rule.name for rule in after.rules] == ["first", "ramp", "plain", "sure", "line_6"]
    for old, new in zip(before.rules, after.rules, strict=True):
        assert (old.hard, old.hard is None) == (new.hard, new.hard is None)
        if old.hard is None:
            for step in (0, 3, 20):
                assert new.weight.at(step) == pytest.approx(factor * old.weight.at(step))


@pytest.mark.parametrize("name", ["number.asr", "overlap.asr"])
def test_the_files_that_come_with_the_package_stay_readable_when_changed(name) -> None:
    text = rule_file(name).read_text(encoding="utf-8")
    for changed in (*(without_rule(text, rule) for rule in rule_names(text)), scaled_weights(text, 0.1)):
        assert parse(changed).rules


def test_a_rule_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nosuch\.asr is not in"):
        rule_file("nosuch.asr")

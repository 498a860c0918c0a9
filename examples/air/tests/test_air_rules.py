"""The rule files that come with the package, as programs."""

import pytest

from asrppl import Program, parse
from asrppl_air.rules import load_rules, rule_text, same_rules

FILES = ["air_number.asr", "air_overlap.asr", "authors_number.asr", "authors_overlap.asr", "number.asr", "overlap.asr"]


@pytest.mark.parametrize("name", FILES)
def test_the_files_that_come_with_the_package_can_be_taken_apart(name) -> None:
    program = load_rules(name)
    assert program.diagnostics == ()
    for rule in program.rules:
        assert program.without(rule.name).diagnostics == program.only(rule.name).diagnostics == ()
    assert [rule.name for rule in program.scaled(0.1).rules] == [rule.name for rule in program.rules]


def test_they_go_by_their_name_wherever_they_lie() -> None:
    data = load_rules("number.asr", {"L": [2, 4]}).to_dict()
    assert (data["main"], list(data["files"]), data["params"]) == ("number.asr", ["number.asr"], {"L": [2, 4]})


def test_rules_are_the_same_by_text_params_and_weights_not_by_name() -> None:
    one = load_rules("number.asr")
    other = Program.from_dict({**one.to_dict(), "main": "my.asr", "files": {"my.asr": one.source.text}})
    assert same_rules(one.to_dict(), other.to_dict())
    for changed in (one.scaled(2), one.only("balanced"), load_rules("number.asr", {"L": [2]}), parse("rule r: n <= 2")):
        assert not same_rules(one.to_dict(), changed.to_dict())
    assert same_rules(None, None)
    assert not same_rules(one.to_dict(), None)


def test_a_rule_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nosuch\.asr is not among"):
        rule_text("nosuch.asr")

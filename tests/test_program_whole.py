"""A program is whole: it carries every file that it was made from, and rules are selected and scaled on it."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import asrppl
from asrppl import Program

MAIN = """\
import "lib/sizes.asr"
param w = 3
let unused_by_low = high
rule low weight w + 1: x <= most
rule ramp weight 0 -> w over 10 steps: x <= unused_by_low
rule sure hard within 0.5: y <= 4
x + y
  <= 5
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "sizes.asr").write_text('import "more.asr"\nparam most = 1\nlet high = twice(most)\n')
    (tmp_path / "lib" / "more.asr").write_text("def twice(a) = 2 * a\n")
    (tmp_path / "rules.asr").write_text(MAIN)
    return tmp_path / "rules.asr"


def remade(program: Program) -> list[Program]:
    """By each way that keeps a program: plain data through JSON and torch.save, and pickle."""
    data = program.to_dict()
    return [Program.from_dict(json.loads(json.dumps(data))), pickle.loads(pickle.dumps(program))]


def values() -> dict[str, float]:
    return {"x": 3.0, "y": 5.0}


def same(one: Program, other: Program) -> None:
    assert one.rules == other.rules
    assert one.params == other.params
    assert one.to_dict() == other.to_dict()
    assert one.diagnostics == other.diagnostics
    assert one.violations(values()) == other.violations(values())


def test_it_stays_what_it_was_when_its_files_are_gone(path: Path) -> None:
    program = asrppl.load(path, most=2)
    for file in path.parent.rglob("*.asr"):
        file.unlink()
    for other in remade(program):
        same(program, other)
    assert list(program.files) == [str(path), str(path.parent / "lib/sizes.asr"), str(path.parent / "lib/more.asr")]


def test_it_stays_what_it_was_when_an_imported_file_is_edited(path: Path) -> None:
    program = asrppl.load(path)
    (path.parent / "lib" / "more.asr").write_text("def twice(a) = 200 * a\n")
    for other in remade(program):
        same(program, other)
    assert asrppl.load(path).violations(values()) != program.violations(values())


def test_its_plain_data_passes_through_a_checkpoint_that_runs_no_code(path: Path) -> None:
    program = asrppl.load(path).without("sure").scaled(2)
    torch.save(program.to_dict(), path.parent / "checkpoint.pt")
    same(program, Program.from_dict(torch.load(path.parent / "checkpoint.pt", weights_only=True)))


def test_one_file_under_two_names_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "lib.asr").write_text("param most = 1\n")
    (tmp_path / "link.asr").symlink_to("lib.asr")
    (tmp_path / "rules.asr").write_text('import "lib.asr"\nimport "link.asr"\nx <= most\n')
    program = asrppl.load(tmp_path / "rules.asr")
    for other in remade(program):
        assert other.violations({"x": 3.0}) == program.violations({"x": 3.0})


def test_params_are_kept_as_plain_numbers() -> None:
    program = asrppl.parse(
        "param L = {1, 3}\nparam S = 5\nrule r: n in L and x <= S", L=iter((2, 4)), S=np.float64(7.0)
    )
    assert program.to_dict()["params"] == {"L": [2, 4], "S": 7.0}
    assert remade(program)[0].params == program.params


# ---- rules, selected and scaled


def test_rules_are_selected_by_name_in_the_order_of_the_file(path: Path) -> None:
    program = asrppl.load(path)
    names = ["low", "ramp", "sure", "line 7"]
    assert [rule.name for rule in program.rules] == names
    for name in names:
        assert [rule.name for rule in program.without(name).rules] == [other for other in names if other != name]
        (rule,) = program.only(name).rules
        assert rule == next(rule for rule in program.rules if rule.name == name)
    assert [rule.name for rule in program.only("sure", "low").rules] == ["low", "sure"]
    assert program.without(*names).rules == ()


def test_what_only_rules_left_out_use_is_neither_expected_nor_complained_of(path: Path) -> None:
    program = asrppl.load(path)
    assert program.diagnostics == program.only("low").diagnostics == program.without("ramp").diagnostics == ()
    assert set(program.only("low").free) == {"x"}
    assert set(program.only("sure").free) == {"y"}


@pytest.mark.parametrize("factor", [0.0, 0.1, 10.0])
def test_weights_are_scaled_at_every_step_and_hard_rules_stay(path: Path, factor: float) -> None:
    program = asrppl.load(path)
    for old, new in zip(program.rules, program.scaled(factor).rules, strict=True):
        assert new.hard == old.hard
        for step in (0, 3, 20):
            wanted = old.weight.at(step) * (1 if old.hard is not None else factor)
            assert new.weight.at(step) == pytest.approx(wanted)


def test_factors_multiply_and_survive(path: Path) -> None:
    program = asrppl.load(path).without("sure").scaled(10).scaled({"low": 0.5}).without("ramp")
    assert program.to_dict()["factors"] == {"low": 5.0, "line 7": 10.0}
    assert [rule.weight.end for rule in program.rules] == [20.0, 10.0]
    for other in remade(program):
        same(program, other)
    assert program.penalty(values()) == 20 * (3 - 1) + 10 * (3 + 5 - 5)


def test_mistakes_name_what_there_is(path: Path) -> None:
    program = asrppl.load(path)
    for call in (program.only, program.without, lambda name: program.scaled({name: 2.0})):
        with pytest.raises(KeyError, match="no rule `lo`; rules there are: `low`, `ramp`, `sure`, `line 7`"):
            call("lo")
    with pytest.raises(ValueError, match="`sure` is hard"):
        program.scaled({"sure": 2.0})
    for factor in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"`low` cannot be multiplied by .*: take a number that is at least 0"):
            program.scaled({"low": factor})


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("files"),
        lambda data: data.update(main="other.asr"),
        lambda data: data.update(factors=["low"]),
        lambda data: data.update(factors={"nosuch": 1.0}),
    ],
)
def test_data_that_is_no_program_is_refused(path: Path, damage: object) -> None:
    data = asrppl.load(path).to_dict()
    assert callable(damage)
    damage(data)
    with pytest.raises(ValueError, match=r"not what Program\.to_dict returns"):
        Program.from_dict(data)

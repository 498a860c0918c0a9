"""The corpus: what is said of each good and each bad program is what was read and approved."""

from pathlib import Path

import pytest

from tests.conformance import CORPUS, programs, said
from tests.golden import check_golden

GOOD, BAD = programs("good"), programs("bad")
FAMILIES = sorted({path.parent for path in (*GOOD, *BAD)})


def named(path: Path) -> str:
    return str(path.relative_to(CORPUS).with_suffix(""))


@pytest.mark.parametrize("family", FAMILIES, ids=named)
def test_what_is_said_is_as_it_was_read_and_approved(family: Path, update_golden: bool) -> None:
    for path in sorted(family.glob("*.asr")):
        check_golden(path.with_suffix(".out"), said(path), update=update_golden)


def test_good_programs_are_good_and_bad_ones_bad() -> None:
    wrong = [named(path) for path in GOOD if "error[" in path.with_suffix(".out").read_text(encoding="utf-8")]
    wrong += [named(path) for path in BAD if "error[" not in path.with_suffix(".out").read_text(encoding="utf-8")]
    assert wrong == []


def test_programs_of_the_family_warned_are_warned_of() -> None:
    family = (CORPUS / "good" / "warned").glob("*.out")
    assert [path.stem for path in family if "warning[" not in path.read_text(encoding="utf-8")] == []


def test_there_are_hundreds_of_each_and_no_two_are_alike() -> None:
    for paths in (GOOD, BAD):
        texts = {" ".join(path.read_text(encoding="utf-8").split()) for path in paths}
        assert len(texts) == len(paths) >= 300


def test_what_is_kept_belongs_to_a_program() -> None:
    assert [path for path in CORPUS.rglob("*.out") if not path.with_suffix(".asr").exists()] == []

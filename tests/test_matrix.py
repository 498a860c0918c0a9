"""The page of the matrix has every combination, and its figures are what a few combinations give today."""

import re
import warnings
from pathlib import Path

import pytest

from asrppl.diagnostics import AsrWarning
from tests.matrix.__main__ import examine
from tests.matrix.cells import Cell, cells
from tests.matrix.page import page
from tests.matrix.programs import GUIDES
from tests.matrix.rules import RULES

PAGE = Path(__file__).parents[1] / "docs" / "matrix.md"


def rows() -> dict[tuple[str, int], list[str]]:
    """Return the entries of each row, by the rule and how many guides there are in its table."""
    found: dict[tuple[str, int], list[str]] = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) > 2 and cells[1] in ("draws", "datum", "population"):
            found[cells[0], len(cells) - 2] = cells[2:]
    return found


def test_every_rule_has_a_row_and_every_guide_a_figure() -> None:
    by_rule = rows()
    assert len(by_rule) == len(RULES)
    for rule in RULES:
        text = ("hard: " if rule.hard else "") + rule.text.replace("|", "\\|")
        guides = sum(program.binary == rule.binary for program in GUIDES.values())
        entries = by_rule[f"`{text}`", guides]
        assert all(entries), text


def test_the_page_is_the_one_that_is_made_today() -> None:
    """Its words are those of `page`; the figures are those of the log."""
    made = page({}).split("| rule")[0]
    assert PAGE.read_text().startswith(made)


def test_gradients_are_exact_and_training_ends_at_the_optimum() -> None:
    """No combination has a gradient that is off, or ends far from the optimum."""
    text = PAGE.read_text()
    scores = [float(score) for score in re.findall(r"z (\d+\.\d)", text)]
    gaps = [float(gap) for each in re.findall(r"gap ((?:\d\.\d{3} ?)+)", text) for gap in each.split()]
    assert max(scores) < 4
    assert max(gaps) < 0.05


SOME = [cell for cell in cells() if cell.way == "particles" and cell.base == "Trace"][::9]


@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.key)
def test_some_of_it_holds_today(cell: Cell) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsrWarning)
        found = examine(cell)
    if "refused" in found:
        assert f"| {cell.guide} | {cell.base} | {found['refused']} |" in PAGE.read_text()
    else:
        assert found["z"] < 4.5


def test_a_batch_turns_out_to_be_a_part_of_the_data() -> None:
    """The first call has all data that are known of; the second has others: from then on they are not told apart."""
    cell = next(cell for cell in cells() if cell.way == "handed" and cell.rule.hard and cell.rule.level == "datum")
    program = cell.program()
    program.begin()
    elbo = cell.attach(program)
    for _ in range(3):
        for batch in cell.handed():
            elbo.loss_and_grads(program.model, program.guide, batch)
    (multiplier,) = (each for kept in elbo.memory.rules.values() for each in kept.together.values())
    assert multiplier.shape == ()
    assert float(multiplier) > 0

"""Three questions of forums: their models, the yardstick, what the rules do, and the program."""

import json
from pathlib import Path

import pytest
import torch
from pyro import poutine

import asrppl
from examples.gallery.forum import train
from examples.gallery.forum.__main__ import STRENGTHS, main
from examples.gallery.forum.questions import QUESTIONS


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "DRAWS", 20_000)


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_posterior_without_a_rule_is_that_of_the_model(name: str) -> None:
    question = QUESTIONS[name]
    y = question.observe(0)
    law = question.posterior(y)
    joint: list[torch.Tensor] = []
    torch.manual_seed(0)
    points = law.sample((4,))
    for row in points:
        values = {name: value[0] for name, value in question.latents(row[None]).items()}
        joint.append(poutine.trace(poutine.condition(question.model, values)).get_trace(y).log_prob_sum())
    apart = torch.stack(joint) - law.log_prob(points)
    torch.testing.assert_close(apart, apart[:1].expand(4), atol=2e-3, rtol=1e-4)  # the same evidence everywhere


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_written_by_hand_is_the_violation_of_the_rule(name: str) -> None:
    question = QUESTIONS[name]
    u = question.posterior(question.observe(0)).sample((50,))
    (found,) = asrppl.load(question.path()).violations(question.latents(u)).values()
    torch.testing.assert_close(found, question.amount(question.quantity(question.latents(u))))
    assert float(question.amount(question.quantity(question.latents(question.truth[None])))) == 0.0


def test_a_guide_without_a_rule_is_the_posterior() -> None:
    question = QUESTIONS["length"]
    y = question.observe(0)
    drawn = train.fit(question, y, strength=0.0, seed=0, steps=250)["left"]
    law = question.posterior(y)
    assert float(drawn.mean()) == pytest.approx(float(law.mean[0]), abs=0.15)
    assert float(drawn.std()) == pytest.approx(float(law.stddev[0]), rel=0.15)


def test_the_rule_brings_draws_to_where_it_holds() -> None:
    question = QUESTIONS["clearance"]
    y = question.observe(0)
    plain, ruled = (
        train.describe(question, question.quantity(train.fit(question, y, strength, seed=0, steps=120)))["kept"]
        for strength in (0.0, 10.0)
    )
    assert ruled > plain + 0.1


def test_distances_are_in_standard_deviations() -> None:
    drawn = 2.0 * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    assert train.distance(drawn + 1.0, drawn) == pytest.approx(0.5, abs=0.01)


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "1", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert all(f"\n| {name} | rejection |" in text for name in QUESTIONS)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert len(runs) == len(QUESTIONS) * (len(STRENGTHS) + 1)

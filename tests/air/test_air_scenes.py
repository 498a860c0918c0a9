"""Multi-MNIST: no shared ink, exact boxes, the same images everywhere, held-out digits unseen."""

import hashlib

import numpy as np
import pytest
import torch

from asrppl.air.data.digits import Digits, embedded_digits
from asrppl.air.data.draws import Draws
from asrppl.air.data.scenes import SETTINGS, SIDE, Scenes, crop, make_scenes, shrink


@pytest.fixture(scope="module")
def splits() -> tuple[Digits, Digits]:
    return embedded_digits()


def made_up(number: int = 40) -> Digits:
    """Blobs of random ink, the same with every numpy."""
    images = np.zeros((number, 28, 28), dtype=np.uint8)
    ink = Draws(7).below(256, number * 400).reshape(number, 20, 20)
    images[:, 4:24, 4:24] = np.where(ink > 128, ink, 0)
    return Digits(images, np.arange(number) % 10)


def digest(scenes: Scenes) -> str:
    content = b"".join(t.numpy().tobytes() for t in (scenes.images, scenes.counts, scenes.boxes))
    return hashlib.sha256(content).hexdigest()[:16]


def test_the_embedded_digits_split_by_class_into_4500_and_500_with_nothing_in_common(splits) -> None:
    train, test = splits
    assert len(train) == 4500
    assert len(test) == 500
    assert np.bincount(train.labels).tolist() == [450] * 10
    assert np.bincount(test.labels).tolist() == [50] * 10
    assert not {d.tobytes() for d in train.images} & {d.tobytes() for d in test.images}


@pytest.mark.parametrize("data", SETTINGS)
def test_counts_are_equally_frequent_and_mixed(data) -> None:
    scenes = make_scenes(data, made_up(), 300, seed=0)
    counts = SETTINGS[data].counts
    for n in counts:
        assert int((scenes.counts == n).sum()) == 300 // len(counts)
    if len(counts) > 1:
        assert len(set(scenes.counts[:30].tolist())) == len(counts)


@pytest.mark.parametrize("data", SETTINGS)
def test_boxes_are_the_squared_ink_of_digits_that_share_no_pixel(data, splits) -> None:
    digits = splits[0]
    # each digit in one grey value, so that a canvas shows whether ink was added to ink
    flat = Digits(np.where(digits.images > 0, 100, 0).astype(np.uint8), digits.labels)
    scenes = make_scenes(data, digits, 120, seed=3)
    twin = make_scenes(data, flat, 120, seed=3)
    if not SETTINGS[data].disjoint_boxes:
        assert set(twin.images.unique().tolist()) == {0, 100}
    for image, count, boxes in zip(scenes.images, scenes.counts, scenes.boxes, strict=True):
        assert bool((boxes[count:] == 0).all())
        seen = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        for x, y, w, h in boxes[:count].tolist():
            left, top, right, bottom = (int(v) for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
            assert w == h
            assert (left + right) / 2 == x
            assert min(left, top) >= 0
            assert max(right, bottom) <= SIDE
            seen[top:bottom, left:right] = True
        assert int(image[~seen].sum()) == 0


def test_boxes_touch_the_ink_on_two_opposite_sides(splits) -> None:
    scenes = make_scenes("13", splits[0], 60, seed=1)
    for image, box in zip(scenes.images[scenes.counts == 1], scenes.boxes[scenes.counts == 1, 0], strict=True):
        rows, columns = (image.any(1).nonzero(), image.any(0).nonzero())
        height, width = (int(v.max() - v.min()) + 1 for v in (rows, columns))
        assert max(height, width) == box[2]


def test_small_digits_do_not_have_overlapping_boxes(splits) -> None:
    boxes = make_scenes("mnist3", splits[0], 200, seed=0).boxes
    assert boxes[..., 2].min() >= 11
    assert boxes[..., 2].max() <= 12
    for i in range(3):
        for j in range(i):
            reach = (boxes[:, i, 2] + boxes[:, j, 2]) / 2
            apart = (boxes[:, i, :2] - boxes[:, j, :2]).abs().amax(-1)
            assert bool((apart >= reach).all())


def test_a_seed_gives_the_same_images_on_every_machine() -> None:
    assert digest(make_scenes("13", made_up(), 50, seed=5)) == "6d14575e20db989d"
    assert digest(make_scenes("mnist3", made_up(), 50, seed=5)) == "6da07a6af7a4f07e"
    assert digest(make_scenes("13", made_up(), 50, seed=6)) != "6d14575e20db989d"


def test_batches_are_floats_between_0_and_1() -> None:
    scenes = make_scenes("13", made_up(), 10, seed=0)
    batch = scenes.batch(torch.tensor([3, 1]))
    assert batch.dtype == torch.float32
    assert batch.shape == (2, SIDE, SIDE)
    torch.testing.assert_close(batch[0] * 255, scenes.images[3].float())


def test_cropping_squares_the_ink() -> None:
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[3:13, 20:24] = 9
    square = crop(digit)
    assert square.shape == (10, 10)
    assert np.flatnonzero(square.any(0)).tolist() == [3, 4, 5, 6]
    with pytest.raises(ValueError, match="without ink"):
        crop(np.zeros((28, 28), dtype=np.uint8))


def test_shrinking_averages_areas() -> None:
    square = Draws(1).below(256, 400).reshape(20, 20).astype(np.uint8)
    small = shrink(square, 12)
    fine = np.kron(square.astype(float), np.ones((12, 12))).reshape(12, 20, 12, 20).mean((1, 3))
    assert np.abs(small - fine).max() <= 0.5
    assert (shrink(square, 20) == square).all()


def test_permutations_and_integers_come_from_raw_words() -> None:
    draws = Draws(0, 1)
    values = draws.below(7, 7000)
    assert values.min() == 0
    assert values.max() == 6
    assert np.bincount(values).min() > 850
    assert sorted(draws.permutation(100).tolist()) == list(range(100))
    assert Draws(0, 1).words(3).tolist() == Draws(0, 1).words(3).tolist() != Draws(1, 0).words(3).tolist()

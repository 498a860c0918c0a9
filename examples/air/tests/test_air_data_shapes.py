"""dSprites' shapes, drawn: sizes, areas and symmetries; nothing hangs on a last bit of a sine."""

import math

import numpy as np
import pytest

from asrppl_air.data.shapes import GRID, ORIENTATIONS, SHAPES, TURN, draw_shape, orientation, outline, shape_sprites

# Areas in pixels: of the square, of the ellipse, and of the heart's curve, 180 π (5/8)².
AREAS = {"square": 324, "ellipse": math.pi * 13 * 7, "heart": 180 * math.pi * 25 / 64}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("fraction", [(1, 1), (3, 5)])
def test_a_shape_covers_its_area_at_every_orientation(shape, antialias, fraction) -> None:
    expected = AREAS[shape] * (fraction[0] / fraction[1]) ** 2
    for index in range(0, ORIENTATIONS, 3):
        area = draw_shape(shape, index, antialias, *fraction).sum(dtype=np.int64) / 255
        assert abs(area - expected) / expected < (0.02 if antialias else 0.1), index


@pytest.mark.parametrize(
    ("fraction", "antialias", "boxes"),
    [
        ((1, 1), False, [(18, 25), (21, 26), (18, 20)]),
        ((1, 1), True, [(18, 26), (21, 26), (18, 20)]),
        ((3, 5), False, [(11, 15), (13, 16), (11, 12)]),
        ((3, 5), True, [(11, 16), (13, 16), (11, 12)]),
    ],
)
def test_boxes_are_as_large_as_those_of_the_largest_dsprites(fraction, antialias, boxes) -> None:
    sides = shape_sprites(antialias, *fraction).sides.reshape(3, ORIENTATIONS)
    assert [(int(some.min()), int(some.max())) for some in sides] == boxes


def test_a_square_at_rest_is_full_and_at_45_degrees_a_diamond() -> None:
    assert (draw_shape("square", 0) == 255).all()
    assert draw_shape("square", 0).shape == (18, 18)
    diamond = draw_shape("square", 5)
    assert diamond.shape == (25, 25)
    widths = (diamond > 0).sum(1)
    assert widths[12] == 25
    assert set(np.diff(widths[:13]).tolist()) <= {2}


def test_a_heart_at_rest_stands_on_its_tip_with_a_notch_on_top() -> None:
    heart = draw_shape("heart", 0) > 0
    assert (heart == heart[:, ::-1]).all()
    assert np.flatnonzero(heart[0]).tolist() == [3, 4, 5, 6, 13, 14, 15, 16]
    assert np.flatnonzero(heart[heart.any(1)][-1]).tolist() == [9, 10]
    assert np.argmax(heart.sum(1)) == 3


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_half_a_turn_turns_the_drawing_round(shape, antialias) -> None:
    for index in (0, 3, 7):
        turned = draw_shape(shape, index + ORIENTATIONS // 2, antialias)
        np.testing.assert_array_equal(turned, draw_shape(shape, index, antialias)[::-1, ::-1])


def test_hard_edges_are_black_or_white_and_soft_ones_what_is_covered() -> None:
    assert set(np.unique(shape_sprites().ink).tolist()) == {0, 255}
    soft = shape_sprites(True, 3, 5).ink
    assert len(np.unique(soft)) > 30
    # 10.8 pixels: nine full ones between two of which 0.9 is covered, counted in eighths
    assert draw_shape("square", 0, True, 3, 5)[5].tolist() == [223, *9 * [255], 223]


@pytest.mark.parametrize("fraction", [(1, 1), (3, 5)])
def test_no_rounding_hangs_on_the_last_bits_of_a_sine(fraction) -> None:
    numerator, denominator = fraction
    values = [GRID * v * numerator / denominator for shape in SHAPES for corner in outline(shape) for v in corner]
    values += [TURN * v for index in range(ORIENTATIONS) for v in orientation(index)]
    ties = np.abs(np.array(values) % 1 - 0.5)
    assert ties.min() > 1e-6

"""Windows as two matrix products are what torch's gather-based sampler computes, and differentiable."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from asrppl_air.window import cut, draw, extent_of_ink


def places(batch: int, objects: int) -> tuple[Tensor, Tensor]:
    """Locations and scales that reach over the canvas's edges too."""
    loc = torch.rand(batch, objects, 2, dtype=torch.float64) * 2 - 1
    scale = torch.rand(batch, objects, 1, dtype=torch.float64) * 0.7 + 0.1
    return loc, scale


def sampled(image: Tensor, loc: Tensor, scale: Tensor, size: int) -> Tensor:
    """What affine_grid and grid_sample make of (N, S, S) images at (N, 2), (N, 1)."""
    zero = torch.zeros_like(scale[:, 0])
    theta = torch.stack(
        [torch.stack([scale[:, 0], zero, loc[:, 0]], -1), torch.stack([zero, scale[:, 0], loc[:, 1]], -1)], 1
    )
    grid = functional.affine_grid(theta, [len(image), 1, size, size], align_corners=False)
    return functional.grid_sample(image[:, None], grid, padding_mode="zeros", align_corners=False)[:, 0]


def test_cutting_equals_grid_sample() -> None:
    image = torch.rand(5, 50, 50, dtype=torch.float64)
    loc, scale = places(5, 3)
    expected = sampled(image.repeat_interleave(3, 0), loc.flatten(0, 1), scale.flatten(0, 1), 28)
    torch.testing.assert_close(cut(image, loc, scale, 28).flatten(0, 1), expected)


def test_drawing_equals_grid_sample_of_the_inverse_window() -> None:
    windows = torch.rand(5, 3, 28, 28, dtype=torch.float64)
    loc, scale = places(5, 3)
    expected = sampled(windows.flatten(0, 1), (-loc / scale).flatten(0, 1), (1 / scale).flatten(0, 1), 50)
    torch.testing.assert_close(draw(windows, loc, scale, 50).flatten(0, 1), expected)


def test_a_window_on_whole_pixels_is_a_slice_of_the_canvas() -> None:
    image = torch.rand(1, 50, 50, dtype=torch.float64)
    # 20 pixels from column 10 and row 25: centre (20, 35)
    loc = torch.tensor([[[20.0, 35.0]]], dtype=torch.float64) / 25 - 1
    scale = torch.full((1, 1, 1), 20 / 50, dtype=torch.float64)
    torch.testing.assert_close(cut(image, loc, scale, 20)[0, 0], image[0, 25:45, 10:30])


def test_drawing_then_cutting_gives_the_window_back_where_pixels_line_up() -> None:
    windows = torch.rand(1, 1, 20, 20, dtype=torch.float64)
    loc = torch.tensor([[[20.0, 35.0]]], dtype=torch.float64) / 25 - 1
    scale = torch.full((1, 1, 1), 20 / 50, dtype=torch.float64)
    canvas = draw(windows, loc, scale, 50)[:, 0]
    torch.testing.assert_close(cut(canvas, loc, scale, 20), windows)
    torch.testing.assert_close(canvas.sum(), windows.sum())


def test_gradients_of_cutting_and_drawing() -> None:
    torch.manual_seed(1)
    image = torch.rand(2, 9, 9, dtype=torch.float64, requires_grad=True)
    windows = torch.rand(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    loc, scale = (value.requires_grad_() for value in places(2, 2))
    assert torch.autograd.gradcheck(lambda *a: cut(*a, 4), (image, loc, scale))
    assert torch.autograd.gradcheck(lambda *a: draw(*a, 9), (windows, loc, scale))


def test_leading_particle_axes_broadcast_against_the_images() -> None:
    image = torch.rand(5, 50, 50, dtype=torch.float64)
    pairs = [places(5, 3) for _ in range(2)]
    loc, scale = torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])
    together = cut(image, loc, scale, 28)
    torch.testing.assert_close(together[1], cut(image, *pairs[1], 28))


def test_places_off_the_canvas_and_scales_near_zero_give_black_and_finite_windows() -> None:
    image, windows = torch.rand(1, 50, 50), torch.rand(1, 2, 28, 28)
    loc = torch.tensor([[[9.0, 0.3], [0.3, 0.3]]])
    scale = torch.tensor([[[0.2], [1e-38]]])
    cut_out, drawn = cut(image, loc, scale, 28), draw(windows, loc, scale, 50)
    assert not cut_out[0, 0].any()
    assert not drawn.any()
    assert cut_out.isfinite().all()


def test_a_location_that_is_no_number_shows_in_what_is_cut_and_drawn() -> None:
    loc = torch.tensor([[[torch.nan, 0.0]]])
    scale = torch.full((1, 1, 1), 0.4)
    assert cut(torch.rand(1, 50, 50), loc, scale, 28).isnan().any()
    assert draw(torch.rand(1, 1, 28, 28), loc, scale, 50).isnan().any()


def test_the_extent_of_ink_is_its_centre_of_mass_and_the_box_around_it() -> None:
    window = torch.zeros(28, 28)
    window[4:8, 10:24] = 1.0  # rows 4 to 7, columns 10 to 23
    x, y, width, height = extent_of_ink(window).tolist()
    assert x * 14 == pytest.approx(17 - 14, abs=0.05)
    assert y * 14 == pytest.approx(6 - 14, abs=0.12)
    assert width * 28 == pytest.approx(14, abs=0.3)  # four pixels of ink a column count as 1 - e^-4
    assert height * 28 == pytest.approx(4, abs=0.01)


def test_a_window_without_ink_has_its_middle_for_a_centre_and_no_extent() -> None:
    assert extent_of_ink(torch.zeros(2, 3, 28, 28)).abs().max() == 0


def test_the_extent_of_ink_is_differentiable_in_place_and_size() -> None:
    image = torch.rand(1, 9, 9, dtype=torch.float64)
    loc = torch.tensor([[[0.11, -0.23], [-0.4, 0.3]]], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([[[0.5], [0.3]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda loc, scale: extent_of_ink(cut(image, loc, scale, 5)), (loc, scale))

"""A few flipped bits of every format that we read; `python -m tests.flips` has thousands."""

import pytest

from tests.flips import FORMATS, Format, flip


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_flipped_bit_gives_the_same_or_an_error_for_users(form: Format) -> None:
    came = flip(form, 25, seed=1)
    assert came.total() == 25
    assert came["refused"]

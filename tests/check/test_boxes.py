"""Boxes: their edges, and fields that they do not have."""

import pytest

from asrppl.core.signature import Entry, Signature
from tests.check.programs import checked, typed


def test_edges_are_the_centre_less_or_plus_half_a_side() -> None:
    assert typed("rect[0].left >= 1") == "1 <= (rect[0].x - (rect[0].w / 2))"
    assert typed("rect[0].right >= 1") == "1 <= (rect[0].x + (rect[0].w / 2))"
    assert typed("rect[0].top >= 1") == "1 <= (rect[0].y - (rect[0].h / 2))"
    assert typed("rect[0].bottom >= 1") == "1 <= (rect[0].y + (rect[0].h / 2))"


def test_boxes_of_every_origin_have_edges() -> None:
    assert typed("normal >= frame(1, 2, 5, 4).left") == "1 <= normal"
    assert typed("normal >= square(1, 2, 4).bottom") == "4 <= normal"
    squares = Signature.of({"s": Entry(axes=(2,), fields=("x", "y", "size"))})
    assert typed("site s[i]: (x, y, size)\ns[0].top >= 0", squares) == "0 <= (s[0].y - (s[0].size / 2))"
    assert "where ⟪1 <= box[i].mask⟫" in typed("(sum i: box[i].left) <= 1")


def test_a_record_may_have_a_field_called_left() -> None:
    pairs = Signature.of({"p": Entry(fields=("left", "age"))})
    assert typed("site p: (left, age)\np.left <= p.age", pairs) == "p.left <= p.age"


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("box[0].width <= 3", "write `.w`"),
        ("box[0].cx <= 3", "write `.x`"),
        ("box[0].xmin <= 3", "write `.left`"),
        ("box[0].side <= 3", "write `.size`"),
        ("box[0].x1 <= box[0].w", "write `.left`"),
        ("box[0].area <= box[0].w", "write `area(box[0])`"),
        ("box[0].bootom <= box[0].w", "did you mean `.bottom`?"),
        ("site box[i]: (x, y, w, h)\nbox[0].wdth <= 3", "did you mean `.w`?"),
        ("square(0, 0, x).height <= 3", "write `.h`"),
        (
            "box[0].z <= 3 and area(box[0]) <= 3",
            "a box has `.x`, `.y`, `.w`, `.h` (of squares `.size`), `.left`, `.right`, `.top` and `.bottom`",
        ),
        ("p[0].x <= p[0].z", "if `p` is no box, say what it is: `site p[i]: (x, z)`"),
    ],
)
def test_a_field_that_boxes_do_not_have_is_an_error_before_binding(text: str, mend: str) -> None:
    (found,) = checked(text).diagnostics
    assert (found.code, found.help) == ("ASR040", mend)


def test_other_records_stay_records() -> None:
    (free,) = checked("p[0].age >= 18 and p[0].height <= 3").free.values()
    assert (free.shape, free.fields) == ("record", ("age", "height"))

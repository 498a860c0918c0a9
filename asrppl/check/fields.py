"""What people call the fields of a box, and what these are called here."""

from asrppl.core.signature import BOX_FIELDS, EDGES
from asrppl.diagnostics import Edit, replacing
from asrppl.source import Span
from asrppl.suggest import nearest

BOX_WORDS = (*BOX_FIELDS, "size", *EDGES)

# Names of fields that only a box has.
_SYNONYMS = {
    **dict.fromkeys(("width", "box_width", "bw"), "w"),
    **dict.fromkeys(("height", "box_height", "bh"), "h"),
    **dict.fromkeys(("side", "side_length"), "size"),
    **dict.fromkeys(
        ("cx", "xc", "x_c", "c_x", "xcenter", "x_center", "center_x", "xcentre", "x_centre", "centre_x"), "x"
    ),
    **dict.fromkeys(
        ("cy", "yc", "y_c", "c_y", "ycenter", "y_center", "center_y", "ycentre", "y_centre", "centre_y"), "y"
    ),
    **dict.fromkeys(("xmin", "x_min", "min_x", "xleft", "x_left", "left_x"), "left"),
    **dict.fromkeys(("xmax", "x_max", "max_x", "xright", "x_right", "right_x"), "right"),
    **dict.fromkeys(("ymin", "y_min", "min_y", "ytop", "y_top", "top_y"), "top"),
    **dict.fromkeys(("ymax", "y_max", "max_y", "ybottom", "y_bottom", "bottom_y"), "bottom"),
}
# Names that parts of a box have where boxes are spoken of, and other things elsewhere.
_LOOSE = {"scale": "size", "x1": "left", "y1": "top", "x2": "right", "y2": "bottom", "x0": "left", "y0": "top"}
_NAMES = {**_SYNONYMS, **_LOOSE, **{word: word for word in BOX_WORDS}}


def is_of_boxes(field: str) -> bool:
    """Whether ``field`` is a name for a part of a box, though not the one that it has here."""
    return field.lower() in _SYNONYMS


def edits_of(field: str, whole: Span) -> tuple[Edit, ...]:
    """Return the mend that `instead` names, for a program; ``whole`` is the expression that ends in the field."""
    if field.lower() == "area":
        return replacing(whole, f"area({whole.text.rpartition('.')[0]})")
    known = _NAMES.get(field.lower())
    return replacing(Span(whole.source, whole.end - len(field), whole.end), known) if known is not None else ()


def instead(field: str, written: str) -> str | None:
    """Return the mend for the field of a box ``written`` as ``box[i].field``; None where none is near."""
    if field.lower() == "area":
        return f"write `area({written.rpartition('.')[0]})`"
    known = _NAMES.get(field.lower())
    if known is not None:
        return f"write `.{known}`"
    near = nearest(field, (name for name in _NAMES if len(name) > 3), 1)
    return f"did you mean `.{_NAMES[near[0]]}`?" if near else None


def fields_of_boxes(squares: bool) -> str:
    """Return the fields of a box in words."""
    sides = "`.w`, `.h`, `.size`" if squares else "`.w`, `.h` (of squares `.size`)"
    edges = ", ".join(f"`.{edge}`" for edge in list(EDGES)[:-1])
    return f"`.x`, `.y`, {sides}, {edges} and `.bottom`"

"""The fields of boxes and other records, given as columns or by name."""

from collections.abc import Mapping

from torch import Tensor

from asrppl.core.free import FreeName
from asrppl.core.signature import BOX_FIELDS
from asrppl.suggest import did_you_mean

_BOX = "a box has 4 columns (x, y, w, h: centre and sides), or 3 (x, y, side) for squares"


class RecordError(Exception):
    """Columns or fields that make no record; whoever reads it adds code and place."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


def is_plain_box(use: FreeName) -> bool:
    """Whether a name is read as a box whose fields are the usual ones."""
    return use.shape == "box" and use.fields in (None, BOX_FIELDS)


def from_columns(use: FreeName, columns: tuple[Tensor, ...], what: str) -> dict[str, Tensor]:
    """Return the fields of a record from the entries of its last axis; both sides of a square are one tensor.

    Args:
        use: of the record in the rules.
        columns: in the order of the fields.
        what: how messages call the value ("guide site 'box'").

    Raises:
        RecordError: their number is not that of the fields, or the fields have no order.
    """
    if is_plain_box(use):
        if len(columns) not in (3, 4):
            raise RecordError(f"`{use.name}` is read as a box, but {what} has {len(columns)} columns", _BOX)
        return dict(zip(BOX_FIELDS, (*columns, columns[-1])[:4], strict=True))
    if use.fields is None or not use.declared:
        raise RecordError(f"the columns of {what} have no names", f"declare them: site {use.name}[i]: (a, b, c)")
    if len(columns) != len(use.fields):
        raise RecordError(f"`{use.name}` is ({', '.join(use.fields)}), but {what} has {len(columns)} columns")
    return dict(zip(use.fields, columns, strict=True))


_CORNERS = (("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))


def _from_corners(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return centre and sides where all four corners are given (`top` is the edge of smaller y)."""
    for names in _CORNERS:
        if set(parts) == set(names):
            x1, y1, x2, y2 = (parts[name] for name in names)
            return {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "w": x2 - x1, "h": y2 - y1}
    return parts


def from_fields(use: FreeName, parts: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Return the fields of a record from a mapping, in their order.

    Of a box, ``size`` stands for both sides of a square, and four corners or edges for centre and sides.

    Args:
        use: of the record in the rules.
        parts: by name.
        what: how messages call the value.

    Raises:
        RecordError: a field is missing, or there is none of that name.
    """
    found = dict(parts)
    if is_plain_box(use):
        if "size" in found:
            found["w"] = found["h"] = found.pop("size")
        found = _from_corners(found)
    wanted = BOX_FIELDS if is_plain_box(use) else use.fields or tuple(found)
    for name in wanted:
        if name not in found:
            there = ", ".join(f"`{known}`" for known in parts)
            corners = next((names for names in _CORNERS if is_plain_box(use) and parts.keys() & set(names)), None)
            help = None if corners is None else f"corners and edges are given all four: {', '.join(corners)}"
            raise RecordError(f"`{use.name}` needs a field `{name}`; {what} has {there or 'none'}", help)
    for name in found:
        if name not in wanted:
            raise RecordError(f"`{use.name}` has no field `{name}`", did_you_mean(name, wanted))
    return {name: found[name] for name in wanted}

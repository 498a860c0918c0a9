"""The fields of what is bound or declared: which component of an array a field names."""

from asrppl.check.context import Context
from asrppl.check.expand.values import Array, Env
from asrppl.check.fields import edits_of, fields_of_boxes, instead
from asrppl.core.signature import BOX_FIELDS, makes_box
from asrppl.diagnostics import replacing
from asrppl.source import Span
from asrppl.suggest import did_you_mean, nearest
from asrppl.syntax import ast


def fields_of(ctx: Context, array: Array) -> tuple[str, ...]:
    """Return the fields that what is bound or declared has; none where nothing is known."""
    entry = ctx.signature.get(array.name) if ctx.signature is not None else None
    if entry is not None:
        return entry.fields or ("",)
    site = ctx.sites.get(array.name)
    return () if site is None or site.fields is None else tuple(name.text for name in site.fields)


def declared_component(ctx: Context, array: Array, field: str | None, span: Span) -> str | None:
    """Return the component that ``field`` names as a `site` statement has it; "" after an error."""
    site = ctx.sites.get(array.name)
    if site is None:
        return field
    if len(array.indices) != len(site.indices):
        count = len(site.indices)
        ctx.add(
            "ASR043",
            span,
            f"`{array.name}` is declared with {count} {'index' if count == 1 else 'indices'}, "
            f"and is given {len(array.indices)} here",
            array.env,
            help=_axes_of_family(array, site),
        )
        return ""
    fields = tuple(name.text for name in site.fields) if site.fields is not None else None
    return component_of(ctx, array, fields, False, field, span)


def _axes_of_family(array: Array, site: ast.Site) -> str | None:
    """Return how to read the axes of single sites of a family, where a statement names the numbered sites alone."""
    if site.pattern is None or site.fields is not None or len(array.indices) <= len(site.indices):
        return None
    text = f"name the numbers within each site: `{site.span.text}: (a, b)`"
    if site.pattern == "_".join((array.name, *(f"{{{index.text}}}" for index in site.indices))):
        text += "; or leave that statement out: these sites are found by their name, and then have all their axes"
    return text


def component_of(
    ctx: Context, array: Array, fields: tuple[str, ...] | None, squares: bool, field: str | None, span: Span
) -> str | None:
    """Return the component that ``field`` names (None for a scalar), "" after an error."""
    if fields is None:
        if field is None:
            return None
        ctx.add(
            "ASR040",
            span,
            f"`{array.name}` has no components, so no `.{field}`",
            array.env,
            help=f"if its last axis holds components, name them: `site {array.name}…: (…)`",
        )
        return ""
    if field is None:
        ctx.add(
            "ASR038",
            span,
            f"a number is needed here, and `{array.name}` has the fields {_list(fields)}",
            array.env,
            help=f"pick one: `{span.text}.{fields[0]}`",
        )
        return ""
    if field in fields:
        return field
    if field == "size" and squares:
        return "w"
    if field in ("w", "h") and "size" in fields:  # a square by its centre and side
        return "size"
    refuse_field(ctx, field, fields, squares, span, array.env)
    return ""


def refuse_field(ctx: Context, field: str, fields: tuple[str, ...], squares: bool, span: Span, env: Env) -> None:
    """Report a field that a record does not have, with the one that was likely meant."""
    if field == "size" and set(BOX_FIELDS) <= set(fields):
        ctx.add(
            "ASR041",
            span,
            "`.size` is for squares, and these boxes have two sides, `.w` and `.h`",
            env,
            help="read `.w` or `.h`, or give 3 columns: x, y and size",
        )
        return
    help = f"its fields are {_list(fields)}"
    if makes_box(fields):
        help = instead(field, span.text) or f"a box has {fields_of_boxes(squares or 'size' in fields)}"
    near, place = nearest(field, fields), Span(span.source, span.end - len(field), span.end)
    edits = replacing(place, *near) if near or not makes_box(fields) else edits_of(field, span)
    help = did_you_mean(field, fields) or help
    ctx.add("ASR040", span, f"there is no field `{field}`", env, help=help, edits=edits)


def _list(fields: tuple[str, ...]) -> str:
    return ", ".join(f"`{field}`" for field in fields)

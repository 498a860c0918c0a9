"""HTML for notebooks: small tables, everything escaped."""

from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> str:
    """Return a table; texts are shown as they are."""

    def row(cells: Sequence[str], tag: str) -> str:
        style = ' style="text-align: left; vertical-align: top"'
        return "<tr>" + "".join(f"<{tag}{style}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    caption = f'<caption style="text-align: left">{escape(title)}</caption>' if title else ""
    return f"<table>{caption}{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"


def text(content: str) -> str:
    """Return a text whose lines and columns stay."""
    return f"<pre>{escape(content)}</pre>"


def styled(content: str, style: str | None = None) -> str:
    """Return a piece of text, in a style where one is given."""
    return escape(content) if style is None else f'<span style="{style}">{escape(content)}</span>'

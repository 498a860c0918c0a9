"""Tables as Markdown, LaTeX and plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from asrppl_air.reproduce.paper import MEASURES, SETTING_NAMES, Measure
from asrppl_air.reproduce.recipe import Setting
from asrppl_air.reproduce.tables import Row, Table, Value

DECIMALS: Mapping[Measure, int] = {"nelbo": 1, "acc": 3, "se": 1, "miou": 3, "miou_inclusive": 3}
MISSING = "–"
_ENOUGH = 3


def _number(value: Value | None, decimals: int, plus_minus: str) -> str:
    if value is None:
        return MISSING
    text = f"{value.mean:.{decimals}f}"
    return text if value.sd is None else f"{text}{plus_minus}{value.sd:.{decimals}f}"


def _label(row: Row, expected: int) -> str:
    if row.paper or row.seeds == expected or not row.seeds:
        return row.label
    return f"{row.label} ({row.seeds} seed{'s' * (row.seeds != 1)})"


def _cells(table: Table, row: Row, plus_minus: str) -> list[str]:
    return [_number(row.values.get(measure), _decimals(table, row, measure), plus_minus) for measure in table.columns]


def _decimals(table: Table, row: Row, measure: Measure) -> int:
    if not row.paper:
        return DECIMALS[measure]
    # As the paper writes them.
    return 1 if table.name == "table2" and measure in ("nelbo", "se") else 2


def _expected(table: Table) -> int:
    return 1 if table.name == "ablations" else _ENOUGH


def markdown(table: Table) -> str:
    """A table for a README: caption, how it was trained, rows."""
    heads = ["", *(MEASURES[measure] for measure in table.columns)]
    lines = [f"**{table.caption}** ({table.notes})", "", line(heads), line(["---", *("---:" for _ in heads[1:])])]
    setting: Setting | None = None
    for row in table.rows:
        if table.name == "ablations" and row.setting != setting:
            lines.append(line([f"**{SETTING_NAMES[row.setting]}**", *("" for _ in table.columns)]))
        setting = row.setting
        label = f"*{row.label}*" if row.paper else _label(row, _expected(table))
        cells = _cells(table, row, " ± ")
        lines.append(line([label, *(f"*{cell}*" if row.paper and cell != MISSING else cell for cell in cells)]))
    return "\n".join(lines) + "\n"


def line(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def latex(table: Table) -> str:
    """The same as a `tabular` for booktabs."""
    heads = " & ".join(["", *(MEASURES[measure] for measure in table.columns)])
    lines = [
        f"% {table.caption} ({table.notes})",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        rf"{heads} \\",
    ]
    setting: Setting | None = None
    for row in table.rows:
        if row.setting != setting:
            lines.append(r"\midrule")
            if table.name == "ablations":
                lines.append(rf"\multicolumn{{{1 + len(table.columns)}}}{{l}}{{{SETTING_NAMES[row.setting]}}} \\")
        setting = row.setting
        label = r"\quad\emph{paper}" if row.paper else _tex(_label(row, _expected(table)))
        cells = [cell.replace(MISSING, "--") for cell in _cells(table, row, r" $\pm$ ")]
        lines.append(rf"{' & '.join([label, *cells])} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _tex(text: str) -> str:
    for plain, written in (("_", r"\_"), ("×", r"$\times$"), ("%", r"\%"), ("&", r"\&")):
        text = text.replace(plain, written)
    return text


def table_data(table: Table) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "table": table.name,
        "caption": table.caption,
        "notes": table.notes,
        "rows": [
            {
                "label": row.label,
                "setting": row.setting,
                "paper": row.paper,
                "seeds": row.seeds,
                "values": {measure: asdict(value) for measure, value in row.values.items()},
            }
            for row in table.rows
        ],
    }

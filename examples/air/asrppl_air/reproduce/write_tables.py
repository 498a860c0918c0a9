"""The tables as files, made from the results alone."""

import json
from pathlib import Path

from asrppl_air.checkpoint import write_atomically
from asrppl_air.reproduce.grid import TableName
from asrppl_air.reproduce.render import latex, markdown, table_data
from asrppl_air.reproduce.results import TABLES, Record, read_results
from asrppl_air.reproduce.tables import Table, tables
from asrppl_air.reproduce.targets import verdict_table, verdicts

_NOTE = "<!-- Made by `asrppl air tables` from the results: not to be edited. -->\n\n"


def _read(results: Path) -> dict[TableName, list[Record]]:
    found: dict[TableName, list[Record]] = {name: read_results(results, name) for name in TABLES}
    return {name: runs for name, runs in found.items() if runs}


def all_markdown(results: Path) -> str:
    """Every table, and the targets, in one text; empty where there are no results."""
    runs = _read(results)
    if not runs:
        return ""
    parts = [markdown(table) for table in tables(runs)]
    if "table1" in runs or "table2" in runs:
        parts.append(f"**Targets**\n\n{verdict_table(verdicts(runs))}")
    return "\n".join(parts)


def write_tables(results: Path, out: Path) -> list[Path]:
    """Write `NAME.md`, `NAME.tex`, `NAME.json` for each table, and `targets.md`, into `out`; raises `ResultsError`."""
    runs = _read(results)
    made = tables(runs)
    texts: dict[str, str] = {}
    for name in runs:
        some: list[Table] = [table for table in made if table.name == name]
        texts[f"{name}.md"] = _NOTE + "\n".join(markdown(table) for table in some)
        texts[f"{name}.tex"] = "\n".join(latex(table) for table in some)
        texts[f"{name}.json"] = json.dumps([table_data(table) for table in some], indent=1, ensure_ascii=False) + "\n"
    if "table1" in runs or "table2" in runs:
        texts["targets.md"] = _NOTE + verdict_table(verdicts(runs))
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    return [out / name for name in texts]

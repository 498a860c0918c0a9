"""The rule files that come with the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asrppl import Program, load

_FOLDER = Path(__file__).resolve().parent / "rule_files"


def rule_file(name: str) -> Path:
    """A rule file of this package."""
    if (_FOLDER / name).is_file():
        return _FOLDER / name
    raise FileNotFoundError(f"{name} is not in {_FOLDER}")


def load_rules(name: str, params: Mapping[str, Any] | None = None) -> Program:
    """The program of a rule file of this package; in messages and results it goes by its name, wherever it lies."""
    program = load(rule_file(name), **(params or {}))
    data = program.to_dict()
    return Program.from_dict({**data, "main": name, "files": {name: data["files"][data["main"]]}})


def same_rules(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two programs, as plain data, are of the same texts, params and weights, whatever the files are called."""
    if one is None or other is None:
        return one is other
    texts, others = (list(rules["files"].values()) for rules in (one, other))
    return texts == others and all(one[part] == other[part] for part in ("params", "factors"))

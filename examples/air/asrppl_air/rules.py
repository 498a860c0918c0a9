"""The rule files that come with the package."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from asrppl import Program, parse


def rule_text(name: str) -> str:
    """The text of a rule file of this package."""
    file = files("asrppl_air") / "rule_files" / name
    if not file.is_file():
        raise FileNotFoundError(f"{name} is not among the rule files of asrppl_air")
    return file.read_bytes().decode("utf-8")  # line ends as they are, as `asrppl.load` has them


def load_rules(name: str, params: Mapping[str, Any] | None = None) -> Program:
    """The program of a rule file of this package; in messages and results it goes by its name."""
    text = rule_text(name)
    data = parse(text).to_dict()
    return Program.from_dict({**data, "main": name, "files": {name: text}, "params": dict(params or {})})


def same_rules(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two programs, as plain data, are of the same texts, params and weights, whatever the files are called."""
    if one is None or other is None:
        return one is other
    texts, others = (list(rules["files"].values()) for rules in (one, other))
    return texts == others and all(one[part] == other[part] for part in ("params", "factors"))

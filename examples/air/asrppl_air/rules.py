"""The rule files that come with the package, and rule texts changed a little: a rule left out, weights scaled."""

from pathlib import Path

from asrppl.source import Source
from asrppl.syntax import ast, parse_file

_FOLDER = Path(__file__).resolve().parent / "rule_files"


def rule_file(name: str) -> Path:
    """A rule file of this package."""
    if (_FOLDER / name).is_file():
        return _FOLDER / name
    raise FileNotFoundError(f"{name} is not in {_FOLDER}")


def rule_names(text: str) -> tuple[str, ...]:
    """The names of the rules in `text`, those without one called by their line."""
    return tuple(_name(rule) for rule in _rules(text))


def without_rule(text: str, name: str) -> str:
    """`text` without its rule `name`, in whose place there is blank space: all else keeps its line.

    Raises `KeyError` where there is no such rule.
    """
    for rule in _rules(text):
        if _name(rule) == name:
            blank = "".join("\n" if character == "\n" else " " for character in rule.span.text)
            return text[: rule.span.start] + blank + text[rule.span.end :]
    raise KeyError(name)


def scaled_weights(text: str, factor: float) -> str:
    """`text` with the weights of its rules `factor` times as large; hard rules, which have none, stay as they are."""
    edits: list[tuple[int, int, str]] = []
    for rule in _rules(text):
        weights = [option for option in rule.options if isinstance(option, ast.Weight)]
        if weights:
            ends = [expression for weight in weights for expression in (weight.start, weight.end) if expression]
            edits += [(end.span.start, end.span.end, f"{factor:g} * ({end.span.text})") for end in ends]
        elif not any(isinstance(option, ast.Hard) for option in rule.options):
            # Unwritten, a weight is 1. A rule with a name has its options after it; a bare one gets a name that says
            # what it is called without.
            if rule.name is not None:
                edits.append((rule.name.span.end, rule.name.span.end, f" weight {factor:g}"))
            else:
                head = f"rule {_name(rule).replace(' ', '_')} weight {factor:g}: "
                edits.append((rule.span.start, rule.span.start, head))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _rules(text: str) -> list[ast.Rule]:
    parsed = parse_file(Source("<rules>", text))
    return [statement for statement in parsed.file.statements if isinstance(statement, ast.Rule)]


def _name(rule: ast.Rule) -> str:
    return rule.name.text if rule.name is not None else f"line {rule.span.source.position(rule.span.start)[0]}"

"""A page for each code, made of `asrppl/explanations.md`, which is their one source."""

from asrppl.codes import CODES, Code, Severity
from asrppl.explanations import explanations
from docs.site.links import CODE_PAGES

_STAGES = {
    "syntax": "Reading the text",
    "check": "Checking names, types and levels",
    "bind": "Binding names to values",
    "infer": "Meeting a model and a guide",
}
_FOUND = {
    "syntax": "reading the text of a file",
    "check": "checking a file",
    "bind": "binding names to values",
    "infer": "attaching rules to a model and a guide, or in training",
}
_LABELS = ("For example:", "asrppl says:", "Mended:")


def code_pages() -> dict[str, str]:
    """Return the text of each code's page, by its staged file."""
    order = sorted(CODES)
    return {
        f"{CODE_PAGES}/{code}.md": _page(CODES[code], order[at - 1] if at else None, (*order, None)[at + 1])
        for at, code in enumerate(order)
    }


def index(introduction: str) -> str:
    """Return the page that lists all codes, by stage."""
    parts = [introduction.strip(), ""]
    for stage, title in _STAGES.items():
        parts += [f"## {title}", "", "| code | what it means |", "| --- | --- |"]
        parts += [
            f"| [{code}]({CODE_PAGES}/{code}.md) | {_cell(known)} |"
            for code, known in sorted(CODES.items())
            if known.stage == stage
        ]
        parts.append("")
    return "\n".join(parts)


def _page(known: Code, before: str | None, after: str | None) -> str:
    explanation = explanations()[known.code]
    parts = [
        f"# {known.code}: {known.title}",
        f"*{known.severity.value.capitalize()}, found in {_FOUND[known.stage]}.*",
        explanation.text,
    ]
    for label, block in zip(_LABELS, explanation.blocks, strict=False):
        parts += [label, f"```{block.language}\n{block.text}```"]
    if any(block.language == "python" for block in explanation.blocks):
        parts.append(f"Programs begin with [the imports of all examples](../{CODE_PAGES}.md).")
    around = [f"[← {before}]({before}.md)" if before else "", f"[all codes](../{CODE_PAGES}.md)"]
    around.append(f"[{after} →]({after}.md)" if after else "")
    parts.append(" · ".join(filter(None, around)))
    return "\n\n".join(parts) + "\n"


def _cell(known: Code) -> str:
    title = known.title.replace("|", "\\|")
    return f"{title} *(warning)*" if known.severity is Severity.WARNING else title

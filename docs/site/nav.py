"""The pages of the site, in the order in which a newcomer wants them.

A page is named by its file in the repository. Entries of the gallery are those that are there: a new one needs no line.
"""

from dataclasses import dataclass
from pathlib import Path

GALLERY = "examples/gallery"
CODES = "docs/diagnostics.md"

SECTIONS: dict[str, dict[str, str]] = {
    "Start": {
        "docs/index.md": "asrppl",
        "docs/first-rule.md": "A first rule",
        "docs/writing-rules.md": "Sentences and rules",
        "docs/choosing.md": "Weight, power, smooth, hard",
        "docs/troubleshooting.md": "When a rule does not do it",
    },
    "Around training": {
        "docs/detectors.md": "Plain torch and detectors",
        "docs/training.md": "Saving, resuming, logging",
        "docs/processes.md": "More than one process",
    },
    "Tools": {
        "docs/repl.md": "The REPL",
        "docs/worlds.md": "Why, and example worlds",
        "docs/editors.md": "Editors and notebooks",
        "examples/playground/README.md": "The playground",
    },
    "Gallery": {
        f"{GALLERY}/README.md": "Gallery",
        "docs/programs.md": "Pyro's programs, with rules",
        "examples/pyro/README.md": "Pyro's own examples",
        "examples/air/README.md": "The paper",
    },
    "Reference": {
        "docs/language.md": "The language",
        "docs/standard-library.md": "Standard library",
        "docs/api.md": "Python",
        CODES: "Errors and warnings",
        "docs/matrix.md": "What trains, how exactly",
    },
    "About": {
        "docs/beside-others.md": "Beside others",
        "benchmarks/README.md": "Speed",
        "docs/robustness.md": "When something goes wrong",
        "CHANGELOG.md": "Changes",
        "CONTRIBUTING.md": "Contributing",
        "ARCHITECTURE.md": "Architecture",
    },
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site.

    Args:
        source: its file, from the repository's root.
        target: its file among the staged pages.
        title: in the navigation.
    """

    source: str
    target: str
    title: str


def sections(root: Path) -> dict[str, list[Page]]:
    """Return the pages by section, with those of the gallery that ``root`` has.

    Raises:
        ValueError: a page of docs/ has no place.
    """
    found = {
        section: [Page(source, _target(source), title) for source, title in pages.items()]
        for section, pages in SECTIONS.items()
    }
    entries = sorted(root.glob(f"{GALLERY}/*/README.md"))
    found["Gallery"][1:1] = [
        Page(source, _target(source), _heading(entry))
        for entry in entries
        if (source := entry.relative_to(root).as_posix())
    ]
    placed = {page.source for pages in found.values() for page in pages}
    homeless = {path.relative_to(root).as_posix() for path in root.glob("docs/*.md")} - placed
    if homeless:
        raise ValueError(f"{', '.join(sorted(homeless))}: no section of docs/site/nav.py has it; name it in one")
    return found


def _heading(file: Path) -> str:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    if not first.startswith("# "):
        raise ValueError(f"{file}: a page begins with its heading, `# ...`")
    return first.removeprefix("# ")


def _target(source: str) -> str:
    """Return where a page is staged: without `docs/` and `examples/`, and a folder's page under the folder's name."""
    path = source.removeprefix("docs/").removeprefix("examples/")
    return f"{path.removesuffix('/README.md')}.md" if path.endswith("/README.md") else path.lower()

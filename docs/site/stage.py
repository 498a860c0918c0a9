"""Puts the pages together, as plain Markdown: those of the repository, a page for each code, the API page."""

import shutil
from pathlib import Path
from posixpath import dirname

from docs.site.api import with_docstrings
from docs.site.codes import code_pages, index
from docs.site.links import Links
from docs.site.nav import CODES, Page, sections

ROOT = Path(__file__).parents[2]
STYLE = "site.css"
FOR_ASSISTANTS = "docs/llms.txt"


def stage(folder: Path, root: Path = ROOT) -> dict[str, list[Page]]:
    """Write all pages and pictures into ``folder``, which is emptied first.

    Returns:
        the pages by section, without those of codes.

    Raises:
        ValueError: a link leads nowhere, or a page has no place in the navigation.
    """
    found = sections(root)
    made = code_pages()
    targets = {page.source: page.target for pages in found.values() for page in pages}
    targets["README.md"] = targets["docs/index.md"]
    links = Links(root, targets, frozenset(Path(target).stem for target in made))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for pages in found.values():
        for page in pages:
            text = (root / page.source).read_text(encoding="utf-8")
            if page.source == CODES:
                text = index(links.put(text.partition("## ASR")[0], page.source, page.target))
            else:
                text = links.put(text, page.source, page.target)
            _write(folder / page.target, with_docstrings(text) if page.source == "docs/api.md" else text)
    for target, text in made.items():
        _write(folder / target, links.named(text, target))
    for source, target in {**links.pictures, f"docs/site/{STYLE}": STYLE, FOR_ASSISTANTS: "llms.txt"}.items():
        (folder / dirname(target)).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / source, folder / target)
    return found


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")

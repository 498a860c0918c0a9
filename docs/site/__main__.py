"""`python -m docs.site`: the site in runs/site/html, without a network; broken links are errors."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from docs.site.nav import Page
from docs.site.offline import foreign
from docs.site.stage import ROOT, stage

MADE = ROOT / "runs" / "site"
PAGES, HTML, CONFIG = MADE / "pages", MADE / "html", MADE / "mkdocs.yml"


def main() -> int:
    """Stage, build, and see that nothing asks for another host."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("--stage", action="store_true", help="write the Markdown pages alone, into runs/site/pages")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        found = stage(PAGES)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    CONFIG.write_text(config(found), encoding="utf-8")
    if options.stage:
        return 0
    if status := build(CONFIG):
        return status
    if asked := foreign(HTML):
        print("error: these would be loaded from another host:", *asked, sep="\n  ", file=sys.stderr)
        return 1
    count = sum(1 for _ in HTML.rglob("*.html"))
    print(f"{count} pages in {HTML.relative_to(ROOT)} ({time.perf_counter() - started:.0f} s)")
    return 0


def build(file: Path) -> int:
    """Run the builder; say what it says where it finds something. (With --quiet, --strict would count no warning.)"""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(file)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # ARCHITECTURE.md has what it says
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
    return done.returncode


def config(found: dict[str, list[Page]]) -> str:
    """Return the builder's file: docs/site/mkdocs.yml, with the folders and the order of pages."""
    nav = [{section: [{page.title: page.target} for page in pages]} for section, pages in found.items()]
    lines = {
        "INHERIT": "../../docs/site/mkdocs.yml",
        "docs_dir": PAGES.name,
        "site_dir": HTML.name,
        "nav": nav,
    }
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items())


if __name__ == "__main__":
    sys.exit(main())

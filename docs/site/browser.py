"""`python -m docs.site.browser`: the site in headless Chromium, wide and on a telephone; it asks no other host.

It needs the package playwright, and a Chromium of this machine ($CHROMIUM, or one on the path). Screenshots go to
`runs/site/shots`: look at them.
"""

import argparse
import functools
import os
import shutil
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, sync_playwright

from docs.site.__main__ import HTML, MADE

SHOTS = MADE / "shots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (1280, 400)
PATIENCE = 180_000  # ms: a machine may have more to do


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> int:
    """Open every page wide and narrow; fail where one asks elsewhere, has an error, or is wider than the window."""
    parser = argparse.ArgumentParser(prog="python -m docs.site.browser", description=__doc__)
    parser.add_argument("pages", nargs="*", help="staged names such as choosing.md, instead of all but codes' pages")
    options = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.exit("this needs Chromium: install it, or name one with $CHROMIUM")
    if not HTML.is_dir():
        sys.exit("there is no site yet: make docs")
    every = [f"{name.removesuffix('.md')}.html" for name in options.pages] or [
        file.relative_to(HTML).as_posix()
        for file in sorted(HTML.rglob("*.html"))
        if file.parent.name != "diagnostics" or file.stem == "ASR036"
    ]
    SHOTS.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            url = f"http://127.0.0.1:{server.server_port}/"
            found = [trouble for width in WIDTHS for page in every for trouble in _troubles(browser, url, page, width)]
            if not options.pages:
                found += _search(browser, url)
            browser.close()
    finally:
        server.shutdown()
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(every)} pages at {WIDTHS[0]} and {WIDTHS[1]} pixels: {len(found)} troubles")
    return 1 if found else 0


def _troubles(browser: Browser, url: str, name: str, width: int) -> list[str]:
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_default_timeout(PATIENCE)
    page, found = context.new_page(), list[str]()
    page.on("request", lambda request: None if request.url.startswith(url) else found.append(f"asks {request.url}"))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.goto(url + name, wait_until="networkidle")
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"is {wide} pixels wide")
    page.screenshot(path=SHOTS / f"{name.removesuffix('.html').replace('/', '-')}-{width}.png", full_page=True)
    context.close()
    return [f"{name} at {width} pixels: {trouble}" for trouble in found]


def _search(browser: Browser, url: str) -> list[str]:
    """Search works, and asks no other host either."""
    page, found = browser.new_page(), list[str]()
    page.set_default_timeout(PATIENCE)
    page.on("request", lambda request: None if request.url.startswith(url) else found.append(f"asks {request.url}"))
    page.goto(f"{url}index.html")
    page.locator("input.md-search__input").click()
    page.keyboard.type("nonoverlap")
    page.wait_for_selector("li.md-search-result__item")
    page.close()
    return [f"search: {trouble}" for trouble in found]


if __name__ == "__main__":
    sys.exit(main())

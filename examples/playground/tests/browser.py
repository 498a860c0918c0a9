"""`python -m examples.playground.tests.browser`: the page in headless Chromium, used as people use it, and timed.

It needs the package playwright, and a Chromium of this machine ($CHROMIUM, or one on the path). Screenshots go to
`runs/shots`: look at them.
"""

import math
import os
import re
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from examples.playground.__main__ import server
from examples.playground.build import SITE, build

SHOTS = SITE.parent / "shots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TYPED = "rule spread: forall i: 11 <= box[i].siez <= 15\n"


def chromium() -> str:
    """Return the path of a Chromium."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit("the browser's tests need Chromium: install it, or name one with $CHROMIUM")
    return found


def opened(browser: Browser, url: str, scheme: str = "light", width: int = 1280) -> tuple[Page, list[str]]:
    """Return the page once it has answered for the first time, and the list where its troubles are noted."""
    context = browser.new_context(
        viewport={"width": width, "height": 960},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page, troubles = context.new_page(), list[str]()
    page.on("request", lambda request: None if request.url.startswith(url) else troubles.append(request.url))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.goto(url)
    expect(page.locator("#status")).to_contain_text("Python is here", timeout=120_000)
    return page, troubles


# ---- what people do


def types(page: Page) -> None:
    """A misspelt rule is found and its mend said as it is typed; mended, it is worked out."""
    page.locator("#rules").focus()
    page.keyboard.press("Control+End")
    for key in TYPED:
        page.keyboard.type(key)
        page.wait_for_timeout(60)
    finding = page.locator("#findings li.error")
    expect(finding).to_contain_text("no field")
    expect(finding.locator(".mend")).to_contain_text("size")
    expect(page.locator("#rules-editor mark.error").last).to_have_text("siez")
    page.screenshot(path=SHOTS / "finding.png")
    rules = page.locator("#rules")
    rules.fill(rules.input_value().replace("siez", "size"))
    expect(page.locator("#findings li")).to_have_count(0)
    expect(page.locator("[data-rule=spread] .holds")).to_be_visible()


def drags(page: Page) -> None:
    """A box that is dragged off another keeps the rules; its value follows."""
    expect(page.locator("[data-rule=apart] .costs")).to_contain_text("11")
    before = page.locator("#values").input_value()
    place = page.locator('[data-box="box[1]"] .body').bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 61):
        page.mouse.move(x - step, y + 2 * step)
        page.wait_for_timeout(25)
    page.mouse.up()
    expect(page.locator("[data-rule=apart] .holds")).to_be_visible()
    after = page.locator("#values").input_value()
    assert before != after
    assert after.startswith("box = [[12, 12, 12], ["), after
    page.screenshot(path=SHOTS / "dragged.png")


def moves_by_keys(page: Page) -> None:
    """A box takes the arrow keys."""
    page.locator('[data-box="box[0]"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#values")).to_have_value(re.compile(r"box = \[\[13, 17, 12\]"))


def draws_single_boxes(page: Page) -> None:
    """A box without an index is drawn and moved, too."""
    page.locator("#examples").select_option("1")
    expect(page.locator('[data-box="title"]')).to_be_visible()
    page.screenshot(path=SHOTS / "layout.png")
    page.locator('[data-box="title"]').focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#values")).to_have_value(re.compile(r"title = \[25, 7, 40, 6\]"))


def asks_why(page: Page) -> None:
    """Why a rule does not hold is told, with a mend."""
    page.locator("#examples").select_option("0")
    page.locator("[data-rule=apart] button").click()
    expect(page.locator("#told-text")).to_contain_text("mend: box[0].x from 12 to 6.5 (by 5.5)", timeout=30_000)
    page.screenshot(path=SHOTS / "why.png")
    page.get_by_role("button", name="Set box[0].x to 6.5").click()
    expect(page.locator("[data-rule=apart] .holds")).to_be_visible()


def asks_for_an_example(page: Page) -> None:
    """Of finitely many worlds one is found that keeps all rules, and taken."""
    page.locator("#examples").select_option("2")
    expect(page.locator("#total")).to_contain_text("1 broken")
    page.locator("#example").click()
    expect(page.locator("#told-offers button").first).to_be_visible(timeout=60_000)
    page.screenshot(path=SHOTS / "example.png")
    page.locator("#told-offers button").first.click()
    expect(page.locator("#total")).to_contain_text("all kept")


def sees_mistakes(page: Page) -> None:
    """Mistakes are listed with their mends, and their codes explained."""
    page.locator("#examples").select_option("5")
    expect(page.locator("#findings li")).to_have_count(3)
    page.screenshot(path=SHOTS / "mistakes.png")
    page.locator("#findings .code").first.click()
    expect(page.locator("#told-text")).to_contain_text("For example")
    page.keyboard.press("Escape")


def gives_values(page: Page) -> None:
    """A name without a value is said, and one click gives it one."""
    page.locator("#rules").fill("forall i: x[i] <= 1\n")
    page.locator("#values").fill("")
    expect(page.locator("#findings li")).to_contain_text("no value was given for")
    page.locator("#expects button").click()
    expect(page.locator("#values")).to_have_value("x = [1.0, 1.0, 1.0]\n")
    expect(page.locator("#total")).to_contain_text("all kept")
    page.locator("#values").fill("x = [1, what]\n")
    expect(page.locator("#findings li")).to_contain_text("values, line 1")


STEPS = (types, drags, moves_by_keys, draws_single_boxes, asks_why, asks_for_an_example, sees_mistakes, gives_values)


def timed(page: Page) -> None:
    """Print how long the first answer, keys and moves took."""
    times = page.evaluate("window.playground.times")
    keys, moves = sorted(times["keys"]), times["moves"]
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"first answer {times['first'] / 1000:.1f} s (load {load:.1f} a core)")
    p95 = keys[math.ceil(0.95 * len(keys)) - 1]
    print(f"keys: {len(keys)}, median {statistics.median(keys):.0f} ms, p95 {p95:.0f} ms")
    print(f"moves: {len(moves)}, median {statistics.median(moves):.0f} ms, 4 boxes, 4 rules and one that was typed")


def main() -> int:
    """Run all steps."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    serving = server(Path(build()), 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{serving.server_port}/"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page, troubles = opened(browser, url)
        page.screenshot(path=SHOTS / "light.png", full_page=True)
        for step in STEPS:
            started = time.perf_counter()
            step(page)
            print(f"{step.__name__}: passed ({time.perf_counter() - started:.1f} s)", flush=True)
            if step is drags:
                timed(page)
        assert troubles == [], troubles
        print("no request to another machine, no error on the console")
        for scheme, width in (("dark", 1280), ("light", 420)):
            page, troubles = opened(browser, url, scheme, width)
            page.screenshot(path=SHOTS / f"{scheme}-{width}.png", full_page=True)
            assert troubles == [], troubles
        browser.close()
    serving.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Draw the pictures of OUT.html in docs/page.md and docs/review.md: `python docs/make_page_pictures.py [NAME ...]`.

A browser does what a reader would do: it presses the keys of the page, and the picture is what it shows then. Needs chromium,
and playwright of the extra `dev`. About three minutes of one core for all.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from neurorecon.cli import main

PICTURES = Path(__file__).resolve().parent / "pictures"
SIZE = {"width": 1280, "height": 800}
SOFTWARE = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # WebGL without a card
REST_MS = 4000  # until the view has flown to its place and is drawn in full


def command(line: str) -> None:
    """Run one command of the program."""
    print(f"$ neurorecon {line}", flush=True)
    main(line.split(), prog_name="neurorecon", standalone_mode=False)


def of_page(tab: Page, expression: str) -> Any:
    """Return the value of a JavaScript expression about the page `p`."""
    return tab.evaluate(f"() => {{ const p = window.neurorecon; return {expression}; }}")


def page(tab: Page) -> None:
    """Keep the first stretch of the list."""
    tab.keyboard.press("j")
    tab.keyboard.press("y")
    tab.evaluate("() => window.neurorecon.choose(0)")


def page_follow(tab: Page) -> None:
    """Drop a stretch and keep the rest of its look, for the first look whose neurite goes on elsewhere."""
    for entry in range(of_page(tab, "p.entries.look.length")):
        tab.evaluate(f"() => window.neurorecon.choose({entry})")
        tab.keyboard.press("x")
        tab.evaluate(f"() => window.neurorecon.choose({entry})")
        tab.keyboard.press("Shift+Y")
        far = of_page(tab, "p.entries.look[p.entry]") > of_page(tab, f"p.entries.look[{entry}]") + 1
        if far and "goes on here" in tab.inner_text("#told"):
            looks = of_page(tab, f"[p.entries.look[{entry}], p.entries.look[p.entry]]")
            print(f"stretch {entry + 1} was dropped, in look {looks[0]}; look {looks[1]} came next")
            return
        tab.keyboard.press("u")
        while of_page(tab, "[...p.entries.look].some((_, k) => p.verdicts.ofEntry.get(k))"):
            tab.keyboard.press("u")


def page_missing(tab: Page) -> None:
    """Choose the first line `missing`."""
    rows = tab.locator("[id^=entry-]").all_inner_texts()
    tab.evaluate(f"() => window.neurorecon.choose({next(k for k, row in enumerate(rows) if 'missing' in row)})")


ALL: dict[str, tuple[str, str, Callable[[Page], None]]] = {
    "page": ("--seed 0", "", page),
    "page_follow": ("--seed 0", "", page_follow),
    "page_missing": ("--seed 0 --photons 6", "--missing 0.05", page_missing),
}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, chdir(folder), sync_playwright() as driver:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=chromium, args=SOFTWARE)
        for name, (drawn, traced, act) in ALL.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            command(f"synth demo -o cell.tif --overwrite {drawn}")
            command(f"run cell.tif -o cell.swc --overwrite {traced}")
            tab = browser.new_page(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
            tab.set_default_timeout(120_000)
            tab.goto(Path("cell.html").resolve().as_uri())
            tab.wait_for_timeout(REST_MS)
            act(tab)
            tab.wait_for_timeout(REST_MS)
            tab.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=85)
            tab.close()
        browser.close()

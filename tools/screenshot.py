"""Take the pictures of the emulator's page that README and docs show.

    python3 dev.py run python tools/screenshot.py

Needs chromium on PATH. Runs the demo until its visitors have filled the page, and writes docs/images/emulator.png.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

IMAGE = Path(__file__).parents[1] / "docs" / "images" / "emulator.png"
DEMO = ["signakit", "demo", "--port", "0", "--shop-port", "0", "--visitors", "150", "--json"]
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
EVENTS = 4_000


def main() -> None:
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser_path is None:
        sys.exit("screenshot.py: there is no chromium on PATH (on Debian: apt-get install chromium)")
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            said = "".join(iter(demo.stdout.readline, "}\n")) + "}"
            url = json.loads(said)["page"]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=browser_path, args=CHROMIUM_OPTIONS)
                page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
                wait_for_visitors(url)
                page.goto(url)
                ask_about_ada(page)
                IMAGE.parent.mkdir(exist_ok=True)
                page.screenshot(path=IMAGE)
                browser.close()
        finally:
            demo.terminate()
    print(f"{IMAGE}: {IMAGE.stat().st_size:,} bytes")


def wait_for_visitors(url: str) -> None:
    """Return once they have sent enough events."""
    while httpx.get(f"{url}api/state", trust_env=False).json()["events"]["total"] < EVENTS:
        time.sleep(0.5)


def ask_about_ada(page: Page) -> None:
    """Fill in "who gets what", and wait for the answer."""
    page.get_by_label("User id").fill("ada")
    page.get_by_label("Attributes").fill("plan=pro\ncountry=DE")
    page.get_by_role("button", name="Decide").click()
    page.locator("#answers summary").first.click()
    page.evaluate("window.scrollTo(0, 0)")


if __name__ == "__main__":
    main()

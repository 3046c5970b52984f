"""``signakit demo`` with a shop, and people who come to it in a real browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

from support.contract import BROWSER

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from support.command import Command


class Demo:
    """A demo that runs."""

    def __init__(self, command: Command, *, shop: str) -> None:
        said = json.loads(command.wait_for(r"^\{\n(?:.*\n)*?\}$")[0])
        self.command = command
        self.emulator: str = said["emulator_url"]
        self.shop: str = said["shops"][0]["url"]
        assert said["shops"][0]["name"] == shop

    def events(self, key: str | None = None) -> list[dict[str, Any]]:
        """What the emulator has taken, in the order in which it came; those of one event key, or all."""
        answer = httpx.get(f"{self.emulator}/api/events", trust_env=False).json()
        assert answer["refused"] == 0
        events: list[dict[str, Any]] = answer["events"]
        return [event for event in events if key in {None, event["eventKey"]}]

    def change(self, flag: str, **change: object) -> None:
        """Change a flag, as the emulator's page does."""
        httpx.post(f"{self.emulator}/api/flags/{flag}", json=change, trust_env=False).raise_for_status()


class Visitors:
    """Opens windows, each with cookies of its own, and gathers what goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.errors: list[str] = []

    def open(self, url: str) -> Page:
        # Headless chromium names itself, which is a bot's name.
        page = self._browser.new_context(user_agent=BROWSER).new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.goto(url)
        return page

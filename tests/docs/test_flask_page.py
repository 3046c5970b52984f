"""The application of the page "Flask": built from the files that it shows, and asked for its pages."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from signakit_flask.integration import OWN_OPTIONS, spell
from support.contract import BROWSER
from support.server import wait_until
from support.servers import Running, free_port

if TYPE_CHECKING:
    from types import ModuleType

    from support.server import FlagServer

PAGE = (Path(__file__).parents[2] / "docs" / "flask.md").read_text(encoding="utf-8")
FILES = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


def build(folder: Path) -> None:
    """Do what the page says: its files in order, those of one name after one another."""
    for name, text in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}")


def test_the_application_of_the_page_serves_its_pages(
    tmp_path: Path, server: FlagServer, quickstart: ModuleType
) -> None:
    server.set_config({"version": 1, "flags": quickstart.flags(dashboard_percent=100)})
    build(tmp_path)
    path = {"PYTHONPATH": str(tmp_path)}
    command = (sys.executable, "-m", "flask", "--app", "shop", "signakit", "status", "--json")
    with Running(*command, server=server, **path) as status:
        assert status.process.wait(60) == 0, status.log
        assert json.loads(status.log.splitlines()[-1])["ready"] is True
    port = free_port()
    with Running(sys.executable, str(tmp_path / "serve.py"), str(port), server=server, **path) as running:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"user-agent": BROWSER}) as browser:

            def get(path: str, **headers: str) -> httpx.Response:
                return browser.get(path, timeout=60, headers=headers)

            assert wait_until(lambda: answers(browser), 60), running.log
            assert get("/flags/health").json()["source"] == "cdn"
            assert get("/checkout").text in {"the new checkout", "the old checkout"}
            assert get("/buy").text == "thank you"
            assert get("/banner").text
            assert "<p>" in get("/page").text
            assert get("/express").status_code in {200, 302}
            assert get("/dashboard").status_code in {200, 404}
            assert get("/dashboard/class").status_code == get("/dashboard").status_code
            visitor = browser.cookies["visitor_id"]
            assert get("/api/checkout").status_code == 401
            assert get("/api/checkout", Authorization="Bearer token-of-ada").text == "the checkout of ada"
            get("/buy", **{"X-User": "ada"})
        running.stop()
    assert {event["userId"] for event in server.events} == {visitor, "ada"}
    purchases = {event["userId"]: event for event in server.events if event["eventKey"] == "purchase"}
    assert {user: event["value"] for user, event in purchases.items()} == {visitor: 49.9, "ada": 49.9}
    assert purchases["ada"]["attributes"] == {"plan": "pro"}


def answers(browser: httpx.Client) -> bool:
    try:
        return browser.get("/flags/health", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def test_the_table_of_settings_is_complete() -> None:
    section = PAGE.split("\n## Settings\n")[1].split("\n## ")[0]
    own = {spell(name) for name in (*OWN_OPTIONS, "sdk_key", "identify", "visitor_cookie", "ready_timeout")}
    assert set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)) == own

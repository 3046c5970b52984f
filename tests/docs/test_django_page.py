"""The project of the page "Django": built from the files that it shows, and asked for its pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from signakit_django import checks
from signakit_django.conf import OWN_OPTIONS
from signakit_flags.integration.options import CLIENT_KEYWORDS
from support.contract import BROWSER
from support.server import wait_until
from support.servers import Running, free_port

if TYPE_CHECKING:
    from types import ModuleType

    from support.server import FlagServer

PAGE = (Path(__file__).parents[2] / "docs" / "django.md").read_text(encoding="utf-8")
FILES = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


def build(folder: Path) -> None:
    """Do what the page says: a new project, and its files in order, those of one name after one another."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": ""}
    start = [sys.executable, "-m", "django", "startproject", "mysite", "."]
    subprocess.run(start, cwd=folder, env=env, check=True, timeout=60)
    begun: set[str] = {"mysite/settings.py"}
    for name, text in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a" if name in begun else "w", encoding="utf-8") as file:
            file.write(f"\n{text}")
        begun.add(name)


@pytest.fixture
def site(tmp_path: Path, server: FlagServer, quickstart: ModuleType) -> dict[str, str | None]:
    server.set_config({"version": 1, "flags": quickstart.flags(dashboard_percent=100)})
    build(tmp_path)
    return {"DJANGO_SETTINGS_MODULE": None, "PYTHONPATH": str(tmp_path)}  # the project's own files name the settings


def manage(site: dict[str, str | None], server: FlagServer, *command: str) -> str:
    with Running(sys.executable, f"{site['PYTHONPATH']}/manage.py", *command, server=server, **site) as running:
        assert running.process.wait(60) == 0, running.log
        return running.log


def test_the_project_of_the_page_serves_its_pages(site: dict[str, str | None], server: FlagServer) -> None:
    manage(site, server, "check", "--tag", "signakit", "--fail-level", "WARNING")
    manage(site, server, "migrate", "-v", "0")
    assert json.loads(manage(site, server, "signakit", "status", "--json").splitlines()[-1])["ready"] is True
    port = free_port()
    uvicorn = (sys.executable, "-m", "uvicorn", "mysite.asgi:application", "--port", str(port))
    with Running(*uvicorn, server=server, **site) as running:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"user-agent": BROWSER}) as browser:

            def get(path: str) -> httpx.Response:
                return browser.get(path, timeout=60)

            assert wait_until(lambda: answers(browser), 60), running.log
            assert get("/checkout").text in {"the new checkout", "the old checkout"}
            assert get("/buy").text == "thank you"
            assert get("/banner").text
            assert "<p>" in get("/page").text
            assert get("/express").status_code in {200, 302}
            assert get("/dashboard").status_code in {200, 404}
            assert get("/api/report").json().keys() in ({"checkout"}, {"detail"})
            assert get("/api/summary").status_code in {200, 403}
            assert get("/dashboard/class").status_code == get("/dashboard").status_code
            assert get("/health/flags").json()["source"] == "cdn"
            visitor = browser.cookies["visitor_id"]
        running.stop()
    assert {event["userId"] for event in server.events} == {visitor}
    assert [event["value"] for event in server.events if event["eventKey"] == "purchase"] == [49.9]


def test_the_tests_of_the_page_pass(site: dict[str, str | None], server: FlagServer) -> None:
    assert "Ran 1 test" in manage(site, server, "test", "mysite")
    assert server.events == []


def answers(browser: httpx.Client) -> bool:
    try:
        return browser.get("/health/flags", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def names_in(heading: str) -> list[str]:
    """The first cells of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


def test_the_table_of_settings_is_complete() -> None:
    own = {name.upper() for name in OWN_OPTIONS}
    assert set(names_in("Settings")) == own | {"SDK_KEY", "IDENTIFY", "VISITOR_COOKIE", "READY_TIMEOUT"}
    assert "snapshot_store" in CLIENT_KEYWORDS


def test_the_table_of_checks_is_complete() -> None:
    source = Path(checks.__file__).read_text(encoding="utf-8")
    assert set(names_in("Checks")) == set(re.findall(r'"(signakit\.[WE]\d+)"', source))

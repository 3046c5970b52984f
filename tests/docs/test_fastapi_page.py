"""The applications of the page on FastAPI: built from the files that it shows, and asked for their pages."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.sync.client import connect

from signakit_fastapi import SignaKit
from signakit_fastapi.extension import ClientOptions
from signakit_flags.integration.options import CLIENT_KEYWORDS
from support.contract import BROWSER
from support.servers import Running, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from support.server import FlagServer

PAGE = (Path(__file__).parents[2] / "docs" / "fastapi.md").read_text(encoding="utf-8")
FILES = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


class App(Running):
    """A file of the page, under uvicorn."""

    def __init__(self, name: str, folder: Path, server: FlagServer) -> None:
        self.port = free_port()
        command = (sys.executable, "-m", "uvicorn", "--app-dir", str(folder), f"{name}:app", "--port", str(self.port))
        super().__init__(*command, server=server)
        self.browser = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"user-agent": BROWSER})

    def answers(self) -> bool:
        try:
            self.browser.get("/docs")
        except httpx.TransportError:
            return False
        return True

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036  # as its base class
        self.browser.close()
        super().__exit__(*error)


@pytest.fixture
def folder(tmp_path: Path, server: FlagServer, quickstart: ModuleType) -> Path:
    server.set_config({"version": 1, "flags": quickstart.flags(dashboard_percent=100)})
    for name, text in FILES:
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}")
    return tmp_path


@pytest.fixture
def app(folder: Path, server: FlagServer) -> Iterator[App]:
    with App("app", folder, server) as running:
        running.until(running.answers)
        yield running


def test_the_application_of_the_page_serves_its_pages(app: App, server: FlagServer) -> None:
    get = app.browser.get
    assert get("/checkout").json()["checkout"] in {"new", "old"}
    visitor = app.browser.cookies["visitor_id"]
    assert app.browser.post("/buy").json() == {"said": "thank you"}
    lost = get("/lost")
    assert (lost.status_code, set(lost.json())) == (404, {"suggestions"})
    assert get("/events").text.startswith("data: ")
    assert get("/beta/dashboard").status_code in {200, 404}
    assert get("/express").status_code in {200, 403}
    me = get("/me", headers={"authorization": "Bearer token-of-ada"}).json()
    assert me["user"] == "17"
    assert me["checkout"] in {"treatment", "control", "off"}
    assert get("/me", headers={"authorization": "Basic x"}).status_code == 401
    assert get("/me").json()["user"] == visitor
    assert get("/health/flags").json()["source"] == "cdn"
    paths = get("/openapi.json").json()["paths"]
    assert set(paths["/express"]["get"]["responses"]) == {"200", "403"}
    assert set(paths["/beta/dashboard"]["get"]["responses"]) == {"200", "404"}
    with connect(f"ws://127.0.0.1:{app.port}/ws", user_agent_header=BROWSER) as socket:
        assert "banner" in str(socket.recv())
    app.stop()
    assert "Traceback" not in app.log
    assert {event["userId"] for event in server.events} >= {visitor, "17"}
    assert [event["value"] for event in server.events if event["eventKey"] == "purchase"] == [49.9]


@pytest.mark.parametrize(
    ("name", "path", "motto"),
    [("inside", "/", "as above"), ("outside", "/", "so below"), ("outside", "/inner/", "so below")],
)
def test_lifespans_in_either_order(folder: Path, server: FlagServer, name: str, path: str, motto: str) -> None:
    with App(name, folder, server) as app:
        app.until(app.answers)
        assert app.browser.get(path).json() == {"motto": motto, "banner": "Free delivery"}
        assert "visitor_id" in app.browser.cookies
        app.stop()
        assert "Traceback" not in app.log


def test_the_table_of_settings_is_complete() -> None:
    section = PAGE.split("\n## Settings\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    assert named == [name for name in inspect.signature(SignaKit).parameters if name != "client"]


def test_every_keyword_of_the_client_is_one_of_signakit() -> None:
    assert list(ClientOptions.__annotations__) == list(CLIENT_KEYWORDS)

"""Pages of other sites can neither change anything nor read anything: Host and Origin are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers

from signakit_dev._emulator.guard import ANY_ADDRESS, Guard
from support.wire import ask, exchange

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from signakit_dev.testing import Emulator

READS = ["/", "/api/state", "/api/stream", "/static/app.js", "/configs/a/b/development/latest.json", "/nowhere"]

CHANGES = [
    ("POST", "/flags"),
    ("POST", "/faults"),
    ("POST", "/clear"),
    ("POST", "/api/flags/banner"),
    ("POST", "/api/faults"),
    ("DELETE", "/api/faults"),
    ("DELETE", "/api/events"),
    ("POST", "/v1/flag-events"),
]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:4747", "10.0.0.1"])
def test_another_host_gets_nothing(signakit_emulator: Emulator, path: str, host: str) -> None:
    answer = ask(signakit_emulator.url + path, Host=host)
    assert answer.status == 403
    assert b"banner" not in answer.body


@pytest.mark.parametrize("lines", ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"])
def test_no_host_and_two_hosts_get_nothing(signakit_emulator: Emulator, lines: str) -> None:
    received = exchange(signakit_emulator.url, f"GET / HTTP/1.0\r\n{lines}\r\n".encode())
    assert received.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))
    assert b"banner" not in received


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:4747", "127.1.2.3"])
def test_every_name_of_this_machine_is_answered(signakit_emulator: Emulator, host: str) -> None:
    assert ask(signakit_emulator.url, Host=host).status == 200


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_site_changes_nothing(
    signakit_emulator: Emulator, method: str, path: str, headers: dict[str, str]
) -> None:
    signakit_emulator.fault("config", "garbage")
    assert ask(signakit_emulator.url + path, method, {"running": False}, **headers).status == 403
    assert signakit_emulator.version == 1
    assert ask(f"{signakit_emulator.url}/api/faults").json()["config"]["kind"] == "garbage"


def test_its_own_page_and_what_is_no_browser_may(signakit_emulator: Emulator) -> None:
    url = f"{signakit_emulator.url}/api/flags/banner"
    own = {"Origin": signakit_emulator.url, "Sec_Fetch_Site": "same-origin"}
    assert ask(url, "POST", {"running": False}, **own).status == 200
    assert ask(url, "POST", {"running": True}).status == 200


def test_nothing_says_that_other_sites_may_read(signakit_emulator: Emulator) -> None:
    for path in READS[:2]:
        headers = ask(signakit_emulator.url + path, Origin="https://evil.example").headers
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(f"{signakit_emulator.url}/api/state", "OPTIONS").status == 405


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None: ...


def test_with_remote_access_every_address_is_answered_and_no_foreign_name() -> None:
    guard = Guard(_nothing, allowed_hosts=[ANY_ADDRESS, "build-server"])
    for host in ("192.168.1.5:4747", "[2001:db8::1]", "Build-Server:4747", "localhost"):
        assert guard.refusal("GET", Headers({"host": host})) is None
    for host in ("evil.example", "192.168.1.5.evil.example", "", "user@127.0.0.1", "[::1"):
        assert guard.refusal("GET", Headers({"host": host})) is not None

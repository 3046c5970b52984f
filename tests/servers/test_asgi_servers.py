"""The FastAPI site under real servers, and what clients do to it on their connections."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from signakit_dev.testing import Emulator
from signakit_flags.integration import is_visitor_id
from support.contract import BROWSER, CRAWLER
from support.servers import GUARD, Site, flipped

if TYPE_CHECKING:
    from collections.abc import Iterator

ASGI = "support.fastapi_site:app"
UVICORN = (sys.executable, "-m", "uvicorn", ASGI, "--port", "{port}")
GRANIAN = (sys.executable, "-m", "granian", ASGI, "--interface", "asgi", "--port", "{port}")


@pytest.fixture(params=["uvicorn", "granian"])
def site(request: pytest.FixtureRequest, signakit_emulator: Emulator) -> Iterator[Site]:
    command = {"uvicorn": UVICORN, "granian": GRANIAN}[request.param]
    signakit_emulator.set_config(flipped("on"))
    with Site(*command, path="/async/worker", server=signakit_emulator) as site:
        site.until(site.answers_at_all)
        yield site


def get(site: Site, path: str) -> Any:
    return json.loads(site._get(path)[1])


def test_clients_that_disconnect_in_the_midst_of_a_stream_leave_nothing(
    site: Site, signakit_emulator: Emulator
) -> None:
    for _ in range(5):
        connection = HTTPConnection("127.0.0.1", site._port, timeout=GUARD)
        connection.request("GET", "/stream", headers={"user-agent": BROWSER})
        answer = connection.getresponse()
        assert answer.read(8) == b"data: on"
        assert answer.getheader("set-cookie", "").startswith("visitor_id=")
        assert connection.sock is not None
        # An answer that is cut off, not one that ends.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        answer.close()
        connection.close()
    site.until(lambda: get(site, "/streams") == {"begun": 5, "ended": 5})
    assert get(site, "/async/worker?user=ada")["switch"] == "on"
    signakit_emulator.wait_for_events(5)
    site.stop()
    assert "signakit" not in site.log, site.log


async def handshake(site: Site, *headers: tuple[str, bytes], path: str = "/ws") -> tuple[int, dict[str, bytes], bytes]:
    """Open a WebSocket byte for byte, and return status, headers and what follows until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site._port)
    lines = [f"GET {path} HTTP/1.1".encode(), b"host: testserver", b"connection: Upgrade", b"upgrade: websocket"]
    lines += [b"sec-websocket-version: 13", b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="]
    lines += [name.encode() + b": " + value for name, value in headers]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    async with asyncio.timeout(GUARD):
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head.split(b"\r\n")
        code = int(first.split()[1])
        body = b""
        if code == 101:
            body = await reader.readexactly(2)
            size = body[1] & 127
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2))
            body = await reader.readexactly(size)
    writer.close()
    sent = {name.decode().lower(): value for name, _, value in (line.partition(b": ") for line in rest if line)}
    return code, sent, body


AGENT = ("user-agent", BROWSER.encode())
VISITOR = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ([AGENT], False),
        ([], False),
        ([("user-agent", b"")], False),
        ([("user-agent", b"\xff\xfe Mozilla/5.0")], False),
        ([AGENT, ("user-agent", CRAWLER.encode())], False),
        ([AGENT, ("cookie", b"visitor_id=" + b"x" * 4_000)], False),
        ([AGENT, ("cookie", b"visitor_id=\xe9\xff; =; ;;")], False),
        ([AGENT, ("cookie", b"a=1"), ("cookie", f"visitor_id={VISITOR}".encode())], True),
        ([AGENT, ("origin", b"null"), ("sec-websocket-protocol", b"a, b")], False),
        ([AGENT, ("x-forwarded-for", b"'; drop table"), ("accept-language", b"\xff" * 1_000)], False),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_a_handshake_with_odd_headers_is_served(uvicorn: Site, headers: list[tuple[str, bytes]], known: bool) -> None:
    code, sent, body = asyncio.run(handshake(uvicorn, *headers))
    assert code == 101, uvicorn.log
    said = json.loads(body)
    assert said["bot"] is False
    if known:
        assert said["user"] == VISITOR
        assert "set-cookie" not in sent
    else:
        assert is_visitor_id(said["user"])
        assert sent["set-cookie"].decode().startswith(f"visitor_id={said['user']};")
    assert said["switch"] == "on"
    assert "Traceback" not in uvicorn.log


def test_granian_drops_the_cookie_of_a_handshake(signakit_emulator: Emulator) -> None:
    """As the documentation says: when this fails, granian hands on the headers of ``websocket.accept``."""
    signakit_emulator.set_config(flipped("on"))
    with Site(*GRANIAN, path="/async/worker", server=signakit_emulator) as site:
        site.until(site.answers_at_all)
        code, sent, body = asyncio.run(handshake(site, AGENT))
    assert (code, "set-cookie" in sent) == (101, False)
    assert is_visitor_id(json.loads(body)["user"])


def test_a_handshake_of_a_bot_gets_no_cookie_and_a_gate_refuses(uvicorn: Site) -> None:
    code, sent, body = asyncio.run(handshake(uvicorn, ("user-agent", CRAWLER.encode())))
    assert (code, json.loads(body)["bot"], "set-cookie" in sent) == (101, True, False)
    code, _, _ = asyncio.run(handshake(uvicorn, AGENT, path="/ws/gate"))
    assert code == 403
    assert "Traceback" not in uvicorn.log


def test_under_uvicorn_no_thread_is_started_by_anyone(signakit_emulator: Emulator) -> None:
    signakit_emulator.set_config(flipped("on"))
    with Site(*UVICORN, path="/async/worker", server=signakit_emulator) as site:
        site.until(site.answers_at_all)
        assert site.ask("ada")["switch"] == "on"
        signakit_emulator.wait_for_events(2)
        site.until(lambda: signakit_emulator.config_requests > 1)
        assert get(site, "/threads") == ["MainThread"]


@pytest.fixture(scope="module")
def uvicorn() -> Iterator[Site]:
    with Emulator(flipped("on")) as emulator, Site(*UVICORN, path="/async/worker", server=emulator) as site:
        site.until(site.answers_at_all)
        yield site


def test_a_server_that_is_told_to_end_while_it_starts_ends(signakit_emulator: Emulator) -> None:
    signakit_emulator.fault("config", "hang")
    with Site(*UVICORN, path="/async/worker", server=signakit_emulator, SITE_READY_TIMEOUT="1") as site:
        site.until(lambda: signakit_emulator.config_requests > 0)
        site.stop()
        assert "ResourceWarning" not in site.log
        assert "never awaited" not in site.log
        assert "Traceback" not in site.log

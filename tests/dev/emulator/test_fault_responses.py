"""Each fault is real at the socket, and the SDK meets it as it would meet a real one."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from support.emulator import CONFIG, KEY
from support.faces import AsyncFace, Face, SyncFace
from support.server import wait_until
from support.wire import ask, exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signakit_dev.testing import Emulator

EVENT = {"eventKey": "purchase", "userId": "u", "timestamp": "2026-01-31T12:00:00.000Z"}


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def face(request: pytest.FixtureRequest, signakit_emulator: Emulator) -> Iterator[Face]:
    urls = {"cdn_url": signakit_emulator.url, "events_url": signakit_emulator.events_url}
    face: Face = request.param(**urls, polling_interval=0.05, timeout=0.5)
    yield face
    face.finish()


def raw(emulator: Emulator, where: str) -> bytes:
    """One request on a connection of its own; ``TimeoutError`` when nothing comes."""
    if where == "config":
        request = f"GET {CONFIG} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    else:
        body = b'{"events": [{"eventKey": "e", "userId": "u", "timestamp": "2026-01-31T12:00:00.000Z"}]}'
        head = (
            "POST /v1/flag-events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-SDK-Key: sk_dev_a_b_c\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        request = head.encode() + body
    return exchange(emulator.url, request, timeout=0.3)


@pytest.mark.parametrize("where", ["config", "events"])
def test_each_fault_is_what_it_says(signakit_emulator: Emulator, where: Any) -> None:
    assert raw(signakit_emulator, where).startswith(b"HTTP/1.1 200 ")
    with signakit_emulator.fault(where, "refuse"):
        assert raw(signakit_emulator, where) == b""
    with signakit_emulator.fault(where, "hang"), pytest.raises(TimeoutError):
        raw(signakit_emulator, where)
    with signakit_emulator.fault(where, "latency", seconds=30), pytest.raises(TimeoutError):
        raw(signakit_emulator, where)
    with signakit_emulator.fault(where, "status", status=429, retry_after=7):
        received = raw(signakit_emulator, where)
        assert received.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: 7\r\n" in received.lower()
    with signakit_emulator.fault(where, "garbage"):
        received = raw(signakit_emulator, where)
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.endswith(b"[")
    with signakit_emulator.fault(where, "truncated"):
        head, _, body = raw(signakit_emulator, where).partition(b"\r\n\r\n")
        [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        assert 0 < len(body) < int(length.split()[1])
    assert raw(signakit_emulator, where).startswith(b"HTTP/1.1 200 ")


def test_events_are_taken_where_only_the_answer_is_broken(signakit_emulator: Emulator) -> None:
    for kind, taken in (("garbage", 1), ("truncated", 2), ("refuse", 2), ("status", 2)):
        with signakit_emulator.fault("events", kind):  # type: ignore[arg-type]  # a kind each
            raw(signakit_emulator, "events")
        assert len(signakit_emulator.events()) == taken, kind


def test_the_faults_of_config_and_events_are_apart(signakit_emulator: Emulator) -> None:
    signakit_emulator.fault("config", "status", status=500)
    assert ask(signakit_emulator.url + CONFIG).status == 500
    assert ask(signakit_emulator.events_url, "POST", {"events": [EVENT]}, **KEY).status == 200


def test_a_server_that_hangs_stops_all_the_same(signakit_emulator: Emulator) -> None:
    port = urlsplit(signakit_emulator.url).port
    signakit_emulator.fault("config", "hang")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(f"GET {CONFIG} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert wait_until(lambda: signakit_emulator.config_requests == 3)
        signakit_emulator.__exit__(None, None, None)
        assert connection.recv(1) == b"", "the connection is closed, without an answer"


@pytest.mark.parametrize("kind", ["refuse", "hang", "status", "garbage", "truncated"])
def test_a_client_that_meets_a_fault_at_the_start_becomes_ready_once_it_is_gone(
    signakit_emulator: Emulator, face: Face, kind: Any
) -> None:
    with signakit_emulator.fault("config", kind):
        client = face.client()
        result = face.on_ready(client, timeout=2.0)
        assert not result.success
        assert not client.is_ready
    assert face.wait_until(lambda: client.is_ready)


@pytest.mark.parametrize("kind", ["refuse", "hang", "status", "garbage", "truncated"])
def test_a_client_that_meets_a_fault_later_keeps_what_it_has(
    signakit_emulator: Emulator, face: Face, kind: Any
) -> None:
    client = face.client()
    assert face.on_ready(client).success
    with signakit_emulator.fault("config", kind):
        # A new version, or the client would be told 304, which has no body to break.
        signakit_emulator.set_flag("banner", running=False)
        # One that began before the fault may still be on its way, and `refresh` would share it.
        assert face.wait_until(lambda: client.status().last_error is not None)
        assert not face.refresh(client)
        assert client.status().version == 1
        assert face.decide(client, "banner") == "on"
    assert face.wait_until(lambda: client.status().version == 2)


@pytest.mark.parametrize("kind", ["refuse", "hang", "status"])
def test_events_that_meet_a_fault_arrive_once_it_is_gone(signakit_emulator: Emulator, face: Face, kind: Any) -> None:
    client = face.client()
    assert face.on_ready(client).success
    signakit_emulator.fault("events", kind, times=2)
    face.decide(client, "banner", user="ada")
    assert face.flush(client)
    assert [event["userId"] for event in signakit_emulator.events()] == ["ada"]

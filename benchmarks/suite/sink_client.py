"""Starts a sink, and steers it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .sink import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Received:
    """What the sink got since the last reset.

    Attributes:
        count: Events.
        posts: Requests.
        first, last: When the first and the last request had come, in nanoseconds of the monotonic clock; 0 if none.
    """

    count: int
    posts: int
    first: int
    last: int


class SinkClient:
    """Steers the sink at ``url``, over one connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)

    def store(self, path: str, body: bytes) -> None:
        """Hand out ``body`` at ``path`` from now on."""
        self._command("PUT", f"store{path}", body)

    def reset(self, marker: str, *, delay: float = 0.0, hold: bool = False) -> None:
        """Count ``marker`` from now on; answer after ``delay`` seconds, or with ``hold`` not before ``release``."""
        self._command("POST", "reset", {"marker": marker, "delay": delay, "hold": hold})

    def release(self) -> None:
        """Answer what is held, and hold no longer."""
        self._command("POST", "release", {})

    def wait(self, *, count: int = 0, posts: int = 0, timeout: float = 20.0) -> Received:
        """Wait until that many events and requests have come, or ``timeout`` seconds, and return what has."""
        return Received(**self._command("POST", "wait", {"count": count, "posts": posts, "timeout": timeout}))

    def _command(self, method: str, verb: str, body: bytes | dict[str, Any]) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request(method, PREFIX + verb, data)
        return json.loads(self._connection.getresponse().read())


@contextmanager
def running_sink() -> Iterator[SinkClient]:
    """Start a sink in a process of its own, and end it."""
    command = [sys.executable, str(Path(__file__).with_name("sink.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield SinkClient(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()
            process.wait()

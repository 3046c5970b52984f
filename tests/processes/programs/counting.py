"""Many users who decide once each, and a server, in a process of its own, that counts how often each arrives."""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

from common import main, ready_client, say, told

USER = re.compile(rb'"userId":"user-(\d+)"')
ENOUGH_WAITING = 5_000
EARLY = 140_000
"""Users after which the two generations of the exposure filter, 65,536 each, are full."""


def sink(config: str, count: str) -> None:
    """Serve the config and take events until told; then say what arrived."""
    times = bytearray(int(count))
    listener = socket.create_server(("127.0.0.1", 0))
    say(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as lines:
            while request := lines.readline():
                length = 0
                while (header := lines.readline().strip()) != b"":
                    name, _colon, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                for number in USER.findall(lines.read(length)):
                    times[int(number)] += 1
                body = config.encode() if request.startswith(b"GET") else b"{}"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while not told():
        time.sleep(0.05)
    say(arrived=sum(times), distinct=len(times) - times.count(0))


def users(url: str, count: str) -> None:
    """Decide for so many users; slower where more events wait than are soon sent."""
    client = ready_client(cdn_url=url, events_url=f"{url}/events")
    early = 0
    for number in range(int(count)):
        context = client.create_user_context(f"user-{number}", {"plan": "pro"})
        assert context is not None
        assert context.variation("exp") in {"control", "treatment"}
        if number % 100 == 0:
            while client.status().queued > ENOUGH_WAITING:
                time.sleep(0.001)
        if number == EARLY:
            assert client.flush_sync(20)
            early = resident()
    flushed = client.flush_sync(20)
    growth = resident() - early
    status = client.status()
    facts: dict[str, Any] = {"flushed": flushed, "sent": status.sent, "dropped": status.dropped, "growth": growth}
    client.close()
    say(**facts)


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


main()

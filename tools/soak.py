"""Soak the client at full speed: threads and a loop decide and track against a server in this process.

    uv run tools/soak.py [--seconds 300] [--threads 4]

Half of the threads use a client on the thread driver, half, and a task, one on a home loop. Every user is a new one, so
every decision is an exposure; the config changes with every poll. Prints memory, threads and events as it goes. Exit
status 1 if an event was lost, came twice or out of order, if memory grew after the first 40 % of the time, or if a
thread is left at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from signakit_flags import SignaKitClient

KEY = "sk_dev_soak_1_key"
POLLING = 0.01
SAMPLE = 5.0
PRINT_EVERY = 6
ENOUGH_WAITING = 5_000
MAX_GROWTH = 16_000_000


def config(version: int) -> bytes:
    """Return a config with one experiment, a little different each time."""
    halves = [{"variation": "a", "start": 0, "end": 4999}, {"variation": "b", "start": 5000, "end": 9999}]
    rule = {
        "ruleKey": "r",
        "ruleType": "ab-test",
        "trafficPercentage": 100,
        "variationAllocation": {"ranges": halves},
        "audiences": [{"conditions": [{"attribute": "plan", "operator": "in", "value": ["pro", f"v{version}"]}]}],
    }
    flag = {
        "key": "exp",
        "salt": "soak",
        "running": True,
        "allocation": {"ranges": []},
        "variations": [{"key": "a", "variables": {"version": version}}],
        "variables": [{"key": "version", "type": "number", "defaultValue": 0}],
        "rules": [rule],
    }
    return json.dumps({"version": version, "flags": [flag]}).encode()


class Server:
    """CDN and ingest on loopback; counts each event and looks at its number.

    State: each field but ``problems`` is written by the thread of one connection at a time, as a client has one post
    and one fetch under way.
    """

    def __init__(self) -> None:
        self.version = 0
        self.received: Counter[str] = Counter()
        self.problems: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="server", daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _address = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), name="server", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while request := lines.readline():
                length = 0
                while (header := lines.readline().strip()) != b"":
                    name, _colon, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = self._post(lines.read(length)) if request.startswith(b"POST") else self._get()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def _get(self) -> bytes:
        self.version += 1
        return config(self.version)

    def _post(self, body: bytes) -> bytes:
        for event in json.loads(body)["events"]:
            sender, _dash, number = event["userId"].partition("-")
            # Each sender numbers its events, and a client keeps their order: this finds losses and doubles alike.
            if int(number) != self.received[sender] and len(self.problems) < 20:
                self.problems.append(f"{sender}: event {number} where {self.received[sender]} was next")
            self.received[sender] += 1
        return b"{}"


@dataclass
class Sender:
    """One thread or task that decides."""

    name: str
    client: SignaKitClient
    events: int = 0
    refusals: int = 0

    def decide_some(self) -> bool:
        """Decide a hundred users; False, deciding none, while enough events wait."""
        if self.client.status().queued >= ENOUGH_WAITING:
            return False
        for _ in range(100):
            context = self.client.create_user_context(f"{self.name}-{self.events}", {"plan": "pro", "age": 30})
            if context is None or context.decide("exp") is None:
                self.refusals += 1
                continue
            self.events += 1
        return True

    def run(self, stop: threading.Event) -> None:
        """Decide in a thread."""
        while not stop.is_set():
            if not self.decide_some():
                time.sleep(0.001)

    async def arun(self, stop: threading.Event) -> None:
        """Decide in a task."""
        while not stop.is_set():  # noqa: ASYNC110  # it is not the end that is waited for, but a turn for the others
            await asyncio.sleep(0 if self.decide_some() else 0.001)


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  # read often
        return int(file.read().split()[1]) * 4096


def ours() -> list[str]:
    """Return the names of the threads of the package."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("signakit-"))


def main(arguments: list[str]) -> int:
    """Soak for a while; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args(arguments)
    server = Server()
    settings: dict[str, Any] = {
        "cdn_url": server.url,
        "events_url": f"{server.url}/events",
        "polling_interval": POLLING,
    }
    on_threads, on_loop = SignaKitClient(KEY, **settings), SignaKitClient(KEY, **settings)
    loop = asyncio.new_event_loop()
    home = threading.Thread(target=loop.run_forever, name="home", daemon=True)
    home.start()
    assert on_threads.on_ready_sync().success
    assert asyncio.run_coroutine_threadsafe(on_loop.on_ready(), loop).result(30).success

    stop = threading.Event()
    senders = [Sender(f"t{number}", on_threads if number % 2 else on_loop) for number in range(options.threads)]
    task = Sender("task", on_loop)
    threads = [threading.Thread(target=sender.run, args=(stop,), name="sender") for sender in senders]
    for thread in threads:
        thread.start()
    running = asyncio.run_coroutine_threadsafe(task.arun(stop), loop)
    senders.append(task)

    samples = watch(options.seconds, server, senders)
    stop.set()
    for thread in threads:
        thread.join()
    running.result(30)
    sent = on_threads.flush_sync(60)
    sent &= asyncio.run_coroutine_threadsafe(on_loop.flush(60), loop).result(70)
    counts = [client.status() for client in (on_threads, on_loop)]
    on_threads.close()
    asyncio.run_coroutine_threadsafe(on_loop.aclose(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    home.join()
    loop.close()
    return report(server, senders, samples, sent=sent, client_sent=sum(count.sent for count in counts))


def watch(seconds: float, server: Server, senders: list[Sender]) -> list[tuple[float, int, int]]:
    """Sample memory and threads for so many seconds: (when, bytes, threads)."""
    start = time.monotonic()
    samples: list[tuple[float, int, int]] = []
    print("seconds  memory MB  threads  of ours             decided   received  configs", flush=True)
    while (now := time.monotonic() - start) < seconds:
        samples.append((now, resident(), threading.active_count()))
        if len(samples) % PRINT_EVERY == 1:
            decided, received = sum(sender.events for sender in senders), server.received.total()
            names = ",".join(name.removeprefix("signakit-") for name in ours())
            print(
                f"{now:7.0f}  {samples[-1][1] / 1e6:9.1f}  {samples[-1][2]:7}  {names:15}  {decided:10}  {received:9}"
                f"  {server.version:7}",
                flush=True,
            )
        time.sleep(min(SAMPLE, max(0.0, seconds - now)))
    return samples


def report(
    server: Server, senders: list[Sender], samples: list[tuple[float, int, int]], *, sent: bool, client_sent: int
) -> int:
    """Print what is wrong, or that nothing is; return the exit status."""
    problems = list(server.problems)
    problems += [
        f"{sender}: {server.received[sender.name]} events received"
        for sender in senders
        if sender.events != server.received[sender.name] or sender.refusals
    ]
    if not sent:
        problems.append("flush() did not send everything")
    total = sum(sender.events for sender in senders)
    if total != client_sent:
        problems.append(f"{total} decided, status() says {client_sent} sent")
    end = samples[-1][0]
    before = [memory for when, memory, _count in samples if 0.2 * end <= when <= 0.4 * end]
    after = [memory for when, memory, _count in samples if when >= 0.8 * end]
    growth = max(after) - max(before or after)
    if growth > MAX_GROWTH:
        problems.append(f"memory grew by {growth / 1e6:.1f} MB")
    counts = {count for when, _memory, count in samples if when >= 0.2 * end}
    if max(counts) > samples[1 if len(samples) > 1 else 0][2]:
        problems.append(f"the number of threads grew: {sorted(counts)}")
    deadline = time.monotonic() + 10
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    if ours():
        problems.append(f"threads left: {ours()}")
    print(
        f"{total} events decided, {server.received.total()} received ({total / max(end, 1):.0f} a second), "
        f"{server.version} configs, memory {growth / 1e6:+.1f} MB, threads {sorted(counts)}"
    )
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How many events a second a process can send, by the latency of the service, and what gathering saves.

    python3 dev.py run python benchmarks/send_rate.py

Real sockets on loopback; the server is a process of its own that answers after a while and takes whatever comes.
First the rate: the queue is kept full, and what was taken is divided by the time. Then posts and CPU time at a steady
rate, by ``flush_interval``. The figures of the page "Delivery" are from here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from signakit_flags import SignaKitClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

KEY = "sk_dev_org_project_benchmark"
LATENCIES = (0.001, 0.02, 0.1, 0.5, 2.0)
CONFIG = b'{"flags":[]}'
FILLED = 9_000  # events in the queue, of 10,000
WARM_UP = 2.0  # seconds, and two posts at least


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float, posts: list[int]) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"post"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CONFIG), CONFIG))
                continue
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            posts.append(1)
            await asyncio.sleep(latency)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(latency: float, pipe: Connection) -> None:
    posts: list[int] = []
    server = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, latency, posts), "127.0.0.1")
    pipe.send(server.sockets[0].getsockname()[1])
    while await asyncio.to_thread(pipe.recv):  # until the process is ended
        pipe.send(len(posts))


def _run_server(latency: float, pipe: Connection) -> None:
    asyncio.run(_serve(latency, pipe))


class Service(NamedTuple):
    """A server in another process."""

    url: str
    pipe: Connection

    def posts(self) -> int:
        """Return how many posts it got."""
        self.pipe.send(True)
        count: int = self.pipe.recv()
        return count


@contextmanager
def service(latency: float) -> Iterator[Service]:
    """Start a server that takes ``latency`` seconds for a post."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run_server, args=(latency, theirs), daemon=True)
    process.start()
    try:
        yield Service(f"http://127.0.0.1:{ours.recv()}", ours)
    finally:
        process.kill()
        process.join()


def _client(url: str, *, max_batch_size: int | None = None, flush_interval: float = 0.0) -> SignaKitClient:
    client = SignaKitClient(
        KEY,
        cdn_url=url,
        events_url=url,
        polling_interval=0,
        max_batch_size=max_batch_size,
        flush_interval=flush_interval,
    )
    assert client.on_ready_sync().success
    return client


def rate(url: str, latency: float, seconds: float, max_batch_size: int | None) -> float:
    """Return the events a second that were sent while the queue was kept full."""
    client = _client(url, max_batch_size=max_batch_size)
    user = client.create_user_context("4f9c3a52-7a0e-4b1e-9a59-0d0f5f9f5c11", {"plan": "pro", "country": "DE"})
    assert user is not None

    def fill_until(end: float) -> None:
        while time.monotonic() < end:
            for _ in range(FILLED - client.status().queued):
                user.track("purchase", 49.9)
            time.sleep(0.001)

    fill_until(time.monotonic() + max(WARM_UP, 2 * latency))
    sent, began = client.status().sent, time.monotonic()
    fill_until(began + max(seconds, 5 * latency))
    sent, took = client.status().sent - sent, time.monotonic() - began
    assert client.status().dropped == 0
    client.close(0)
    return sent / took


def steadily(url: str, events: float, seconds: float, flush_interval: float, pipe: Connection) -> None:
    """Track ``events`` a second, and send the CPU time of the process for each second."""
    client = _client(url, flush_interval=flush_interval)
    user = client.create_user_context("4f9c3a52-7a0e-4b1e-9a59-0d0f5f9f5c11", {"plan": "pro", "country": "DE"})
    assert user is not None
    user.track("purchase", 49.9)
    client.flush_sync()  # connected, and all is imported
    began, cpu = time.monotonic(), time.process_time()
    for number in range(int(events * seconds)):
        user.track("purchase", 49.9)
        time.sleep(max(0.0, began + (number + 1) / events - time.monotonic()))
    client.flush_sync()
    pipe.send((time.process_time() - cpu) / seconds)


def gathered(processes: int, events: float, seconds: float, flush_interval: float) -> tuple[float, float]:
    """Return posts a second and CPU milliseconds a second of all processes together, at ``events`` a second."""
    context = multiprocessing.get_context("spawn")
    with service(0.02) as server:
        pipes, workers = [], []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            arguments = (server.url, events / processes, seconds, flush_interval, theirs)
            worker = context.Process(target=steadily, args=arguments)
            worker.start()
            pipes.append(ours)
            workers.append(worker)
        cpu = sum(pipe.recv() for pipe in pipes)
        for worker in workers:
            worker.join()
        return (server.posts() - processes) / seconds, cpu * 1_000


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement, at least")
    seconds = parser.parse_args().seconds
    logging.disable(logging.WARNING)  # events are left when the rate was measured
    print("| latency of the service | events a second | with `max_batch_size=100` |\n|---|---|---|")
    for latency in LATENCIES:
        with service(latency) as server:
            grown, fixed = (rate(server.url, latency, seconds, size) for size in (None, 100))
        print(f"| {latency * 1_000:,.0f} ms | {grown:,.0f} | {fixed:,.0f} |", flush=True)
    print("\n| processes | `flush_interval` | posts a second | CPU, ms a second |\n|---|---|---|---|")
    for processes in (1, 4):
        for flush_interval in (0.0, 1.0):
            posts, cpu = gathered(processes, 100, seconds, flush_interval)
            print(f"| {processes} | {flush_interval:g} | {posts:,.1f} | {cpu:,.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""Says how long a hostile or a large config holds up an event loop, or the threads beside a poller.

uv run benchmarks/hostile_configs.py [--sizes 262144,2097152] [--only WORD] [--rounds N]

Prints a table: for each body of tests/support/hostile_configs.py and for ordinary configs, of each size and on both
faces, the latest tick of a task or thread that asks to be woken every millisecond while the config is fetched, inflated
and compiled. The median of some rounds, in milliseconds beyond that one. The server is a process of its own, and what
it sends is compressed. The first line is the same without a config.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import http.server
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from suite import machine, workload

from signakit_flags import SignaKitClient

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.hostile_configs import HOSTILE  # noqa: E402  # found by the line above

if TYPE_CHECKING:
    from collections.abc import Callable

TICK = 0.001
SIZES = (256 * 1024, 2 * 1024 * 1024, 16 * 1024 * 1024 - 65_536)
BODY = "body.gz"


def ordinary(size: int) -> bytes:
    """Return a config of flags like those of the other benchmarks."""
    one = len(msgspec.json.encode(workload.signakit_config(workload.flag_specs(100)))) // 100
    return msgspec.json.encode(workload.signakit_config(workload.flag_specs(size // one)))


def ten_thousand(_size: int) -> bytes:
    """Return an ordinary config of 10,000 flags."""
    return msgspec.json.encode(workload.signakit_config(workload.flag_specs(10_000)))


def serve(folder: Path) -> None:
    """Serve the body in ``folder``, whatever is asked for; print the port first."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that the library asks for
            content = (folder / BODY).read_bytes()
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def client_of(url: str) -> SignaKitClient:
    """Return a client of the server."""
    return SignaKitClient(workload.SDK_KEY, cdn_url=url, events_url=url, polling_interval=0, timeout=120)


async def _on_loop(url: str | None) -> float:
    latest = 0.0
    ended = asyncio.Event()

    async def tick() -> None:
        nonlocal latest
        while not ended.is_set():
            start = time.perf_counter()
            await asyncio.sleep(TICK)
            latest = max(latest, time.perf_counter() - start - TICK)

    async def load() -> None:
        if url is None:
            await asyncio.sleep(0.5)
            return
        async with client_of(url) as client:
            del client

    if url is not None:
        await _warm_up(url)
    ticker = asyncio.create_task(tick())
    await load()
    ended.set()
    await ticker
    return latest


async def _warm_up(url: str) -> None:
    """Import what a first fetch imports."""
    client = SignaKitClient(workload.SDK_KEY, cdn_url=f"{url}/", events_url=url, polling_interval=0, max_config_size=1)
    await client.on_ready()
    await client.aclose()


def on_loop(url: str | None) -> float:
    """Return the latest tick on a loop, in seconds; without a URL, of nothing."""
    return asyncio.run(_on_loop(url))


def in_thread(url: str | None) -> float:
    """Return the latest tick in a thread beside the poller."""
    latest = 0.0
    ended = threading.Event()

    def tick() -> None:
        nonlocal latest
        while not ended.is_set():
            start = time.perf_counter()
            time.sleep(TICK)
            latest = max(latest, time.perf_counter() - start - TICK)

    if url is not None:
        warm = SignaKitClient(workload.SDK_KEY, cdn_url=url, events_url=url, polling_interval=0, max_config_size=1)
        warm.on_ready_sync()
        warm.close()
    ticker = threading.Thread(target=tick)
    ticker.start()
    if url is None:
        time.sleep(0.5)
    else:
        with client_of(url):
            pass
    ended.set()
    ticker.join()
    return latest


FACES: dict[str, Callable[[str | None], float]] = {"loop": on_loop, "thread": in_thread}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), metavar="BYTES,...")
    parser.add_argument("--only", default="", metavar="WORD", help="bodies whose names have this in them")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
        return
    sizes = [int(size) for size in arguments.sizes.split(",")]
    bodies: dict[str, Callable[[int], bytes]] = {"ordinary flags": ordinary}
    bodies |= {name: hostile.make for name, hostile in HOSTILE.items()}
    bodies = {name: make for name, make in bodies.items() if arguments.only in name}
    for heading, what in machine.describe().items():
        print(f"{heading}: {what}")
    columns = [f"{face} {size / 1024 / 1024:.2f} MB" for size in sizes for face in FACES]
    print(f"\n{'latest tick, ms':34}" + "".join(f"{column:>16}" for column in columns))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen([sys.executable, __file__, "--serve", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            line("nothing", [None] * len(sizes), url, folder, arguments.rounds)
            for body, make in bodies.items():
                line(body, [make(size) for size in sizes], url, folder, arguments.rounds)
            if arguments.only in "10,000 ordinary flags":
                line("10,000 ordinary flags", [ten_thousand(0)], url, folder, arguments.rounds)
        finally:
            server.kill()


def line(name: str, contents: list[bytes] | list[None], url: str, folder: Path, rounds: int) -> None:
    """Measure one body in its sizes, and print its line."""
    print(f"{name:34}", end="", flush=True)
    for content in contents:
        if content is not None:
            (folder / BODY).write_bytes(gzip.compress(content, 1))
        for latest in FACES.values():
            ticks = [latest(None if content is None else url) for _ in range(rounds)]
            print(f"{1_000 * statistics.median(ticks):16.1f}", end="", flush=True)
    print()


if __name__ == "__main__":
    main()

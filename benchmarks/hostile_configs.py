"""How long hostile configs hold an event loop, or the other threads, in one piece.

    python3 dev.py run python benchmarks/hostile_configs.py [--size BYTES ...] [--only NAME] [--rounds N]

A server in another process sends each body of tests/support/hostile.py, and a config of ordinary flags. The client
takes it by `refresh()`, on a loop beside a task that wakes each millisecond, and in a thread beside a thread that does.
Printed is how much later than that the latest tick came, in the best of the rounds: a busy machine adds to the others.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import workload

from signakit_flags import SignaKitClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

TICK = 0.001
SIZES = (256_000, 2_000_000, 16_000_000)
ROOM = 17_000_000
ORDINARY_FLAG = 742


def bodies() -> dict[str, Callable[[int], bytes]]:
    """Return what makes each body, by name."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    hostile: dict[str, Any] = import_module("support.hostile").HOSTILE
    return {"ordinary flags": ordinary, **{name: body.make for name, body in hostile.items()}}


def ordinary(size: int) -> bytes:
    """Return the project that the other benchmarks load, with about so many bytes."""
    return json.dumps(workload.signakit_config(workload.flag_specs(max(3, size // ORDINARY_FLAG)))).encode()


def serve(connection: Connection) -> None:
    """Send the body that came last through the connection to each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            pass

    content = b""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection.send(server.server_port)
    while True:
        content = connection.recv_bytes()
        connection.send(None)


def client_of(port: int) -> SignaKitClient:
    """Return a client of the server."""
    url = f"http://127.0.0.1:{port}"
    return SignaKitClient(
        "sk_dev_org_1_benchmark", cdn_url=url, events_url=url, polling_interval=0, timeout=120, max_config_size=ROOM
    )


async def on_loop(port: int) -> float:
    """Return by how many seconds the latest tick of a task was late."""
    client, latest = client_of(port), 0.0
    await client.on_ready(0)  # connects, and imports

    async def tick() -> None:
        nonlocal latest
        while True:
            start = time.perf_counter()
            await asyncio.sleep(TICK)
            latest = max(latest, time.perf_counter() - start - TICK)

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await client.refresh()
    await asyncio.sleep(2 * TICK)
    ticker.cancel()
    await client.aclose()
    return latest


def in_thread(port: int) -> float:
    """Return by how many seconds the latest tick of a thread was late."""
    client, latest, ended = client_of(port), 0.0, threading.Event()

    def tick() -> None:
        nonlocal latest
        while not ended.is_set():
            start = time.perf_counter()
            time.sleep(TICK)
            latest = max(latest, time.perf_counter() - start - TICK)

    ticker = threading.Thread(target=tick)
    ticker.start()
    client.refresh_sync()
    ended.set()
    ticker.join()
    client.close()
    return latest


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=SIZES, help="bytes of the bodies")
    parser.add_argument("--only", help="a part of the names of the bodies")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True).start()
    port = ours.recv()
    ours.send_bytes(b'{"flags":[]}')
    ours.recv()
    asyncio.run(on_loop(port))
    in_thread(port)
    heads = [f"{face}, {size / 1e6:g} MB" for size in arguments.size for face in ("loop", "thread")]
    print(f"| latest tick, ms | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    for name, make in bodies().items():
        if arguments.only and arguments.only not in name:
            continue
        cells = []
        for size in arguments.size:
            ours.send_bytes(make(size))
            ours.recv()
            for measure in (lambda: asyncio.run(on_loop(port)), lambda: in_thread(port)):
                gc.collect()
                cells.append(min(measure() for _ in range(arguments.rounds)))
        print(f"| {name} | {' | '.join(f'{seconds * 1e3:.0f}' for seconds in cells)} |", flush=True)


if __name__ == "__main__":
    import logging

    logging.getLogger("signakit_flags").addHandler(logging.NullHandler())
    main()

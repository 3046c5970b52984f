"""Serving an example shop as ``shop_processes`` expects it: on loopback, until the process that started it ends."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable


class Server(uvicorn.Server):
    """Says where it serves once it does, and ends with its stdin."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print the address."""
        await super().startup(sockets)
        if self.started and sockets:
            print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)

    def watch_stdin(self) -> None:
        """Stop at the end of stdin: the process that started this is gone."""
        # Not sys.stdin.read(): a thread in it holds a lock that Python wants back when it exits.
        with contextlib.suppress(OSError):
            while os.read(0, 1_000):
                pass
        self.should_exit = True


def serve(name: str, make: Callable[[float], Any]) -> None:
    """Serve a shop until SIGINT, SIGTERM or the end of stdin.

    Args:
        name: The module that is run.
        make: Returns the application, for a number of visitors a second.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description="An example shop.")
    parser.add_argument("--port", type=int, default=4748)
    parser.add_argument("--visitors", type=float, default=0.0, help="synthetic visitors a second")
    options = parser.parse_args()
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except OSError as error:
        sys.exit(f"the shop cannot listen on port {options.port}: {error.strerror}")
    config = uvicorn.Config(make(options.visitors), log_level="warning", timeout_graceful_shutdown=2)
    server = Server(config)
    threading.Thread(target=server.watch_stdin, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt), listener:
        server.run([listener])

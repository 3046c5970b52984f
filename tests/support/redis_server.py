"""Runs a Redis server of its own for a test, on a socket in a folder, and on a port where that is asked for."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HAS_REDIS = shutil.which("redis-server") is not None
needs_redis = pytest.mark.skipif(not HAS_REDIS, reason="redis-server is not on PATH")

_ATTEMPTS = 5


@dataclass(frozen=True)
class RedisServer:
    """A server that runs.

    Attributes:
        url: Its socket, as a URL.
        path: Its socket.
        port: Its port on loopback; 0 without one.
        process: What may be stopped and continued.
    """

    url: str
    path: Path
    port: int
    process: subprocess.Popen[bytes]

    def __call__(self, *command: str | bytes) -> Any:
        """Return the answer to a command, as bytes."""
        from redis import Redis

        client = Redis.from_url(self.url)
        try:
            return client.execute_command(*command, NEVER_DECODE=True)
        finally:
            client.connection_pool.disconnect()  # redis-py 5.0.0 leaves it open at close()


@contextlib.contextmanager
def redis_server(*options: str, port_option: str | None = None, sentinel: Path | None = None) -> Iterator[RedisServer]:
    """Run a server until the block ends.

    Args:
        options: Further arguments of ``redis-server``.
        port_option: ``"--port"`` or ``"--tls-port"`` to listen on loopback, too. A free port may be taken by the time
            that the server listens on it; then another one is tried.
        sentinel: The file of what to watch, for a Sentinel in place of a server. It is written to.
    """
    for _ in range(_ATTEMPTS):
        port = free_port() if port_option else 0
        with tempfile.TemporaryDirectory() as folder:  # its name is short enough for a socket
            path = Path(folder, "redis")
            command = ["redis-server", *([str(sentinel), "--sentinel"] if sentinel else [])]
            command += ["--unixsocket", str(path), "--dir", folder, "--bind", "127.0.0.1", "--port", "0", *options]
            command += [] if sentinel else ["--save", "", "--appendonly", "no"]
            if port_option:
                command += [port_option, str(port)]
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
            try:
                while not (listening := _listens(path)) and process.poll() is None:
                    time.sleep(0.01)
                if listening:
                    yield RedisServer(f"unix://{path}", path, port, process)
                    return
            finally:
                process.kill()  # ends it also where it is stopped
                process.wait()
    raise AssertionError(f"redis-server did not start with {options}")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0  # the file is there before that

"""A real HTTP server on loopback that plays CDN and event ingest, and misbehaves on demand."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

Fault = Callable[["Handler"], None]
"""Answers a request in place of the server's usual answer."""


class FlagServer:
    """CDN and ingest in one. It takes requests for any host, so it may also be a proxy that answers by itself.

    Attributes:
        config_fault, events_fault: Answers instead of the usual, as long as it is set.
        config_faults, events_faults: Answers instead of the usual, once each, in turn; looked at first.
        config_requests: Headers of each GET, in lower case.
        batches: The events of each POST that was taken, in order of arrival.
        posts: Number of POSTs, those refused included.
        written: Bytes that faults without an end have sent.
        tunnels: The hosts and ports that it was asked to CONNECT to; it answers in their place by ``tunnel_context``.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        """Listen; with a context, for https."""
        self.context = context
        self._lock = threading.Lock()
        self.config_fault: Fault | None = None
        self.events_fault: Fault | None = None
        self.config_faults: list[Fault] = []
        self.events_faults: list[Fault] = []
        self.config_requests: list[dict[str, str]] = []
        self.config_paths: list[str] = []
        self.post_headers: list[dict[str, str]] = []
        self.batches: list[list[dict[str, Any]]] = []
        self.posts = 0
        self.written = 0
        self.tunnels: list[str] = []
        self.tunnel_context: ssl.SSLContext | None = None
        self.config_body = b'{"flags": []}'
        self.etag: str | None = None
        self.gzip = False
        self.events_latency = 0.0
        self.release = threading.Event()
        self._connections: set[socket.socket] = set()
        # Bound and never listening: keeps the port ours, and refusing, while the server is down.
        self._reserved = self._tcp()
        self._reserved.bind(("127.0.0.1", 0))
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._reserved.getsockname()[1]}"
        self._full: list[socket.socket] = []  # what keeps others out while connections are swallowed
        self._server: Listener | None = None
        self.up()

    def up(self) -> None:
        """Listen, again after ``down()`` or ``swallow()``."""
        self._let_in()
        handler = type("BoundHandler", (Handler,), {"owner": self})
        self._server = Listener(self._reserved.getsockname(), handler)
        self._server.context = self.context
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def down(self) -> None:
        """Refuse connections and break those there are, as a host that goes away; the port stays ours."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> None:
        """Neither take connections nor refuse them, as a host behind a firewall does; until ``up()``."""
        self.down()
        listener = self._tcp()
        listener.bind(self._reserved.getsockname())
        listener.listen(0)
        self._full.append(listener)
        # While the queue of connections that nobody accepts is full, Linux drops what asks for another one.
        while True:
            waiting = socket.socket()
            self._full.append(waiting)
            waiting.settimeout(0.3)
            try:
                waiting.connect(self._reserved.getsockname())
            except TimeoutError:
                return

    @staticmethod
    def _tcp() -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return sock

    @property
    def events_url(self) -> str:
        return f"{self.url}/v1/flag-events"

    @property
    def urls(self) -> dict[str, str]:
        """Keyword arguments for a client."""
        return {"cdn_url": self.url, "events_url": self.events_url}

    def set_config(self, config: Any, etag: str | None = None) -> None:
        body = config if isinstance(config, bytes) else json.dumps(config).encode()
        with self._lock:
            self.config_body = body
            self.etag = etag or f'"{hash(body) & 0xFFFFFFFF:x}"'

    @property
    def events(self) -> list[dict[str, Any]]:
        with self._lock:
            return [event for batch in self.batches for event in batch]

    def wait_for_events(self, count: int, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Return the events once there are ``count``; fail after ``timeout`` seconds."""
        assert wait_until(lambda: len(self.events) >= count, timeout), f"{len(self.events)} of {count} events arrived"
        return self.events

    def _let_in(self) -> None:
        while self._full:
            self._full.pop().close()

    def close(self) -> None:
        self.release.set()
        self._let_in()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._reserved.close()


class Listener(ThreadingHTTPServer):
    allow_reuse_port = True
    daemon_threads = True
    request_queue_size = 128
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is None:
            super().finish_request(request, client_address)
            return
        # In the thread of the connection, so that a client which does not trust us holds up no other.
        with contextlib.suppress(OSError), self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)


class Handler(BaseHTTPRequestHandler):
    owner: FlagServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.owner._lock:
            self.owner._connections.add(self.connection)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def finish(self) -> None:
        with self.owner._lock:
            self.owner._connections.discard(self.connection)
        with contextlib.suppress(ConnectionError, ValueError):
            super().finish()

    def log_message(self, *_args: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        owner = self.owner
        with owner._lock:
            owner.config_requests.append({name.lower(): value for name, value in self.headers.items()})
            owner.config_paths.append(self.path)
            fault = owner.config_faults.pop(0) if owner.config_faults else owner.config_fault
            body, etag = owner.config_body, owner.etag
        if fault is not None:
            fault(self)
            return
        if etag is not None and self.headers.get("If-None-Match") == etag:
            self.answer(304, ETag=etag)
            return
        headers = {"Content_Type": "application/json"}
        if etag is not None:
            headers["ETag"] = etag
        if owner.gzip:
            body = gzip.compress(body)
            headers["Content_Encoding"] = "gzip"
        self.answer(200, body, **headers)

    def do_CONNECT(self) -> None:
        """Be what is behind the proxy, too: go on as the server that was asked for, over TLS."""
        owner = self.owner
        assert owner.tunnel_context is not None
        with owner._lock:
            owner.tunnels.append(self.path)
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError), owner.tunnel_context.wrap_socket(self.request, server_side=True) as secure:
            self.request = secure
            self.setup()
            self.handle()
        self.close_connection = True

    def do_POST(self) -> None:
        owner = self.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with owner._lock:
            owner.posts += 1
            owner.post_headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = owner.events_faults.pop(0) if owner.events_faults else owner.events_fault
        if owner.events_latency:
            time.sleep(owner.events_latency)
        if fault is not None:
            self.posted = json.loads(body)["events"]
            fault(self)
            return
        self.accept(json.loads(body)["events"])

    def accept(self, events: list[dict[str, Any]]) -> None:
        with self.owner._lock:
            self.owner.batches.append(events)
        self.answer(200, b'{"ok":true}', Content_Type="application/json")


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.answer(code, b"no", **headers)


def body(content: bytes, **headers: str) -> Fault:
    return lambda handler: handler.answer(200, content, **headers)


def hang(handler: Handler) -> None:
    """Take the request and never answer, until the server is closed."""
    handler.owner.release.wait(30)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Send a byte of the body now and then, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        while not handler.owner.release.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()


def cut(handler: Handler) -> None:
    """Break the connection in the middle of the answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    handler.wfile.flush()
    reset(handler)


def reset(handler: Handler) -> None:
    """Break the connection without an answer."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def wait_until(condition: Callable[[], bool], timeout: float = 10.0) -> bool:
    """Say whether ``condition`` came to hold within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@contextlib.contextmanager
def flag_server(context: ssl.SSLContext | None = None) -> Iterator[FlagServer]:
    server = FlagServer(context)
    try:
        yield server
    finally:
        server.close()


def closed_port_url() -> str:
    """A loopback URL where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"

"""What the sites of FastAPI and Starlette have in common, and how the contract drives them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.testclient import TestClient

from signakit_fastapi import SignaKit, get_flags
from support.configs import SDK_KEY
from support.contract import BROWSER, Adapter, Answer, cookies_in
from support.facts import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import HTTPConnection
    from starlette.websockets import WebSocket

    from signakit_flags import SignaKitClient


class User(BaseUser):
    """Somebody who is logged in; notes whether their id was asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.asked = False

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        self.asked = True
        return self._name


class HeaderBackend(AuthenticationBackend):
    """Believes a header."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.headers.get("x-user")
        return None if name is None else (AuthCredentials(), User(name))


AUTHENTICATION = Middleware(AuthenticationMiddleware, backend=HeaderBackend())


class AsgiAdapter(Adapter):
    """An application under Starlette's own test client, which runs its lifespan and its loop in a thread."""

    make_app: Callable[[SignaKit], Any]

    def __init__(self, **defaults: Any) -> None:
        self._defaults = {"sdk_key": SDK_KEY, "ready_timeout": 10, **defaults}
        self._runner: TestClient | None = None
        self._user: str | None = None

    def configure(self, **options: Any) -> None:
        self.finish()
        self.signakit = SignaKit(**{**self._defaults, **options})
        self._app = type(self).make_app(self.signakit)

    def _started(self) -> TestClient:
        """The application, started at the first request."""
        if self._runner is None:
            self._runner = TestClient(self._app)
            self._runner.__enter__()
        return self._runner

    def finish(self) -> None:
        if self._runner is not None:
            self._runner.__exit__()
            self._runner = None

    def client(self) -> SignaKitClient | None:
        self._started()
        return self.signakit.client

    def login(self) -> str:
        self._user = "ada-17"
        return self._user

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        cookies: str = "",
        user_agent: str | None = BROWSER,
        https: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"host": "testserver", "cookie": cookies or None, "user-agent": user_agent, "x-user": self._user}
        sent.update({name.lower(): value for name, value in (headers or {}).items()})
        runner = self._started()
        assert runner.portal is not None
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https" if https else "http",
            "path": path if path.startswith("/") else f"/{path}",
            "raw_path": b"",
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value is not None],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
            "state": runner.app_state.copy(),
        }
        messages, thread = runner.portal.call(exchange, self._app, scope)
        start = messages[0]
        got = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
        vary = [name for key, value in got if key == "vary" for name in value.split(",")]
        user = scope.get("user")
        return Answer(
            status=start["status"],
            body=b"".join(message.get("body", b"") for message in messages[1:]).decode(),
            cookies=cookies_in(value for name, value in got if name == "set-cookie"),
            vary={name.strip().lower() for name in vary},
            cache_control=dict(got).get("cache-control"),
            loaded=isinstance(user, User) and user.asked,
            loop_thread=thread,
        )

    def unanswered(self, *, cookies: str = "") -> dict[str, Any]:
        with self._started().websocket_connect(
            "/accepted", headers={"cookie": cookies, "user-agent": BROWSER}
        ) as socket:
            found: dict[str, Any] = socket.receive_json()
        return found


async def accepted(socket: WebSocket) -> None:
    """Ask once the handshake is over."""
    await socket.accept()
    await socket.send_json(facts(await get_flags(socket)))
    await socket.close()


async def exchange(app: Any, scope: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Send a request as a server does, byte for byte, and return all that the application sends."""
    messages: list[dict[str, Any]] = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    try:
        await app(scope, receive, send)
    except Exception:
        assert messages, "a server would answer for the application"
    return messages, threading.get_ident()

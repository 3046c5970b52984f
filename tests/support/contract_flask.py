"""Flask behind the contract: sync and async views."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flask import g
from flask.sessions import SecureCookieSessionInterface

from signakit_flask import flags
from support.configs import SDK_KEY
from support.contract import BROWSER, Adapter, Answer, cookies_in
from support.facts import facts
from support.flask_site import create_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response
    from flask.sessions import SessionMixin

    from signakit_flags import SignaKitClient


class Sessions(SecureCookieSessionInterface):
    """Sees whether a request has used its session; to ask ``flask.session`` for that would be a use."""

    loaded = False

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        self.loaded = session.accessed or "_login_user" in g
        super().save_session(app, session, response)


class FlaskAdapter(Adapter):
    """One of the two. A view that is async has an event loop of its own: there is no thread of the site's loop."""

    prefix = ""

    def __init__(self, **defaults: Any) -> None:
        self._defaults = {"sdk_key": SDK_KEY, "ready_timeout": 10, **defaults}
        self._session = ""
        self._app: Any = None
        self._sessions = Sessions()

    def configure(self, **options: Any) -> None:
        self.finish()
        given = {f"SIGNAKIT_{name.upper()}": value for name, value in {**self._defaults, **options}.items()}
        self._app = create_app(**given)
        self._app.session_interface = self._sessions

    def finish(self) -> None:
        for app in () if self._app is None else (self._app, self._app.mounted):
            client = app.extensions["signakit"].client
            if client is not None:
                client.close(0.5)

    def client(self) -> SignaKitClient | None:
        client: SignaKitClient | None = self._app.extensions["signakit"].client
        return client

    def login(self) -> str:
        answer = self._app.test_client(use_cookies=False).post("/login/ada")
        self._session = f"session={cookie_value(answer, 'session')}"
        return "ada"

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
        environ = {"HTTP_COOKIE": "; ".join(filter(None, (self._session, cookies)))}
        client = self._app.test_client(use_cookies=False)
        del client.environ_base["HTTP_USER_AGENT"]  # its own, where there may have to be none at all
        if user_agent is not None:
            environ["HTTP_USER_AGENT"] = user_agent
        response = client.open(
            path if path.startswith("/") else f"/{self.prefix}/{path}",
            method=method,
            base_url="https://localhost" if https else None,
            environ_overrides=environ,
            headers=headers,
        )
        return Answer(
            status=response.status_code,
            body=response.get_data(as_text=True),
            cookies=cookies_in(response.headers.getlist("Set-Cookie")),
            vary={name.strip().lower() for name in response.headers.get("Vary", "").split(",") if name},
            cache_control=response.headers.get("Cache-Control"),
            loaded=self._sessions.loaded,
        )

    def unanswered(self, *, cookies: str = "") -> dict[str, Any]:
        environ = {"HTTP_COOKIE": cookies, "HTTP_USER_AGENT": BROWSER}
        with self._app.test_request_context("/", environ_overrides=environ):
            return facts(flags)


def cookie_value(response: Any, name: str) -> str:
    """Return what a response sets a cookie to."""
    [value] = [
        header.partition("=")[2].partition(";")[0]
        for header in response.headers.getlist("Set-Cookie")
        if header.startswith(f"{name}=")
    ]
    return str(value)


class SyncViews(FlaskAdapter):
    name = "flask sync"
    prefix = "sync"


class AsyncViews(FlaskAdapter):
    name = "flask async"
    prefix = "async"
    streams = [int(number) for number in version("flask").split(".")[:3]] >= [3, 1, 2]  # when async views learned it


ADAPTERS = [SyncViews, AsyncViews]

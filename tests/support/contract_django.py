"""Django behind the contract: sync and async views, each under WSGI and under ASGI."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import SimpleCookie
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings

import signakit_django
from support.configs import SDK_KEY
from support.contract import BROWSER, Adapter, Answer, cookies_in
from support.facts import facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signakit_flags import SignaKitClient


class RawAsyncClient(AsyncClient):
    """Sends a ``Cookie`` header as it is, with bytes that no cookie jar would keep."""

    raw_cookie = ""

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        scope: dict[str, Any] = super()._base_scope(**request)
        headers = dict(scope["headers"])  # the last of a name: that of the request, not the client's own
        headers[b"cookie"] = self.raw_cookie.encode("latin-1")
        scope["headers"] = list(headers.items())
        return scope


class DjangoAdapter(Adapter):
    """One of the four."""

    prefix = ""
    under_asgi = False

    def __init__(self, **defaults: Any) -> None:
        self._defaults = {"sdk_key": SDK_KEY, "load_in_tests": True, "ready_timeout": 10, **defaults}
        self._session = ""
        self._override: override_settings | None = None

    def configure(self, **options: Any) -> None:
        self.finish()
        given = {name.upper(): value for name, value in {**self._defaults, **options}.items()}
        self._override = override_settings(SIGNAKIT=given)
        self._override.enable()
        # Each has its own handler, and so a middleware built anew.
        self._client: Client | AsyncClient = RawAsyncClient() if self.under_asgi else Client()
        self._client.raise_request_exception = False

    def finish(self) -> None:
        if self._override is not None:
            client = signakit_django.get_client()
            if client is not None:
                client.close(0.5)
            self._override.disable()
            self._override = None

    def client(self) -> SignaKitClient | None:
        return signakit_django.get_client()

    def account(self, name: str) -> str:
        return str(get_user_model().objects.create_user(name).pk)

    def login(self) -> str:
        user = get_user_model().objects.create_user("ada")
        self._client.force_login(user)
        self._session = f"sessionid={self._client.cookies[settings.SESSION_COOKIE_NAME].value}"
        return str(user.pk)

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
        header = "; ".join(filter(None, (self._session, cookies)))
        sent = {**({} if user_agent is None else {"user-agent": user_agent}), **(headers or {})}
        url = path if path.startswith("/") else f"/{self.prefix}/{path}"
        self._client.cookies = SimpleCookie()
        with CaptureQueriesContext(connection) as queries:
            if isinstance(self._client, RawAsyncClient):
                self._client.raw_cookie = header
                response, body, thread = async_to_sync(self._arequest)(method, url, https, sent)
            else:
                response = self._client.generic(method, url, secure=https, headers=sent, HTTP_COOKIE=header)
                body, thread = response.getvalue(), None
        request = response.asgi_request if self.under_asgi else response.wsgi_request
        return Answer(
            status=response.status_code,
            body=body.decode(),
            cookies=cookies_in(morsel.OutputString() for morsel in response.cookies.values()),
            vary={name.strip().lower() for name in response.get("Vary", "").split(",") if name},
            cache_control=response.get("Cache-Control"),
            loaded=request.session.accessed or hasattr(request, "_cached_user") or hasattr(request, "_acached_user"),
            queries=len(queries),
            loop_thread=thread,
        )

    async def _arequest(self, method: str, url: str, https: bool, headers: dict[str, str]) -> Any:
        response = await self._client.generic(method, url, secure=https, headers=headers)
        body = b"".join([part async for part in response]) if response.streaming else response.content
        return response, body, threading.get_ident()

    def unanswered(self, *, cookies: str = "") -> dict[str, Any]:
        request = RequestFactory().get("/", headers={"user-agent": BROWSER}, HTTP_COOKIE=cookies)
        return facts(signakit_django.flags_of(request))


class SyncUnderWsgi(DjangoAdapter):
    name = "django sync"
    prefix = "sync"


class AsyncUnderAsgi(DjangoAdapter):
    name = "django async"
    prefix = "async"
    under_asgi = True
    is_async = True


class SyncUnderAsgi(DjangoAdapter):
    name = "django sync views under ASGI"
    prefix = "sync"
    under_asgi = True
    streams = False  # Django warns of a sync iterator that it has to serve asynchronously, and the other way round


class AsyncUnderWsgi(DjangoAdapter):
    name = "django async views under WSGI"
    prefix = "async"
    streams = False


ADAPTERS = [SyncUnderWsgi, AsyncUnderAsgi, SyncUnderAsgi, AsyncUnderWsgi]

"""What the contract of the integrations asks of a framework's adapter.

An adapter runs a site of its framework that serves, under the paths below, what ``facts`` of the Django site shows:

- ``untouched``, and ``lazy``, which handles ``request.flags`` and asks nothing;
- ``flags``, which asks for everything, answers in JSON, and sets ``Vary: Accept-Language`` itself, and as
  ``Cache-Control`` what the request has as ``X-Cache-Control``;
- ``declared``, which finds out who asks, and asks nothing;
- ``late``, which asks first while its body is streamed;
- ``early``, which finds out who asks, and decides while its body is streamed;
- ``error``, which asks, then raises; ``away``, which asks, then redirects;
- ``gated`` and ``shut``, which find out in the view layer who asks, by ``Authorization: Name ada``, and are restricted
  with the flags ``switch`` and ``unknown``; ``gated`` answers as ``flags``;
- ``/mounted/flags``, the same as ``flags`` in a part of the site that is mounted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from signakit_flags import SignaKitClient

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@dataclass
class Answer:
    """A response.

    Attributes:
        status: Its status code.
        body: Its body.
        cookies: The cookies that it sets, by name, the session's left out.
        vary: The names in ``Vary``, in lower case.
        cache_control: Its ``Cache-Control``; None without one.
        loaded: Whether the request has loaded its session or its account.
        queries: Database queries of the request.
        loop_thread: The thread of the event loop that served it; None where there was none.
    """

    status: int
    body: str
    cookies: dict[str, Morsel[str]] = field(default_factory=dict)
    vary: set[str] = field(default_factory=set)
    cache_control: str | None = None
    loaded: bool = False
    queries: int = 0
    loop_thread: int | None = None

    @property
    def facts(self) -> dict[str, Any]:
        assert self.status == 200, (self.status, self.body)
        facts: dict[str, Any] = json.loads(self.body)
        return facts


class Adapter:
    """Drives one framework, in one of its ways to write a view.

    Attributes:
        name: Of the framework and the way.
        is_async: Views are coroutines on an event loop.
        awaits_identify: An ``identify`` may be a coroutine function.
        streams: A body can be streamed.
    """

    name = ""
    is_async = False
    awaits_identify = True
    streams = True

    def configure(self, **options: Any) -> None:
        """Set options (in lower case), and forget the client there was. Loading follows at the first request."""
        raise NotImplementedError

    def client(self) -> SignaKitClient | None:
        """The client that serves requests."""
        raise NotImplementedError

    def login(self) -> str:
        """Log somebody in for the requests to come, and return their user id."""
        raise NotImplementedError

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
        """Send a request and return the answer, its body read to the end. ``cookies`` is the header, as it is sent."""
        raise NotImplementedError

    def account(self, name: str) -> str:
        """Make an account without logging it in, and return its user id."""
        return name

    def unanswered(self, *, cookies: str = "") -> dict[str, Any]:
        """Return the facts of a request whose flags are asked where no response can set a cookie."""
        raise NotImplementedError


def cookies_in(headers: Iterable[str]) -> dict[str, Morsel[str]]:
    """Parse ``Set-Cookie`` headers."""
    jar: SimpleCookie = SimpleCookie()
    for header in headers:
        jar.load(header)
    return {name: morsel for name, morsel in jar.items() if name not in {"sessionid", "session"}}

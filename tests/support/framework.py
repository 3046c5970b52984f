"""A web framework that exists in these tests alone, and how the flags are bound to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags.integration import Identity, Integration, Options, VisitorCookie, cookie_values
from support.configs import config, flag, rule, whole

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from signakit_flags import SignaKitClient
    from signakit_flags.integration import LazyUserContext

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
VISITOR = {"visitor_id": ID}

CONFIG = config(
    flag("exp", rule("r-exp")),
    flag("tgt", rule("r-tgt", kind="targeted", split=whole("on"))),
    flag("switch", allocation=whole("on")),
)


@dataclass
class Request:
    """A request of a framework that exists in these tests alone."""

    cookies: dict[str, str] = field(default_factory=dict)
    user_agent: str | None = BROWSER
    user: str | None = None
    answered: bool = True
    token: str | None = None


class Flags(Integration[Request]):
    """How that framework is bound."""

    made: SignaKitClient | None = None

    def __init__(self, client: SignaKitClient | None, **options: Any) -> None:
        super().__init__(Options(**{"visitor_cookie": VisitorCookie(), **options}))
        self.made = client

    def client(self) -> SignaKitClient | None:
        return self.made

    def user_agent(self, request: Request) -> str | None:
        return request.user_agent

    def cookies(self, request: Request, name: str) -> list[str]:
        return cookie_values("; ".join(f"{key}={value}" for key, value in request.cookies.items()), name)

    def can_set_cookie(self, request: Request) -> bool:
        return request.answered

    def account(self, request: Request) -> Identity | None:
        return None if request.user is None else Identity(request.user)


class AwaitingFlags(Flags):
    """A framework whose accounts have to be awaited, and whose sync code may wait for a coroutine."""

    def account(self, request: Request) -> Identity | None:
        raise self.not_awaited()

    async def aaccount(self, request: Request) -> Identity | None:
        return super().account(request)

    def wait(self, found: Awaitable[Identity | None]) -> Identity | None:
        async def waited() -> Identity | None:
            return await found

        return asyncio.run(waited())


# --- ways to identify ------------------------------------------------------------------------------------------------


def known(_request: Request) -> Identity | None:
    return Identity("identified", {"plan": "pro", "$userAgent": "somebody else"})


def unknown(_request: Request) -> Identity | None:
    return None


async def known_later(request: Request) -> Identity | None:
    await asyncio.sleep(0)
    return known(request)


def raises(_request: Request) -> Identity | None:
    raise LookupError("no such session")


# --- ways to ask -----------------------------------------------------------------------------------------------------


async def track(context: LazyUserContext) -> None:
    await context.track_event("e", value=1)


def assert_off(context: LazyUserContext) -> None:
    """None and defaults."""
    assert context.decide("switch") is None
    assert context.decide_all() == {}
    assert context.is_enabled("switch") is False
    assert context.is_enabled("switch", True) is True
    assert context.variation("switch", "x") == "x"
    assert context.variable("switch", "v", 5) == 5
    assert context.explain("switch").decision is None
    assert context.is_bot is False
    context.track("e")
    asyncio.run(track(context))
    with pytest.raises(TypeError):
        context.decide(5)  # type: ignore[arg-type]

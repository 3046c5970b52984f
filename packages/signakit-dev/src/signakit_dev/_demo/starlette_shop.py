"""An example shop on the SDK alone: ``python -m signakit_dev._demo.starlette_shop --port 4748``.

The part to look at is ``Visit``: one context for each request, asked for what the page needs. The rest is a web
application like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from signakit_flags import SignaKitClient, SignaKitUserContext

from .shop_server import serve
from .visitors import COUNTRIES, PLANS, PRICE, keep_visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

POLLING = 0.5
"""Seconds between polls, so that a switch flipped on the page holds at the next reload. The default is 30."""

MAX_FORM = 10_000
YEAR = 365 * 24 * 3600
VISITOR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SHOWN_FLAGS = ("new-checkout", "recommendations", "beta-dashboard", "banner")
LISTS = {
    "popular": ("What others read by", ("Wren candle", "Owl clip lamp", "Swift torch", "Heron floor lamp")),
    "similar": ("More lamps like this", ("Nightjar wall", "Nightjar mini", "Nightjar floor", "Swift arm", "Wren arm")),
    "personal": (
        "Picked for you",
        ("Book stand", "Wool blanket", "Linen shade", "Warm bulb", "Bookmark", "Teapot"),
    ),
}

templates = Environment(loader=PackageLoader("signakit_dev._demo"), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is asking: an id and two attributes from cookies, and the flags' answers for them."""

    visitor_id: str
    plan: str
    country: str
    user: SignaKitUserContext | None

    @classmethod
    def of(cls, request: Request) -> Visit:
        """Recognise the visitor, or make a new one, and make the context of this request."""
        cookies = request.cookies
        visitor_id = cookies.get("visitor_id", "")
        if not VISITOR_ID.fullmatch(visitor_id):
            visitor_id = str(uuid.uuid4())
        plan = one_of(PLANS, cookies.get("plan"))
        country = one_of(COUNTRIES, cookies.get("country"))
        attributes = {"plan": plan, "country": country, "$userAgent": request.headers.get("user-agent", "")}
        client: SignaKitClient = request.app.state.client
        return cls(visitor_id, plan, country, client.create_user_context(visitor_id, attributes))

    def checkout(self) -> str:
        """Return the variation of the checkout; the old one where there is no answer."""
        return self.user.variation("new-checkout", "off") if self.user is not None else "off"

    def banner(self) -> dict[str, Any] | None:
        """Return what the banner says, or None without one."""
        if self.user is None or not self.user.is_enabled("banner"):
            return None
        return {"text": self.user.variable("banner", "text", "Welcome")}

    def recommendations(self) -> tuple[str, tuple[str, ...]] | None:
        """Return a heading and articles, as many as the flag's variable says; None without a list."""
        variation = self.user.variation("recommendations", "popular") if self.user is not None else "popular"
        if variation not in LISTS:
            return None
        heading, articles = LISTS[variation]
        count = self.user.variable("recommendations", "count", 4) if self.user is not None else 4
        return heading, articles[: max(0, count)]

    def may_enter_beta(self) -> bool:
        """Whether the beta page is for this visitor."""
        return self.user is not None and self.user.is_enabled("beta-dashboard")

    def answer(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a page, and remember the visitor."""
        page = templates.get_template(template).render(
            visit=self,
            banner=self.banner(),
            beta=self.may_enter_beta(),
            reasons=[str(self.user.explain(key)) for key in SHOWN_FLAGS] if self.user is not None else [],
            plans=PLANS,
            countries=COUNTRIES,
            price=PRICE,
            emulator=os.environ.get("SIGNAKIT_EMULATOR_URL", ""),
            **values,
        )
        response = HTMLResponse(page, status, headers={"Cache-Control": "no-store"})
        remember(response, "visitor_id", self.visitor_id)
        return response


async def product(request: Request) -> Response:
    """Show the product, with the checkout that is tested."""
    visit = Visit.of(request)
    return visit.answer("product.html", checkout=visit.checkout(), recommendations=visit.recommendations())


async def beta(request: Request) -> Response:
    """Show the page that a targeted rule opens."""
    visit = Visit.of(request)
    return visit.answer("beta.html", 200 if visit.may_enter_beta() else 403)


async def buy(request: Request) -> Response:
    """Track a purchase, of the variation that is decided before it."""
    visit = Visit.of(request)
    visit.checkout()
    if visit.user is not None:
        await visit.user.track_event("purchase", value=PRICE, metadata={"product": "lamp"})
    response = RedirectResponse("/thanks", 303)
    remember(response, "visitor_id", visit.visitor_id)
    return response


async def add(request: Request) -> Response:
    """Track that a recommended article was taken."""
    visit = Visit.of(request)
    visit.recommendations()
    if visit.user is not None:
        await visit.user.track_event("add-to-cart")
    response = RedirectResponse("/", 303)
    remember(response, "visitor_id", visit.visitor_id)
    return response


async def thanks(request: Request) -> Response:
    """Say what was sent."""
    visit = Visit.of(request)
    return visit.answer("thanks.html", checkout=visit.checkout())


async def change_visitor(request: Request) -> Response:
    """Come back as another visitor: with another plan or country, or a new id."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return PlainTextResponse("too long", 413)
    form = {name: values[0] for name, values in parse_qs(body.decode("ascii", "replace")).items()}
    response = RedirectResponse("/", 303)
    if "new" in form:
        remember(response, "visitor_id", str(uuid.uuid4()))
    else:
        remember(response, "plan", one_of(PLANS, form.get("plan")))
        remember(response, "country", one_of(COUNTRIES, form.get("country")))
    return response


def one_of(choices: tuple[str, ...], value: str | None) -> str:
    """Return the value if it is one of the choices, else the first."""
    return value if value in choices else choices[0]


def remember(response: Response, name: str, value: str) -> None:
    """Set a cookie for a year."""
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="lax")


def make_app(visitors: float) -> Starlette:
    """Return the shop; ``visitors`` synthetic ones a second come while it runs."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with SignaKitClient(os.environ["SIGNAKIT_SDK_KEY"], polling_interval=POLLING) as client:
            app.state.client = client
            visiting = asyncio.create_task(keep_visiting(client, visitors))
            yield
            visiting.cancel()
            await client.aclose(timeout=0.5)  # at the end of a demo the emulator may be gone already

    return Starlette(
        routes=[
            Route("/", product),
            Route("/beta", beta),
            Route("/buy", buy, methods=["POST"]),
            Route("/add", add, methods=["POST"]),
            Route("/thanks", thanks),
            Route("/visitor", change_visitor, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    serve("signakit_dev._demo.starlette_shop", make_app)

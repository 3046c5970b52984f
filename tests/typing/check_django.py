"""Checked by mypy, never run: what a type checker knows of `signakit_django` and `signakit_flags.integration`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type
from uuid import uuid4

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.views import View

import signakit_django
from signakit_django import (
    FlagRequiredMixin,
    Identity,
    aflags_for,
    aflags_of,
    flag_required,
    flags_for,
    flags_of,
    get_client,
)
from signakit_django.asgi import with_lifespan
from signakit_django.request import FlagsRequest
from signakit_django.rest import FlagPermission
from signakit_flags import Decision, SignaKitClient, SignaKitUserContext
from signakit_flags.integration import (
    AnyIdentityResolver,
    Integration,
    LazyUserContext,
    ResponseStart,
    SetCookie,
    cookie_values,
    parse_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from django.contrib.auth.models import AnonymousUser, User

assert_type(signakit_django.__version__, str)
application = with_lifespan(get_asgi_application())


def a_view(request: FlagsRequest) -> HttpResponse:
    assert_type(request.flags, SignaKitUserContext)
    assert_type(request.flags.decide("f"), Decision | None)
    return HttpResponse()


async def an_async_view(request: FlagsRequest, slug: str) -> HttpResponse:
    assert_type(await request.aflags(), SignaKitUserContext)
    return HttpResponse()


def outside_of_requests(user: User, anonymous: AnonymousUser) -> None:
    assert_type(get_client(), SignaKitClient | None)
    assert_type(flags_for(user, {"plan": "pro"}), SignaKitUserContext)
    assert_type(flags_for(anonymous), SignaKitUserContext)
    assert_type(flags_for(None), SignaKitUserContext)
    assert_type(flags_for("ada"), SignaKitUserContext)
    assert_type(flags_for(42), SignaKitUserContext)
    assert_type(flags_for(uuid4()), SignaKitUserContext)
    assert_type(flags_for(Identity("ada", {"plan": "pro"})), SignaKitUserContext)
    flags_for(1.5)  # type: ignore[arg-type]


async def outside_of_requests_async(user: User) -> None:
    assert_type(await aflags_for(user, {"plan": "pro"}), SignaKitUserContext)
    assert_type(await aflags_for(uuid4()), SignaKitUserContext)
    await aflags_for(1.5)  # type: ignore[arg-type]


async def of_a_request(request: HttpRequest) -> None:
    assert_type(flags_of(request), SignaKitUserContext)
    assert_type(await aflags_of(request), SignaKitUserContext)


class Api:
    permission_classes = (FlagPermission("f", variation="on", status=403),)


# A decorated view keeps its type.
gated = flag_required("f")(a_view)
assert_type(gated(FlagsRequest()), HttpResponse)
gated_async: Callable[[FlagsRequest, str], Coroutine[Any, Any, HttpResponse]] = flag_required("f")(an_async_view)


@flag_required("f", variation="on", redirect_to="/")
class Gated(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


assert_type(Gated(), Gated)


class Mixed(FlagRequiredMixin, View):
    flag_key = "f"
    flag_status = 403


def sync_resolver(request: HttpRequest) -> Identity | None:
    return Identity("u", {"plan": "pro", "age": 5, "tags": ["a"]})


async def async_resolver(request: HttpRequest) -> Identity | None:
    return None


resolvers: list[AnyIdentityResolver[HttpRequest]] = [sync_resolver, async_resolver]


class Framework(Integration[HttpRequest]):
    def user_agent(self, request: HttpRequest) -> str | None:
        return None

    def cookies(self, request: HttpRequest, name: str) -> list[str]:
        return cookie_values(request.META.get("HTTP_COOKIE", ""), name)


def an_integration(request: HttpRequest) -> None:
    integration = Framework(parse_options({}))
    context = integration.context(request)
    assert_type(context, LazyUserContext)
    start = context.start_response(secure=True)
    assert_type(start, ResponseStart)
    assert_type(start.cookie, SetCookie | None)
    assert_type(start.vary, tuple[str, ...])

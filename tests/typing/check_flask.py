"""Checked by mypy, never run: what a type checker knows of `signakit_flask`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from flask import Blueprint, Flask, Request, Response
from flask.views import View

from signakit_flags import Decision, SignaKitClient, SignaKitUserContext
from signakit_flask import Identity, SignaKit, SignaKitState, aflags, blueprint, flag_required, flags

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

app = Flask(__name__)
signakit = SignaKit(app)
SignaKit().init_app(app)
app.register_blueprint(blueprint)
app.add_url_rule("/health", view_func=signakit.health)
assert_type(blueprint, Blueprint)
assert_type(signakit.health(), Response)

assert_type(flags, SignaKitUserContext)
assert_type(flags.decide("f"), Decision | None)
assert_type(flags.variable("f", "count", 4), int)


@app.get("/")
@flag_required("f", variation="on", redirect_to="page")
def a_view(slug: str) -> str:
    return flags.variation("f")


async def an_async_view(slug: str) -> str:
    assert_type(await aflags(), SignaKitUserContext)
    return ""


# A decorated view keeps its type.
assert_type(a_view("x"), str)
gated_async: Callable[[str], Coroutine[Any, Any, str]] = flag_required("f")(an_async_view)


class Gated(View):
    decorators = [flag_required("f")]  # noqa: RUF012  # Flask's own form


@signakit.identify
def sync_resolver(request: Request) -> Identity | None:
    return Identity("u", {"plan": "pro"})


@signakit.identify
async def async_resolver(request: Request) -> Identity | None:
    return None


request = Request({})
assert_type(sync_resolver(request), Identity | None)


def outside_of_requests(state: SignaKitState) -> None:
    assert_type(signakit.client, SignaKitClient | None)
    assert_type(state.client, SignaKitClient | None)
    assert_type(signakit.flags_for("u", {"plan": "pro"}), SignaKitUserContext)
    assert_type(signakit.flags_for(None), SignaKitUserContext)

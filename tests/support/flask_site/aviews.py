"""Views of every kind, async."""

from __future__ import annotations

import asyncio
import threading

from flask import Blueprint, Response, jsonify, redirect, render_template, request, stream_with_context

import signakit_flask
from signakit_flask import aflags
from support.facts import caching, facts, worker_facts

from .views import ALL, add_gates

pages = Blueprint("async", __name__)


@pages.route("/untouched")
async def untouched():
    return jsonify(thread=threading.get_ident())


@pages.route("/lazy")
async def lazy():
    signakit_flask.flags.touched  # noqa: B018  # asks nothing
    repr(signakit_flask.flags)
    return Response("lazy", headers={"Vary": "Accept"})


@pages.route("/flags", methods=ALL, provide_automatic_options=False)
async def everything():
    response = jsonify(facts(await aflags()))
    await asyncio.sleep(0)
    response.headers["Vary"] = "Accept-Language"
    response.headers.update(caching(request.headers.get("X-Cache-Control")))
    return response


@pages.route("/declared")
async def declared():
    await aflags()
    return "declared"


@pages.route("/worker")
async def worker():
    return worker_facts(await aflags())


@pages.route("/late")
async def late():
    @stream_with_context
    def body():
        yield "first "
        yield repr(signakit_flask.flags.decide("exp"))

    return Response(body())


@pages.route("/early")
async def early():
    flags = await aflags()
    assert flags.user_id

    def body():
        yield flags.variation("exp")

    return Response(body())


@pages.route("/error")
async def error():
    (await aflags()).decide("exp")
    raise LookupError("a mistake of the application's")


@pages.route("/away")
async def away():
    (await aflags()).decide("exp")
    return redirect("/elsewhere")


@pages.route("/page")
async def page():
    await aflags()
    return render_template("page.html", key="exp")


async def let_in(**kwargs):
    return "let in"


add_gates(pages, let_in)

"""Views of every kind, sync. The same, async: ``aviews``."""

from __future__ import annotations

import threading

from flask import Blueprint, Response, jsonify, redirect, render_template, request, stream_with_context

from signakit_flask import flag_required, flags
from support.facts import caching, facts, worker_facts

pages = Blueprint("sync", __name__)
ALL = ["GET", "POST", "OPTIONS"]


@pages.route("/untouched")
def untouched():
    return jsonify(thread=threading.get_ident())


@pages.route("/lazy")
def lazy():
    flags.touched  # noqa: B018  # asks nothing
    repr(flags)
    return Response("lazy", headers={"Vary": "Accept"})


@pages.route("/flags", methods=ALL, provide_automatic_options=False)
def everything():
    response = jsonify(facts(flags))
    response.headers["Vary"] = "Accept-Language"
    response.headers.update(caching(request.headers.get("X-Cache-Control")))
    return response


@pages.route("/declared")
def declared():
    assert not flags.touched
    return "declared"


@pages.route("/worker")
def worker():
    return worker_facts(flags)


@pages.route("/late")
def late():
    @stream_with_context
    def body():
        yield "first "
        yield repr(flags.decide("exp"))

    return Response(body())


@pages.route("/early")
def early():
    assert flags.user_id

    @stream_with_context
    def body():
        yield flags.variation("exp")

    return Response(body())


@pages.route("/error")
def error():
    flags.decide("exp")
    raise LookupError("a mistake of the application's")


@pages.route("/away")
def away():
    flags.decide("exp")
    return redirect("/elsewhere")


@pages.route("/page")
def page():
    return render_template("page.html", key="exp")


def let_in(**kwargs):
    return "let in"


def add_gates(pages, let_in):
    """Views for those alone who have a flag."""
    for rule, gate in {
        "/gate": flag_required("switch"),
        "/gate/treatment": flag_required("exp", variation="treatment"),
        "/gate/redirect": flag_required("unknown", redirect_to="elsewhere"),
        "/gate/redirect/url": flag_required("unknown", redirect_to="/elsewhere?from=gate"),
        "/gate/forbidden": flag_required("unknown", status=403),
        "/gate/teapot": flag_required("unknown", status=418),
    }.items():
        pages.add_url_rule(rule, rule.strip("/").replace("/", "_"), gate(let_in))


add_gates(pages, let_in)

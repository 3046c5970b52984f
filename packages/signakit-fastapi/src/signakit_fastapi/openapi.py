"""The refusals of ``require_flag`` in the OpenAPI document.

FastAPI knows the responses of a route, but a dependency cannot add to them. So the application's ``openapi`` is
replaced, as FastAPI's documentation of extending it says, by one that adds them to what it generates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fastapi.routing
from fastapi import FastAPI
from starlette.routing import Mount

from .dependencies import REFUSES_WITH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from http import HTTPStatus

_DONE = "signakit_documented"


def document_refusals(app: Any) -> None:
    """Show the refusals of ``require_flag`` in the OpenAPI document of an application, and of those mounted in it.

    The lifespan does it by itself; a script that writes the document without running the application calls it first.

    Args:
        app: A FastAPI application; anything else is left alone.
    """
    for route in getattr(app, "routes", ()):
        if isinstance(route, Mount):
            document_refusals(route.app)
    if not isinstance(app, FastAPI) or hasattr(app, _DONE):
        return
    setattr(app, _DONE, True)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for route in _routes(app):
            for refusal in _refusals(getattr(route, "dependant", None)):
                _add(document, route, refusal)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does it


def _routes(app: FastAPI) -> Iterable[Any]:
    # Newer versions keep an included router as it is, and iterate over what becomes of its routes.
    contexts = getattr(fastapi.routing, "iter_route_contexts", None)
    return app.routes if contexts is None else contexts(app.routes)


def _refusals(dependant: Any) -> Iterator[HTTPStatus]:
    for dependency in getattr(dependant, "dependencies", ()):
        refusal = getattr(dependency.call, REFUSES_WITH, None)
        if refusal is not None:
            yield refusal
        yield from _refusals(dependency)


def _add(document: dict[str, Any], route: Any, refusal: HTTPStatus) -> None:
    path = document.get("paths", {}).get(route.path_format, {})
    for method in getattr(route, "methods", None) or ():
        operation = path.get(method.lower())
        if operation is not None:
            operation.setdefault("responses", {}).setdefault(str(int(refusal)), {"description": refusal.phrase})

"""A health check: ``app.register_blueprint(blueprint, url_prefix="/flags")`` answers ``/flags/health``.

The endpoint is ``signakit.health``. For a rule of one's own, ``SignaKit.health`` is the view alone.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, jsonify

from .proxy import NAME, state

if TYPE_CHECKING:
    from flask import Response

blueprint: Blueprint = Blueprint(NAME, __name__)
"""Has one page, ``/health``."""


@blueprint.get("/health")
def health() -> Response:
    """Return the client's status as JSON: 200 when there is a config, 503 while there is none or flags are off.

    It begins to load in a process that was asked for no flag yet. It names URLs and errors, so it is for those who run
    the app. An app works without a config, with every flag at its default: do not take it out of service for a 503.
    """
    client = state().integration.client()
    status: dict[str, Any] = {"ready": False, "last_error": "flags are off: the log says why"}
    if client is not None:
        status = asdict(client.status())
    response = jsonify(status)
    response.status_code = 200 if status["ready"] else 503
    response.cache_control.no_store = True
    return response

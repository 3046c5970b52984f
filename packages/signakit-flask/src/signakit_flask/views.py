"""A health check: ``app.register_blueprint(blueprint, url_prefix="/flags")`` answers ``/flags/health``.

The endpoint is ``signakit.health``. For a rule of one's own, ``SignaKit.health`` is the view alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, jsonify

from signakit_flags.integration import health_check

from .state import NAME, state_of

if TYPE_CHECKING:
    from flask import Response

blueprint: Blueprint = Blueprint(NAME, __name__)
"""Has one page, ``/health``."""


@blueprint.get("/health")
def health() -> Response:
    """Return the client's status as JSON: 200 when there is a config, 503 while there is none or flags are off.

    It begins to load in a process that was asked for no flag yet. It names URLs and errors, so restrict it to the
    people who run the app. An app works without a config, with every flag at its default: do not take it out of
    service for a 503.
    """
    status, code = health_check(state_of().integration.client(), hint="the log says why")
    response = jsonify(status)
    response.status_code = code
    response.cache_control.no_store = True
    return response

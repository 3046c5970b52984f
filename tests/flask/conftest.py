from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from support.configs import SDK_KEY
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask.testing import FlaskClient

    from support.server import FlagServer


@pytest.fixture
def config(server: FlagServer) -> dict[str, Any]:
    """What an app needs to reach ``server``, as it stands in ``app.config``."""
    urls = {f"SIGNAKIT_{name.upper()}": url for name, url in server.urls.items()}
    return {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_READY_TIMEOUT": 10, "SIGNAKIT_POLLING_INTERVAL": 0, **urls}


@pytest.fixture
def make_app(config: dict[str, Any]) -> Iterator[Callable[..., Flask]]:
    """Makes a bare app with that config and more, on which ``init_app`` is still to be called."""
    apps: list[Flask] = []

    def make(**more: Any) -> Flask:
        app = Flask("of_a_test")
        app.config.update({"SECRET_KEY": "of-the-tests", **config, **more})
        apps.append(app)
        return app

    yield make
    for app in apps:
        client = app.extensions["signakit"].client if "signakit" in app.extensions else None
        if client is not None:
            client.close(0.5)


@pytest.fixture
def browse() -> Callable[[Flask], FlaskClient]:
    """Returns a client that sends a browser's User-Agent, and not Werkzeug's, which is a bot's."""

    def browser(app: Flask) -> FlaskClient:
        client = app.test_client()
        client.environ_base["HTTP_USER_AGENT"] = BROWSER
        return client

    return browser

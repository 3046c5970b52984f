"""A small shop in Flask. What is there for the flags is marked."""

import os

from flask import Flask

import signakit_flask

from .accounts import signakit
from .pages import pages


def create_app() -> Flask:
    """Return the shop."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("SHOP_SECRET_KEY", "for-this-machine-only"),
        TRUSTED_HOSTS=["127.0.0.1", "localhost"],
        SESSION_COOKIE_SAMESITE="Lax",
        # Flags; the key comes from SIGNAKIT_SDK_KEY.
        SIGNAKIT_POLLING_INTERVAL=float(os.environ.get("SHOP_POLLING_INTERVAL", "30")),
    )
    signakit.init_app(app)  # flags
    app.register_blueprint(pages)
    app.register_blueprint(signakit_flask.blueprint, url_prefix="/flags")  # their health check: /flags/health
    return app

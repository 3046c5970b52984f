"""A Flask application for tests."""

from __future__ import annotations

from flask import Flask
from flask_httpauth import HTTPTokenAuth
from flask_login import LoginManager, UserMixin, login_user
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from signakit_flags.integration import Identity
from signakit_flask import SignaKit, blueprint, flag_required

from . import aviews, views

signakit = SignaKit()
auth = HTTPTokenAuth("Name")
auth.verify_token(lambda name: name or None)


class Manager(LoginManager):
    def _update_remember_cookie(self, response):
        """Leave the session alone: Flask-Login looks into it after every request, and Flask 3.1.3 counts that."""
        return response


login_manager = Manager()


class User(UserMixin):
    def __init__(self, user_id):
        self.id = user_id


@signakit.identify
def identify(request):
    name = auth.current_user()
    return None if name is None else Identity(name)


@login_manager.user_loader
def load_user(user_id):
    return User(user_id)


def create_app(**config):
    """Return a site; ``config`` as in ``app.config``."""
    app = Flask(__name__)
    app.config.update({"SECRET_KEY": "of-the-tests", **config})
    login_manager.init_app(app)
    signakit.init_app(app)
    app.register_blueprint(views.pages, url_prefix="/sync")
    app.register_blueprint(aviews.pages, url_prefix="/async")
    app.register_blueprint(blueprint)
    for module in (views, aviews):
        for rule, key in (("gated", "switch"), ("shut", "unknown")):
            view = auth.login_required(flag_required(key)(module.everything))
            app.add_url_rule(f"/{module.pages.name}/{rule}", f"{module.pages.name}_{rule}", view)
    app.add_url_rule("/elsewhere", "elsewhere", lambda: "elsewhere")

    @app.post("/login/<user_id>")
    def login(user_id):
        login_user(User(user_id))
        return "welcome"

    # A second application of the process, by the same extension.
    mounted = Flask("mounted")
    mounted.config.update(app.config)
    signakit.init_app(mounted)
    mounted.register_blueprint(views.pages)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/mounted": mounted.wsgi_app})
    app.mounted = mounted
    return app

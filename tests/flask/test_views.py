"""Views, templates and decorators of the site, in sync and in async views."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, render_template, render_template_string
from flask.views import MethodView, View
from jinja2 import DictLoader

from signakit_flags.integration import Identity
from signakit_flask import SignaKit, blueprint, flag_required, flags
from support.configs import config as configs
from support.configs import flag, whole
from support.flask_site import create_app
from support.server import FlagServer, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest, config: dict[str, Any], browse: Any) -> Iterator[Callable[..., Any]]:
    """Gets a page of the site, as a user in one variation of the flag ``exp``."""
    apps: list[Any] = []

    def page(path: str, variation: str = "treatment", **more: Any) -> Any:
        app = create_app(**{**config, "SIGNAKIT_IDENTIFY": lambda _request: Identity(user_in(variation)), **more})
        apps.append(app)
        return browse(app).get(f"/{request.param}/{path}")

    yield page
    for app in apps:
        app.extensions["signakit"].client.close(0.5)


def user_in(variation: str) -> str:
    from signakit_flags import SignaKitClient
    from support.configs import rule

    client = SignaKitClient.offline(configs(flag("exp", rule("r-exp"))))
    for number in range(100):
        user = client.create_user_context(f"u{number}")
        assert user is not None
        if user.variation("exp") == variation:
            return f"u{number}"
    raise AssertionError(variation)


def test_whoever_comes_while_the_first_config_is_awaited_is_served_by_it(
    make_app: Any, browse: Any, server: FlagServer
) -> None:
    def slow(handler: Any) -> None:
        time.sleep(0.5)  # in which the others come
        handler.answer(200, server.config_body)

    app = make_app()
    SignaKit(app)

    @app.get("/sync")
    def sync_view() -> str:
        return flags.variation("switch")

    @app.get("/async")
    async def async_view() -> str:
        return flags.variation("switch")

    server.config_fault = slow
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda path: browse(app).get(path).text, ["/async", "/sync"] * 3)) == ["on"] * 6
    assert len(server.config_requests) == 1


# --- templates -------------------------------------------------------------------------------------------------------


def test_templates_have_flags_and_a_test(get: Callable[..., Any]) -> None:
    assert get("page", "treatment").text == f"treatment None on off variation {user_in('treatment')}"


def test_a_template_that_jinja_has_compiled_asks_for_each_visitor_anew(make_app: Any, browse: Any) -> None:
    app = make_app()
    SignaKit(app).identify(lambda request: Identity(user_in(request.args["in"])))
    text = '{% if "exp" is enabled_flag("treatment") %}new{% else %}old{% endif %}'
    app.jinja_loader = DictLoader({"page.html": text})  # compiled once, where a string is compiled each time
    app.add_url_rule("/", "page", lambda: render_template("page.html"))
    variations = ["control", "treatment", "control"]
    assert [browse(app).get(f"/?in={variation}").text for variation in variations] == ["old", "new", "old"]


def test_what_a_view_passes_by_the_name_goes_before(make_app: Any, browse: Any) -> None:
    app = make_app()
    SignaKit(app)
    app.add_url_rule("/", "page", lambda: render_template_string("{{ flags }}", flags="mine"))
    assert browse(app).get("/").text == "mine"


def test_a_macro_that_is_imported_has_them_too(make_app: Any, browse: Any) -> None:
    app = make_app()
    app.jinja_loader = DictLoader(
        {
            "macros.html": "{% macro button() %}{{ flags.variation('switch') }}{% endmacro %}",
            "page.html": "{% from 'macros.html' import button %}{{ button() }}",
        }
    )
    SignaKit(app)
    app.add_url_rule("/", "page", lambda: render_template("page.html"))
    assert browse(app).get("/").text == "on"


def test_a_variation_is_escaped(make_app: Any, browse: Any, server: FlagServer) -> None:
    server.set_config(configs(flag("odd", allocation=whole("<b>"))))
    app = make_app()
    SignaKit(app)
    app.add_url_rule("/", "page", lambda: render_template_string("{{ flags.variation('odd') }}"))
    assert browse(app).get("/").text == "&lt;b&gt;"


def test_a_template_that_asks_no_flag_costs_none(make_app: Any, browse: Any, server: FlagServer) -> None:
    app = make_app()
    SignaKit(app)
    app.add_url_rule("/", "page", lambda: render_template_string("page"))
    assert "Set-Cookie" not in browse(app).get("/").headers
    assert server.config_requests == []


# --- flag_required ---------------------------------------------------------------------------------------------------


def test_those_who_have_the_flag_are_let_in_and_the_others_get_404(get: Callable[..., Any], server: FlagServer) -> None:
    assert get("gate").text == "let in"
    server.set_config({"flags": []})
    assert get("gate").status_code == 404


def test_one_variation_alone_can_be_let_in(get: Callable[..., Any]) -> None:
    assert get("gate/treatment", "treatment").text == "let in"
    assert get("gate/treatment", "control").status_code == 404


@pytest.mark.parametrize(
    ("path", "location"), [("gate/redirect", "/elsewhere"), ("gate/redirect/url", "/elsewhere?from=gate")]
)
def test_the_others_can_be_sent_to_an_endpoint_or_a_url(get: Callable[..., Any], path: str, location: str) -> None:
    answer = get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, location)


@pytest.mark.parametrize(("path", "code"), [("gate/forbidden", 403), ("gate/teapot", 418)])
def test_the_others_can_get_another_status(get: Callable[..., Any], path: str, code: int) -> None:
    assert get(path).status_code == code


def test_while_there_is_no_config_nobody_is_let_in(get: Callable[..., Any], server: FlagServer) -> None:
    server.config_fault = status(503)
    assert get("gate", SIGNAKIT_READY_TIMEOUT=0).status_code == 404


async def identify_later(_request: Any) -> Identity | None:
    return Identity("ada")


def test_an_async_identify_needs_no_aflags_here(get: Callable[..., Any]) -> None:
    assert get("gate", SIGNAKIT_IDENTIFY=identify_later).text == "let in"


def test_the_refusal_is_the_apps_own_page(make_app: Any, browse: Any) -> None:
    app = make_app()
    SignaKit(app)
    app.register_error_handler(404, lambda _error: ("no such page of ours", 404))
    app.add_url_rule("/", "page", flag_required("unknown")(lambda: "let in"))
    assert browse(app).get("/").text == "no such page of ours"


class Gated(View):
    decorators = [flag_required("switch")]  # noqa: RUF012  # Flask's own form

    def dispatch_request(self) -> str:
        return "let in"


class GatedMethods(MethodView):
    decorators = [flag_required("switch")]  # noqa: RUF012  # as above

    async def get(self) -> str:
        return "let in"


@pytest.mark.parametrize("view", [Gated, GatedMethods])
def test_a_class_lists_it_among_its_decorators(
    make_app: Any, browse: Any, server: FlagServer, view: type[View]
) -> None:
    app: Flask = make_app()
    SignaKit(app)
    app.add_url_rule("/", view_func=view.as_view("page"))
    browser = browse(app)
    assert browser.get("/").text == "let in"
    server.set_config({"flags": []})
    assert app.extensions["signakit"].client.refresh_sync()
    assert browser.get("/").status_code == 404


def test_a_whole_blueprint_can_be_kept(make_app: Any, browse: Any) -> None:
    from flask import Blueprint

    app = make_app()
    beta = Blueprint("beta", __name__)
    beta.before_request(flag_required("unknown")(lambda: None))
    beta.add_url_rule("/", "page", lambda: "let in")
    app.register_blueprint(beta)
    SignaKit(app)
    assert browse(app).get("/").status_code == 404


def test_forgotten_parentheses_and_classes_are_noticed_at_once() -> None:
    with pytest.raises(TypeError, match="key of a flag"):
        flag_required(lambda: None)  # type: ignore[arg-type]  # the mistake in question
    with pytest.raises(TypeError, match=r"decorators = \[flag_required\('switch'\)\] in Gated"):
        flag_required("switch")(Gated)


def test_a_decorated_view_is_still_itself() -> None:
    @flag_required("switch")
    def view() -> None:
        """The view."""

    assert (view.__doc__, view.__name__) == ("The view.", "view")


# --- health ----------------------------------------------------------------------------------------------------------


def test_the_health_check_says_what_the_client_is_at(make_app: Any, server: FlagServer) -> None:
    app = make_app()
    signakit = SignaKit(app)
    app.register_blueprint(blueprint, url_prefix="/flags")
    app.add_url_rule("/mine", "mine", signakit.health)
    with app.test_request_context():
        from flask import url_for

        assert url_for("signakit.health") == "/flags/health"
    for path in ("/flags/health", "/mine"):
        answer = app.test_client().get(path)
        assert (answer.status_code, answer.json["ready"], answer.json["source"]) == (200, True, "cdn")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
    assert app.test_client().head("/flags/health").status_code == 200
    assert app.test_client().post("/flags/health").status_code == 405


def test_the_health_check_fails_while_there_is_no_config(make_app: Any, server: FlagServer) -> None:
    server.config_fault = status(503)
    for more, error in (
        ({"SIGNAKIT_READY_TIMEOUT": 10}, "HTTP 503"),
        ({"SIGNAKIT_SDK_KEY": "nonsense"}, "flags are off: the log says why"),
    ):
        app = make_app(**more)
        SignaKit(app)
        app.register_blueprint(blueprint)
        answer = app.test_client().get("/health")
        assert (answer.status_code, answer.json["ready"]) == (503, False)
        assert error in answer.json["last_error"]

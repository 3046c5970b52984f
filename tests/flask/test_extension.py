from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from flask import Blueprint, Flask, current_app, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from signakit_flags import SignaKitUserContext
from signakit_flags.integration import Identity, is_visitor_id
from signakit_flask import SignaKit, aflags, flags
from support.configs import SDK_KEY, config, flag, whole
from support.faults import threads_of_ours
from support.server import FlagServer, flag_server, wait_until

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def test_an_app_gets_its_flags_at_once_or_in_a_factory(make_app: Any, browse: Any) -> None:
    at_once, later = make_app(), make_app()
    SignaKit(at_once)
    SignaKit().init_app(later)
    for app in (at_once, later):
        app.add_url_rule("/", "page", lambda: flags.variation("switch"))
        assert browse(app).get("/").text == "on"


def test_a_second_one_on_an_app_is_refused(make_app: Any) -> None:
    app = make_app()
    signakit = SignaKit(app)
    for second in (signakit, SignaKit()):
        with pytest.raises(RuntimeError, match="once for each app"):
            second.init_app(app)


def test_it_serves_several_apps_each_with_a_client_of_its_own(make_app: Any, browse: Any) -> None:
    signakit = SignaKit()
    with flag_server() as other:
        other.set_config(config(flag("switch", allocation=whole("off"))))
        urls = {f"SIGNAKIT_{name.upper()}": url for name, url in other.urls.items()}
        apps = [make_app(), make_app(**urls)]
        for app in apps:
            signakit.init_app(app)
            app.add_url_rule("/", "page", lambda: flags.variation("switch"))
        assert [browse(app).get("/").text for app in apps] == ["on", "off"]
        clients = []
        for app in apps:
            with app.app_context():
                clients.append(signakit.client)
            assert clients[-1] is app.extensions["signakit"].client
        assert clients[0] is not clients[1]
        clients[1].close(0.5)


def test_apps_with_one_key_know_the_same_visitor_and_each_reports_its_exposures(
    make_app: Any, browse: Any, server: FlagServer
) -> None:
    app, mounted = make_app(), make_app()
    for each in (app, mounted):
        SignaKit(each)
        each.add_url_rule("/", "page", lambda: f"{flags.user_id} {flags.variation('exp')}")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/mounted": mounted.wsgi_app})  # type: ignore[method-assign]
    browser = browse(app)
    assert len({browser.get(path).text for path in ("/", "/mounted/", "/", "/mounted/")}) == 1
    for each in (app, mounted):
        assert each.extensions["signakit"].client.flush_sync(10)
    assert [event["eventKey"] for event in server.events] == ["$exposure"] * 2


def test_a_request_is_its_own_apps_also_within_the_context_of_another_app(make_app: Any, browse: Any) -> None:
    app, other = make_app(), make_app(SIGNAKIT_VISITOR_COOKIE={"name": "of_another_app"})
    SignaKit(app).identify(lambda _request: Identity(current_app.import_name) if request.args else None)
    SignaKit(other)
    app.import_name = "of the request"

    def page() -> str:
        with other.app_context():
            return flags.user_id

    async def apage() -> str:
        with other.app_context():
            return (await aflags()).user_id

    app.add_url_rule("/", "page", page)
    app.add_url_rule("/async", "apage", apage)
    for path in ("/", "/async"):
        assert browse(app).get(f"{path}?identified").text == "of the request"
        answer = browse(app).get(path)
        assert answer.headers["Set-Cookie"].startswith(f"visitor_id={answer.text};")


def test_an_account_is_its_own_apps_also_within_the_context_of_another_app(
    make_app: Any, login_app: Flask, browse: Any
) -> None:
    from flask_login import LoginManager, UserMixin

    class Stranger(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
        id = "of another app"

    other = make_app()
    LoginManager(other).request_loader(lambda _request: Stranger())
    SignaKit(other)

    def page() -> str:
        with other.app_context():
            return flags.user_id

    login_app.add_url_rule("/", "page", page)
    browser: FlaskClient = browse(login_app)
    browser.get("/login/17")
    assert browser.get("/").text == "17"


def test_it_leaves_the_jinja_environment_to_options_that_are_set_later(make_app: Any) -> None:
    app = make_app()
    SignaKit(app)
    app.config["TEMPLATES_AUTO_RELOAD"] = True
    app.jinja_options = {"trim_blocks": True}
    assert (app.jinja_env.auto_reload, app.jinja_env.trim_blocks) == (True, True)
    assert "flags" in app.jinja_env.globals
    assert "enabled_flag" in app.jinja_env.tests


def test_an_app_that_has_its_jinja_environment_already_keeps_it(make_app: Any) -> None:
    app = make_app()
    environment = app.jinja_env
    SignaKit(app)
    assert app.jinja_env is environment
    assert "flags" in environment.globals


def test_an_app_that_makes_its_jinja_environment_itself_still_does(make_app: Any) -> None:
    class Own(Flask):
        def create_jinja_environment(self) -> Any:
            environment = super().create_jinja_environment()
            environment.globals["own"] = "of the class"
            return environment

    app = Own("of_a_test")
    create = app.create_jinja_environment

    def of_another_extension() -> Any:
        environment = create()
        environment.globals["other"] = "of another extension"
        return environment

    app.create_jinja_environment = of_another_extension  # type: ignore[method-assign]
    SignaKit(app)
    assert {"own", "other", "flags"} <= app.jinja_env.globals.keys()


def test_an_app_is_freed_without_the_garbage_collector(config: dict[str, Any]) -> None:
    app = Flask("of_a_test")
    app.config.update(config)
    SignaKit(app)
    gone = weakref.ref(app)
    gc.disable()
    try:
        del app
        assert gone() is None
    finally:
        gc.enable()


def test_a_client_that_outlives_its_app_may_still_load(config: dict[str, Any], server: FlagServer) -> None:
    def client_of_an_app(**more: bool) -> Any:
        app = Flask("of_a_test")
        app.config.update(config, **more)
        SignaKit(app)
        return app.extensions["signakit"].client

    client, in_tests = client_of_an_app(), client_of_an_app(TESTING=True)
    for each in (client, in_tests):
        each.load()
        each.close(0.5)
    assert (client.is_ready, in_tests.is_ready) == (True, False)
    assert len(server.config_requests) == 1


def test_apps_that_are_gone_take_their_clients_and_threads_along(config: dict[str, Any], browse: Any) -> None:
    def ask_once() -> weakref.ref[Any]:
        app = Flask("of_a_test")
        app.config.update({**config, "SIGNAKIT_POLLING_INTERVAL": 60})
        signakit.init_app(app)
        app.add_url_rule("/", "page", lambda: flags.variation("exp"))
        assert browse(app).get("/").text in {"control", "treatment"}
        return weakref.ref(app.extensions["signakit"].client)

    signakit = SignaKit()
    before = threads_of_ours()
    clients = [ask_once() for _ in range(20)]
    gc.collect()
    assert [client() for client in clients] == [None] * 20
    assert wait_until(lambda: threads_of_ours() <= before)


def test_flags_in_a_blueprint(make_app: Any, browse: Any) -> None:
    app = make_app()
    pages = Blueprint("pages", __name__)
    pages.before_request(lambda: None if flags.is_enabled("switch") else ("closed", 403))
    pages.add_url_rule("/", "page", lambda: current_app.extensions["signakit"].client.flag_keys())
    app.register_blueprint(pages, url_prefix="/pages")
    SignaKit(app)
    assert browse(app).get("/pages/").json == ["exp", "tgt", "switch"]


# --- config ----------------------------------------------------------------------------------------------------------


def test_the_key_may_come_from_the_environment(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", SDK_KEY)
    app = Flask("of_a_test")
    SignaKit(app)
    assert app.config["SIGNAKIT_SDK_KEY"] == SDK_KEY
    assert app.extensions["signakit"].client is not None


def test_what_the_config_says_goes_before_the_defaults(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", "sk_dev_of_the_environment")
    app = make_app(SIGNAKIT_VISITOR_COOKIE=None)
    SignaKit(app)
    assert app.config["SIGNAKIT_SDK_KEY"] == SDK_KEY
    assert app.config["SIGNAKIT_VISITOR_COOKIE"] is None
    assert app.config["SIGNAKIT_LOAD_IN_TESTS"] is False


@pytest.mark.parametrize(
    ("more", "level", "said"),
    [
        ({"SIGNAKIT_SDK_KEY": None}, "WARNING", "SIGNAKIT_SDK_KEY is missing; flags are off."),
        ({"SIGNAKIT_POLING_INTERVAL": 5}, "WARNING", "is ignored. Did you mean SIGNAKIT_POLLING_INTERVAL?"),
        ({"SIGNAKIT_TIMEOUT": "soon"}, "ERROR", "SIGNAKIT_TIMEOUT must be a finite number, not 'soon'; flags are off."),
        ({"SIGNAKIT_SDK_KEY": "nonsense"}, "ERROR", "SIGNAKIT_SDK_KEY is malformed"),
        ({"SIGNAKIT_IDENTIFY": "no.such.path"}, "ERROR", "SIGNAKIT_IDENTIFY is 'no.such.path', which cannot be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_logged_when_the_app_is_made_and_breaks_nothing(
    make_app: Any,
    browse: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Any],
    level: str,
    said: str,
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # in a test a missing key is not worth a line
    app = make_app(**more)
    SignaKit(app)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("signakit_flask", level)
    assert said in record.getMessage()
    app.add_url_rule("/", "page", lambda: flags.variation("switch", "none"))
    unknown = "is ignored" in said
    assert browse(app).get("/").text == ("on" if unknown else "none")
    assert len(caplog.records) == 1


def test_a_missing_key_is_not_logged_in_tests(
    make_app: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    SignaKit(make_app(SIGNAKIT_SDK_KEY=None))  # an app is often made before TESTING is set
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    SignaKit(make_app(SIGNAKIT_SDK_KEY=None, TESTING=True))
    assert caplog.records == []


def test_the_key_is_never_shown(make_app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    SignaKit(make_app(SIGNAKIT_SDK_KEY="sk_dev_org_1_very/secret", SIGNAKIT_TIMEOUT=0))
    assert caplog.records
    assert "secret" not in caplog.text


def test_under_test_the_network_is_left_alone_unless_the_config_says_otherwise(
    make_app: Any, browse: Any, server: FlagServer
) -> None:
    app = make_app()
    signakit = SignaKit(app)
    app.testing = True  # as a fixture does, after the factory
    app.add_url_rule("/", "page", lambda: flags.variation("switch", "none"))
    assert browse(app).get("/").text == "none"
    with app.app_context():
        assert signakit.flags_for("ada").decide("switch") is None
    assert server.config_requests == []
    app.config["SIGNAKIT_LOAD_IN_TESTS"] = True
    assert browse(app).get("/").text == "on"


# --- who asks --------------------------------------------------------------------------------------------------------


def shown(app: Flask, browse: Any, view: Any = lambda: flags.user_id) -> str:
    app.add_url_rule("/", "page", view)
    text: str = browse(app).get("/", headers={"X-User": "ada"}).text
    return text


def test_identify_may_be_registered_before_and_after_init_app(make_app: Any, browse: Any) -> None:
    for early in (True, False):
        app = make_app()
        signakit = SignaKit() if early else SignaKit(app)

        @signakit.identify
        def identify(request: Any) -> Identity | None:
            return Identity(request.headers["X-User"], {"plan": "pro"})

        if early:
            signakit.init_app(app)
        assert identify.__name__ == "identify", "the decorator leaves the function as it is"
        assert shown(app, browse, lambda: f"{flags.user_id} {flags.attributes}") == "ada {'plan': 'pro'}"


def test_a_function_that_the_config_names_goes_before(make_app: Any, browse: Any) -> None:
    app = make_app(SIGNAKIT_IDENTIFY=lambda _request: Identity("of the config"))
    signakit = SignaKit(app)
    signakit.identify(lambda _request: Identity("registered"))
    assert shown(app, browse) == "of the config"


def test_the_last_one_registered_counts(make_app: Any, browse: Any) -> None:
    app = make_app()
    signakit = SignaKit(app)
    signakit.identify(lambda _request: Identity("first"))
    signakit.identify(lambda _request: Identity("second"))
    assert shown(app, browse) == "second"


def test_identify_decorates_functions_only() -> None:
    with pytest.raises(TypeError, match="decorates a function"):
        SignaKit().identify("accounts.identify")  # type: ignore[type-var]


def with_async_identify(make_app: Any) -> Flask:
    app: Flask = make_app()
    signakit = SignaKit(app)

    @signakit.identify
    async def identify(request: Any) -> Identity | None:
        return Identity(request.headers["X-User"])

    return app


def test_an_async_identify_is_waited_for_in_a_sync_view(make_app: Any, browse: Any) -> None:
    assert shown(with_async_identify(make_app), browse) == "ada"


def test_in_an_async_view_it_is_awaited_and_flags_before_that_are_an_error(make_app: Any, browse: Any) -> None:
    async def view() -> str:
        with pytest.raises(RuntimeError, match=r"await aflags\(\)"):
            flags.is_enabled("switch")
        context = await aflags()
        assert isinstance(context, SignaKitUserContext)
        assert flags == context
        return flags.user_id

    assert shown(with_async_identify(make_app), browse, view) == "ada"


def test_without_flask_login_on_the_app_everybody_is_a_visitor(make_app: Any, browse: Any) -> None:
    import flask_login  # noqa: F401

    app = make_app()
    SignaKit(app)
    assert is_visitor_id(shown(app, browse))


@pytest.fixture
def login_app(make_app: Any) -> Flask:
    """An app with Flask-Login, where ``/login/<id>`` logs somebody in."""
    from flask_login import LoginManager, UserMixin, login_user

    class User(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
        def __init__(self, number: int) -> None:
            self.number = number

        def get_id(self) -> Any:
            return self.number  # no text, against Flask-Login's advice

    app: Flask = make_app()
    manager = LoginManager(app)
    manager.user_loader(lambda user_id: User(user_id))
    SignaKit(app)
    app.add_url_rule("/login/<int:number>", "login", lambda number: str(login_user(User(number))))
    return app


def test_flask_logins_account_is_known_by_its_id_as_text(login_app: Flask, browse: Any) -> None:
    login_app.add_url_rule("/", "page", lambda: f"{flags.user_id!r}")
    browser: FlaskClient = browse(login_app)
    assert is_visitor_id(browser.get("/").text.strip("'"))
    browser.get("/login/17")
    assert browser.get("/").text == "'17'"


def test_who_is_loaded_but_not_authenticated_is_a_visitor(make_app: Any, browse: Any) -> None:
    from flask_login import LoginManager, UserMixin

    class Inactive(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
        id = "17"
        is_active = False  # and so not authenticated

    app = make_app()
    LoginManager(app).request_loader(lambda _request: Inactive())
    SignaKit(app)
    assert is_visitor_id(shown(app, browse))


def test_a_user_loader_that_asks_for_flags_is_logged_and_the_page_is_served(
    make_app: Any, browse: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from flask_login import LoginManager, UserMixin

    app = make_app()
    manager = LoginManager(app)
    manager.request_loader(lambda _request: UserMixin() if flags.is_enabled("switch") else None)
    SignaKit(app)
    assert shown(app, browse, lambda: flags.variation("switch", "none")) == "none"
    [record] = caplog.records
    assert "flags were asked by the code that is to say who asks" in record.getMessage()


def test_an_account_outside_of_the_requests_context_is_an_error_and_nobody(
    login_app: Flask, browse: Any, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[Any] = []

    @login_app.get("/")
    def page() -> Any:
        kept.append(flags._get_current_object())  # type: ignore[attr-defined]  # a proxy
        return (repr(context.decide("switch")) for context in kept)

    browser: FlaskClient = browse(login_app)
    browser.get("/login/17")
    assert browser.get("/").text == "None"
    assert "stream_with_context" in caplog.text


# --- outside of requests ---------------------------------------------------------------------------------------------


def test_flags_for_a_user_are_those_of_their_requests(make_app: Any, browse: Any, server: FlagServer) -> None:
    app = make_app()
    signakit = SignaKit(app)
    with app.app_context():
        user = signakit.flags_for("ada", {"plan": "pro"})
        assert (user.user_id, user.attributes) == ("ada", {"plan": "pro"})
        assert user.is_enabled("switch")
        user.track("purchase", value=5)
        assert signakit.client is not None
        assert signakit.client.flush_sync(10)
    assert [event["userId"] for event in server.events if event["eventKey"] == "purchase"] == ["ada"]


def test_flags_for_nobody_are_none_and_defaults(make_app: Any) -> None:
    app = make_app()
    signakit = SignaKit(app)
    with app.app_context():
        assert signakit.flags_for(None).decide("switch") is None
        assert signakit.flags_for(None).is_enabled("switch", True) is True
        assert signakit.flags_for(17).user_id == "17"
        assert signakit.flags_for(Identity("ada", {"plan": "pro"})).attributes == {"plan": "pro"}
        with pytest.raises(TypeError, match="user_id"):
            signakit.flags_for(1.5)  # type: ignore[arg-type]  # the mistake in question


def test_an_app_context_touches_no_network_and_leaving_it_closes_nothing(make_app: Any, server: FlagServer) -> None:
    app = make_app()
    signakit = SignaKit(app)
    with app.app_context():
        client = signakit.client
        assert client is not None
    assert server.config_requests == []
    for _ in range(2):
        with app.app_context():
            signakit.flags_for("ada").decide("exp")
            signakit.flags_for("ada").track("purchase")
    assert client.flush_sync(10)
    assert len([event for event in server.events if event["eventKey"] == "purchase"]) == 2


def test_the_client_outside_of_an_app_context_is_flasks_own_error() -> None:
    with pytest.raises(RuntimeError, match="outside of application context"):
        _ = SignaKit().client


def test_an_app_without_the_extension_says_so() -> None:
    app = Flask("of_a_test")
    with app.test_request_context(), pytest.raises(RuntimeError, match=r"init_app"):
        _ = flags.user_id

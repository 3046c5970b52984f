from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from flask import (
    Flask,
    Response,
    after_this_request,
    copy_current_request_context,
    g,
    request,
    request_started,
    stream_with_context,
)
from werkzeug.serving import make_server

from signakit_flags import SignaKitUserContext
from signakit_flags.integration import is_visitor_id
from signakit_flask import SignaKit, flags
from support.contract import BROWSER

ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"

if TYPE_CHECKING:
    from http.server import HTTPServer

    from flask.testing import FlaskClient

    from support.server import FlagServer


@pytest.fixture
def app(make_app: Any) -> Flask:
    app: Flask = make_app()
    SignaKit(app)
    return app


@pytest.fixture
def browser(app: Flask, browse: Any) -> FlaskClient:
    client: FlaskClient = browse(app)
    return client


# --- the proxy -------------------------------------------------------------------------------------------------------


def test_outside_of_a_request_it_is_flasks_usual_error_with_a_hint(app: Flask) -> None:
    for context in (None, app.app_context()):
        if context is not None:
            context.push()
        with pytest.raises(RuntimeError, match=r"(?s)outside of request context.*signakit\.client.*stream_with"):
            flags.decide("switch")
        if context is not None:
            context.pop()
    assert repr(flags) == "<LocalProxy unbound>"


def test_it_stands_for_a_user_context_the_same_all_through_the_request(app: Flask, browser: FlaskClient) -> None:
    seen: list[Any] = []

    @app.before_request
    def before() -> None:
        assert isinstance(flags, SignaKitUserContext)
        seen.append(flags.user_id)

    @app.get("/")
    def page() -> str:
        seen.append(flags.user_id)
        return flags.variation("switch")

    assert browser.get("/").text == "on"
    assert seen[0] == seen[1]


def test_requests_within_one_app_context_do_not_share_their_flags(app: Flask, browse: Any) -> None:
    app.add_url_rule("/", "page", lambda: f"{flags.user_id} {id(g._get_current_object())}")  # type: ignore[attr-defined]
    with app.app_context():
        first, second = browse(app).get("/").text.split(), browse(app).get("/").text.split()
    assert first[0] != second[0]


def test_requests_of_several_threads_do_not_share_their_flags(app: Flask, browse: Any) -> None:
    barrier = threading.Barrier(4)

    @app.get("/")
    def page() -> str:
        before = flags.user_id
        barrier.wait(30)
        assert flags.user_id == before
        return before

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: browse(app).get("/").text, range(4)))) == 4


def test_a_thread_with_the_requests_context_has_its_flags(app: Flask, browser: FlaskClient) -> None:
    @app.get("/")
    def page() -> str:
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(copy_current_request_context(lambda: flags.user_id)).result()
        return f"{elsewhere == flags.user_id}"

    assert browser.get("/").text == "True"


def test_threads_of_one_request_that_ask_first_at_once_have_the_same_flags(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = app.extensions["signakit"].integration
    make, barrier = integration.context, threading.Barrier(2)

    def make_at_once(request: Any) -> Any:
        barrier.wait(30)
        return make(request)

    monkeypatch.setattr(integration, "context", make_at_once)

    @app.get("/")
    def page() -> str:
        asking = [copy_current_request_context(lambda: flags.user_id) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            return f"{len({asked.result() for asked in [pool.submit(ask) for ask in asking]})}"

    assert browser.get("/").text == "1"


def test_a_test_request_context_knows_a_visitor_by_their_cookie_and_makes_no_new_one(
    app: Flask, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with app.test_request_context(headers={"User-Agent": BROWSER}):
            assert flags.decide("exp") is None
            assert flags.user_id == ""
        with app.test_request_context(headers={"User-Agent": BROWSER, "Cookie": f"visitor_id={ID}"}):
            assert flags.is_enabled("exp")
            assert flags.user_id == ID
    client = app.extensions["signakit"].client
    assert client.flush_sync(10)
    assert [event["userId"] for event in server.events] == [ID]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "flags are off for new visitors where no response can set their cookie" in caplog.text


def test_a_test_request_context_that_is_dispatched_is_a_request(app: Flask) -> None:
    @app.get("/")
    def page() -> str:
        return flags.user_id

    with app.test_request_context(headers={"User-Agent": BROWSER}):
        answer = app.full_dispatch_request()
    assert is_visitor_id(answer.get_data(as_text=True))
    assert f"visitor_id={answer.get_data(as_text=True)}" in answer.headers["Set-Cookie"]


def test_code_that_runs_before_the_view_makes_visitors_too(app: Flask, browser: FlaskClient) -> None:
    seen: list[str] = []

    @app.url_value_preprocessor
    def preprocess(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
        seen.append(flags.user_id)

    @app.get("/")
    def page() -> str:
        return flags.user_id

    assert is_visitor_id(browser.get("/").text)
    assert browser.get("/nothing").status_code == 404
    assert all(map(is_visitor_id, seen))
    assert len(seen) == 2


def test_a_question_before_the_request_is_dispatched_leaves_the_view_its_visitor(
    app: Flask, browser: FlaskClient
) -> None:
    seen: list[str] = []

    def started(_app: Flask, **_: object) -> None:
        seen.append(flags.user_id)

    @app.get("/")
    def page() -> str:
        return flags.user_id

    with request_started.connected_to(started, app):
        visitor = browser.get("/").text
        assert is_visitor_id(visitor)
        assert browser.get_cookie("visitor_id").value == visitor  # type: ignore[union-attr]  # it is there
        assert browser.get("/").text == visitor
    assert seen == ["", visitor]


def test_the_handshake_of_a_websocket_makes_no_visitor(app: Flask) -> None:
    @app.get("/")
    def page() -> str:
        return flags.user_id

    browser = app.test_client(use_cookies=False)
    headers = {"User-Agent": BROWSER, "Upgrade": "WebSocket"}
    answer = browser.get("/", headers=headers)
    assert (answer.text, "Set-Cookie" in answer.headers) == ("", False)
    assert browser.get("/", headers={**headers, "Cookie": f"visitor_id={ID}"}).text == ID


def test_a_request_is_not_kept_alive_by_its_flags(app: Flask, browser: FlaskClient) -> None:
    requests: list[Any] = []

    @app.get("/")
    def page() -> str:
        requests.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]  # a proxy
        return flags.variation("exp")

    assert browser.get("/").status_code == 200
    gc.collect()
    assert requests[0]() is None


# --- the response ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vary", "expected"), [("accept, COOKIE", "accept, COOKIE"), ("*", "*"), ("A", "A, Cookie")])
def test_names_that_vary_already_has_are_kept_and_not_repeated(
    app: Flask, browser: FlaskClient, vary: str, expected: str
) -> None:
    @app.get("/")
    def page() -> Response:
        flags.decide("exp")
        return Response(headers={"Vary": vary})

    assert browser.get("/").headers["Vary"] == expected


def asking(response: Response) -> Response:
    flags.decide("exp")
    return response


def ask_in_before_request(app: Flask) -> None:
    @app.before_request
    def ask() -> None:
        flags.decide("exp")

    app.add_url_rule("/", "page", lambda: "page")


def answer_in_before_request(app: Flask) -> None:
    app.before_request(lambda: flags.variation("exp"))


def ask_in_an_error_handler(app: Flask) -> None:
    app.register_error_handler(404, lambda _error: (flags.variation("exp"), 200))


def ask_in_the_handler_of_a_mistake(app: Flask) -> None:
    app.register_error_handler(500, lambda _error: (flags.variation("exp"), 200))
    app.add_url_rule("/", "page", lambda: 1 / 0)  # type: ignore[arg-type, return-value]  # the mistake


def ask_in_after_this_request(app: Flask) -> None:
    def page() -> str:
        after_this_request(asking)
        return "page"

    app.add_url_rule("/", "page", page)


def ask_in_after_request(app: Flask) -> None:
    app.after_request(asking)
    app.add_url_rule("/", "page", lambda: "page")


@pytest.mark.parametrize(
    "ask",
    [
        ask_in_before_request,
        answer_in_before_request,
        ask_in_an_error_handler,
        ask_in_the_handler_of_a_mistake,
        ask_in_after_this_request,
        ask_in_after_request,
    ],
)
def test_wherever_the_first_question_comes_from_the_visitor_gets_their_cookie(
    app: Flask, browser: FlaskClient, server: FlagServer, ask: Any
) -> None:
    ask(app)
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "Cookie" in answer.headers["Vary"]
    cookie = browser.get_cookie("visitor_id")
    assert cookie is not None
    client = app.extensions["signakit"].client
    assert client.flush_sync(10)
    assert [event["userId"] for event in server.events] == [cookie.value]


def test_after_the_response_of_the_extension_nobody_becomes_a_visitor(make_app: Any, browse: Any) -> None:
    app = make_app()
    asked: list[Any] = []

    @app.after_request
    def registered_before_the_extension(response: Response) -> Response:  # and so run after it
        asked.append(flags.decide("exp"))
        return response

    @app.teardown_request
    def last(_error: Any) -> None:
        asked.append(flags.decide("exp"))

    SignaKit(app)
    app.add_url_rule("/", "page", lambda: "page")
    answer = browse(app).get("/")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert asked == [None, None]


def test_a_response_of_an_after_request_that_fails_still_has_the_cookie(make_app: Any, browse: Any) -> None:
    app = make_app()
    failures = [LookupError("a mistake of the application's")]

    @app.after_request
    def fails_once(response: Response) -> Response:
        if failures:
            raise failures.pop()
        return response

    SignaKit(app)
    app.add_url_rule("/", "page", lambda: flags.variation("exp"))
    answer = browse(app).get("/")
    assert answer.status_code == 500
    assert "visitor_id=" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("sent", ["visitor_id=of-the-parent-domain; visitor_id={}", "visitor_id={}; visitor_id="])
def test_a_cookie_of_the_same_name_does_not_hide_the_visitors(app: Flask, sent: str) -> None:
    app.add_url_rule("/", "page", lambda: flags.user_id)
    visitor = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
    answer = app.test_client(use_cookies=False).get(
        "/", headers={"Cookie": sent.format(visitor), "User-Agent": BROWSER}
    )
    assert answer.text == visitor
    assert "Set-Cookie" not in answer.headers


# --- a real server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def served(app: Flask) -> Any:
    @app.get("/")
    def page() -> Any:
        return {"user_id": flags.user_id, "variation": flags.variation("exp")}

    @app.get("/streamed")
    def streamed() -> Response:
        flags.decide("exp")
        return Response(stream_with_context(part for part in (flags.user_id, " ", flags.variation("switch"))))

    site: HTTPServer = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    thread.join()
    site.server_close()


def test_over_a_real_socket(served: str) -> None:
    with httpx.Client(base_url=served, headers={"user-agent": BROWSER}) as browser:
        first = browser.get("/")
        assert "HttpOnly" in first.headers["set-cookie"]
        second = browser.get("/")
        assert "set-cookie" not in second.headers
        assert first.json() == second.json()
        assert browser.get("/streamed").text == f"{browser.cookies['visitor_id']} on"
        for raw in (b"visitor_id=\xff\xfe\x01; a", b"visitor_id=" + b"x" * 8_192, b";;;=;"):
            answer = httpx.get(served, headers=[(b"cookie", raw), (b"user-agent", b"\xff\xfe")])
            assert answer.status_code == 200
            assert is_visitor_id(answer.json()["user_id"])

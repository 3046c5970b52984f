"""Beside extensions that serve messages or log in inside the view: Flask-SocketIO, flask-sock, Flask-HTTPAuth."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from flask import Flask, jsonify
from flask_httpauth import HTTPTokenAuth
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock
from flask_socketio import SocketIO
from websockets.sync.client import connect
from werkzeug.serving import make_server

from signakit_flags.integration import Identity, is_visitor_id
from signakit_flask import SignaKit, aflags, flag_required, flags
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import FlagServer

ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


class User(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    def __init__(self, user_id: str) -> None:
        self.id = user_id


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an app on a real socket, and yield its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked() -> list[str]:
    return [flags.user_id, flags.variation("exp", "none")]


def exposed(app: Flask, server: FlagServer) -> Counter[str]:
    assert app.extensions["signakit"].client.flush_sync(10)
    return Counter(event["userId"] for event in server.events)


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", ["", f"visitor_id={ID}"], ids=["new", "known"])
def test_a_message_of_socketio_knows_a_visitor_and_makes_no_new_one(
    make_app: Callable[..., Flask], server: FlagServer, cookie: str
) -> None:
    app = make_app()
    SignaKit(app)
    socketio = SocketIO(app, async_mode="threading")
    answers: list[list[str]] = []
    socketio.on_event("connect", lambda _auth=None: answers.append(asked()))
    socketio.on_event("ask", lambda: answers.append(asked()))
    with served(app) as address, httpx.Client(base_url=f"http://{address}", headers={"User-Agent": BROWSER}) as http:
        headers = {"Cookie": cookie} if cookie else {}
        opened = http.get("/socket.io/?EIO=4&transport=polling", headers=headers)
        sid = json.loads(opened.text[1:])["sid"]
        path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        for message in ("40", '42["ask"]', '42["ask"]', "41"):
            assert http.post(path, content=message, headers=headers).text == "OK"
    assert len(answers) == 3
    if cookie:
        assert {user_id for user_id, _ in answers} == {ID}
        assert exposed(app, server) == {ID: 1}
    else:
        assert answers == [["", "none"]] * 3
        assert exposed(app, server) == {}


@pytest.mark.parametrize("cookie", ["", f"visitor_id={ID}"], ids=["new", "known"])
def test_a_websocket_of_flask_sock_knows_a_visitor_and_makes_no_new_one(
    make_app: Callable[..., Flask], server: FlagServer, cookie: str
) -> None:
    app = make_app()
    SignaKit(app)

    @Sock(app).route("/ws")
    def ticker(socket: Any) -> None:
        while socket.receive() != "end":
            socket.send(json.dumps(asked()))

    headers = {"Cookie": cookie} if cookie else {}
    answers = []
    with (
        served(app) as address,
        connect(f"ws://{address}/ws", additional_headers=headers, user_agent_header=BROWSER, proxy=None) as socket,
    ):
        for _ in range(2):
            socket.send("?")
            answers.append(json.loads(socket.recv(30)))
        socket.send("end")
    if cookie:
        assert {user_id for user_id, _ in answers} == {ID}
        assert exposed(app, server) == {ID: 1}
    else:
        assert answers == [["", "none"]] * 2
        assert exposed(app, server) == {}


def test_a_page_beside_them_makes_a_visitor(make_app: Callable[..., Flask], server: FlagServer) -> None:
    app = make_app()
    SocketIO(app, async_mode="threading")
    SignaKit(app)
    app.add_url_rule("/", "page", lambda: jsonify(asked()))
    with served(app) as address:
        answer = httpx.get(f"http://{address}/", headers={"User-Agent": BROWSER})
    assert is_visitor_id(answer.json()[0])
    assert answer.cookies["visitor_id"] == answer.json()[0]
    assert exposed(app, server) == {answer.json()[0]: 1}


# --- logged in inside the view ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("found_out_before", [False, True])
def test_a_user_of_flask_httpauth_is_the_user_of_the_flags(
    make_app: Callable[..., Flask], browse: Any, server: FlagServer, is_async: bool, found_out_before: bool
) -> None:
    app = make_app()
    auth = HTTPTokenAuth()
    auth.verify_token({"token-of-ada": "ada"}.get)
    signakit = SignaKit(app)

    @signakit.identify
    def identify(_request: object) -> Identity | None:
        user = auth.current_user()
        return None if user is None else Identity(user)

    def page() -> Any:
        return jsonify(asked())

    async def apage() -> Any:
        assert (await aflags()).user_id == "ada"
        return jsonify(asked())

    view = apage if is_async else page
    if found_out_before:

        @app.before_request
        async def find_out() -> None:
            await aflags()

    app.add_url_rule("/page", "page", auth.login_required(view))
    app.add_url_rule("/gated", "gated", auth.login_required(flag_required("switch")(view)))
    app.add_url_rule("/shut", "shut", auth.login_required(flag_required("unknown")(view)))
    browser = browse(app)
    headers = {"Authorization": "Bearer token-of-ada"}
    for path, status in (("/page", 200), ("/gated", 200), ("/shut", 404)):
        answer = browser.get(path, headers=headers)
        assert answer.status_code == status
        assert answer.headers.get("Set-Cookie") is None
        assert status == 404 or answer.json[0] == "ada"
        refused = browser.get(path)
        assert refused.status_code == 401
        assert refused.headers.get("Set-Cookie") is None
    assert set(exposed(app, server)) == {"ada"}


def test_who_logs_in_after_an_async_view_has_found_out_who_asks_is_the_one_who_asks(
    make_app: Callable[..., Flask], browse: Any
) -> None:
    app = make_app()
    LoginManager(app).user_loader(User)
    SignaKit(app)

    @app.post("/login")
    async def log_in() -> str:
        found = await aflags()
        login_user(User("ada"))
        return (await aflags()).user_id if found is await aflags() else "another context"

    assert browse(app).post("/login").text == "ada"

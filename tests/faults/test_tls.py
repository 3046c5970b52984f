"""The TLS context of a client: where it is made, what it trusts, and what a file that cannot be used looks like."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import ssl
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flags import SignaKitClient, _hook
from signakit_flags._runtime import process
from signakit_flags._runtime.transport.environment import Environment
from signakit_flags.integration import LazyClient
from support.configs import SDK_KEY
from support.faces import SyncFace
from support.faults import arrived, once_each, within
from support.server import flag_server, wait_until
from support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from signakit_flags._runtime.transport.tls import TlsContext
    from support.faces import Face
    from support.server import FlagServer

pytestmark = pytest.mark.usefixtures("ended_loops")

WATCHDOG = 20.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def secure(authority: Authority, server: FlagServer) -> Iterator[FlagServer]:
    """A server for https, with the flags of the other one."""
    with flag_server(authority.context) as running:
        running.config_body, running.etag = server.config_body, server.etag
        yield running


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the authority, in ``SSL_CERT_FILE``."""
    path = authority.write(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads in which a context was made, one entry for each."""
    threads: list[threading.Thread] = []
    real = ssl.create_default_context

    def noted(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        with contextlib.suppress(RuntimeError):
            pytest.fail(f"made on {asyncio.get_running_loop()}")
        threads.append(threading.current_thread())
        return real(*args, **kwargs)

    monkeypatch.setattr(ssl, "create_default_context", noted)
    return threads


def use(face: Face, **settings: Any) -> SignaKitClient:
    """Return a client that has got a config and sent an exposure."""
    client = face.client(polling_interval=0, **settings)
    assert face.on_ready(client).reason is None
    face.decide(client, "exp")
    assert face.flush(client, WATCHDOG)
    return client


# --- one context ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusted")
def test_one_context_serves_config_and_events(face: Face, secure: FlagServer, made: list[threading.Thread]) -> None:
    client = use(face, **secure.urls)
    assert face.refresh(client)
    assert len(made) == 1
    assert arrived(secure) == once_each(["u"])


@pytest.mark.usefixtures("trusted")
def test_one_context_serves_both_faces_and_a_child(secure: FlagServer, made: list[threading.Thread]) -> None:
    face = SyncFace(**secure.urls)
    client = use(face)
    assert asyncio.run(client.on_ready()).success
    client._engine.after_fork()  # of no consequence in a process that was not forked
    assert client.refresh_sync()
    assert len(made) == 1
    face.finish()


def test_no_context_is_made_for_http(face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[str] = []
    real = ssl.SSLContext.__new__

    def noted(kind: type[ssl.SSLContext], *args: Any, **kwargs: Any) -> ssl.SSLContext:
        kinds.append(kind.__name__)
        return real(kind, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "__new__", noted)
    use(face, **server.urls)
    assert kinds == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("verb", ["on_ready_sync", "create_user_context"])
def test_a_sync_call_that_does_not_wait_makes_no_context_on_the_event_loop_that_it_comes_from(
    secure: FlagServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """As the first request of a framework starts loading."""
    real = ssl.create_default_context
    threads: list[threading.Thread] = []

    def noting(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return real(*args, **kwargs)

    async def main() -> None:
        client = LazyClient(SDK_KEY, polling_interval=0, **secure.urls)
        if verb == "on_ready_sync":
            client.on_ready_sync(0)
        else:
            client.create_user_context("u")
        while not client.is_ready:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)
        await client.aclose()

    monkeypatch.setattr(ssl, "create_default_context", noting)
    asyncio.run(asyncio.wait_for(main(), WATCHDOG))
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.usefixtures("trusted")
def test_no_event_loop_stands_while_a_context_is_made(secure: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made in a thread that ends with it."""
    real = ssl.create_default_context
    inside, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def held(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        inside.set()
        assert go_on.wait(WATCHDOG)
        return real(*args, **kwargs)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            client = SignaKitClient(SDK_KEY, polling_interval=0, **secure.urls)
            stack.push_async_callback(client.aclose)
            ready = asyncio.create_task(client.on_ready())
            while not inside.is_set():  # noqa: ASYNC110  # an event of threads
                await asyncio.sleep(0.005)
            # A second client has nothing to import, so it does not wait for the first one's lock.
            other = SignaKitClient(SDK_KEY, polling_interval=0, **secure.urls)
            stack.push_async_callback(other.aclose)
            others = asyncio.create_task(other.on_ready())
            for _ in range(20):
                await asyncio.sleep(0)
            go_on.set()
            assert (await ready).success
            assert (await others).success

    monkeypatch.setattr(ssl, "create_default_context", held)
    asyncio.run(SignaKitClient(SDK_KEY, polling_interval=0, cdn_url="http://127.0.0.1:1").on_ready())  # imports
    asyncio.run(main())
    assert all(thread.daemon for thread in threads)
    assert wait_until(lambda: not any(thread.is_alive() for thread in threads))


@pytest.mark.usefixtures("trusted")
def test_the_thread_that_makes_a_context_starts_without_the_variables_of_the_request(
    secure: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ``thread_inherit_context`` is set, it would keep them."""
    variable = contextvars.ContextVar("variable", default="nothing")
    start = threading.Thread.start
    inherited: list[str] = []

    def noting(thread: threading.Thread) -> None:
        inherited.append(variable.get())
        start(thread)

    async def main() -> None:
        variable.set("a request's")
        await Environment(secure.url).tls.make_off_loop(WATCHDOG)

    monkeypatch.setattr(threading.Thread, "start", noting)
    asyncio.run(main())
    assert inherited == ["nothing"]


@pytest.mark.usefixtures("trusted")
def test_without_threads_a_context_is_made_in_place(secure: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        client = SignaKitClient(SDK_KEY, polling_interval=0, **secure.urls)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        try:
            assert (await client._engine._async_transport()._environment.tls.make_off_loop(WATCHDOG)) is not None
        finally:
            monkeypatch.undo()

    asyncio.run(main())


@pytest.mark.usefixtures("trusted")
def test_a_request_that_is_cancelled_while_a_context_is_made_leaves_nothing_behind(
    secure: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    real = ssl.create_default_context

    def held(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        inside.set()
        assert go_on.wait(WATCHDOG)
        return real(*args, **kwargs)

    tls = Environment(secure.url).tls

    async def main(*, ends: bool) -> None:
        task = asyncio.create_task(tls.make_off_loop(WATCHDOG))
        while not inside.is_set():  # noqa: ASYNC110  # an event of threads
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        if not ends:
            go_on.set()
            assert await tls.make_off_loop(WATCHDOG) is tls.make(None)

    monkeypatch.setattr(ssl, "create_default_context", held)
    asyncio.run(main(ends=True))
    asyncio.run(main(ends=False))


# --- a thread that does not come back ---------------------------------------------------------------------------------


@contextlib.contextmanager
def stuck_in_openssl(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A thread that makes a context stays in it, as after a fork at a bad moment. The event tells of it."""
    inside, go_on = threading.Event(), threading.Event()

    def stuck(*_args: Any, **_kwargs: Any) -> ssl.SSLContext:
        inside.set()
        go_on.wait(2 * WATCHDOG)
        raise ssl.SSLError("late")

    monkeypatch.setattr(ssl, "create_default_context", stuck)
    try:
        yield inside
    finally:
        go_on.set()
        assert wait_until(lambda: process.no_fork.acquire(blocking=False))
        process.no_fork.release()


def make_in_vain(tls: TlsContext) -> None:
    with contextlib.suppress(ssl.SSLError):
        tls.make(None)


def test_close_does_not_wait_for_a_thread_that_is_stuck(
    face: Face, secure: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stuck_in_openssl(monkeypatch) as inside:
        client = face.client(timeout=0.5, polling_interval=0, **secure.urls)
        client._engine.track("u", {}, "visit", {}, None, None)
        assert inside.wait(WATCHDOG)
        within(WATCHDOG, lambda: face.close(client, timeout=0.2) or True)
        assert client.status().dropped == 1


def test_a_client_beside_a_thread_that_is_stuck_fails_in_time(
    face: Face, server: FlagServer, secure: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stuck_in_openssl(monkeypatch) as inside:
        threading.Thread(target=make_in_vain, args=(Environment().tls,)).start()
        assert inside.wait(WATCHDOG)
        client = face.client(timeout=0.3, polling_interval=0, **secure.urls)
        assert within(WATCHDOG, lambda: face.on_ready(client)).reason == "no answer within 0.3 s"
        within(WATCHDOG, lambda: face.close(client) or True)
        use(face, **server.urls)  # http needs no context


# --- what is trusted --------------------------------------------------------------------------------------------------


def test_the_paths_are_those_of_when_the_client_was_made(
    face: Face, secure: FlagServer, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = face.client(polling_interval=0, **secure.urls)
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    assert face.on_ready(client).success


def test_a_server_that_is_not_trusted_is_refused_and_the_reason_names_the_variable(
    face: Face, secure: FlagServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = face.client(polling_interval=0, **secure.urls)
    reason = face.on_ready(client).reason or ""
    assert "CERTIFICATE_VERIFY_FAILED" in reason
    assert "SSL_CERT" not in reason
    other = Authority().write(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    client = face.client(polling_interval=0, **secure.urls)
    reason = face.on_ready(client).reason or ""
    assert "CERTIFICATE_VERIFY_FAILED" in reason
    assert reason.endswith(f" (the trusted certificates are those of SSL_CERT_FILE={str(other)!r})")
    assert secure.config_requests == []


@pytest.mark.usefixtures("trusted")
def test_the_context_serves_an_https_proxy_too(
    face: Face, secure: FlagServer, monkeypatch: pytest.MonkeyPatch, made: list[threading.Thread]
) -> None:
    monkeypatch.setattr(_hook, "refuse_network", None)
    monkeypatch.setenv("HTTP_PROXY", secure.url)
    use(face, cdn_url="http://cdn.test", events_url="http://events.test")
    assert {request["host"] for request in secure.config_requests} == {"cdn.test"}
    assert len(made) == 1


@pytest.mark.usefixtures("trusted")
def test_an_https_url_is_reached_through_the_tunnel_of_a_proxy(
    face: Face, server: FlagServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hook, "refuse_network", None)
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.tunnel_context = authority.context
    use(face, cdn_url="https://cdn.test", events_url="https://cdn.test/v1/flag-events")
    assert set(server.tunnels) == {"cdn.test:443"}


# --- a file that cannot be used ---------------------------------------------------------------------------------------

FILE = "It must name a PEM file of certificates"
FOLDER = "It must name a folder of certificates"
KEYS = "It must name a file that can be written"


def missing(path: Path) -> None:
    pass


def in_a_missing_folder(path: Path) -> None:
    path.parent.rmdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("no certificate\n")


def cut_short(path: Path) -> None:
    path.write_bytes(Authority().write(path).read_bytes()[:100])


def folder(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


UNUSABLE = [
    ("SSL_CERT_FILE", missing, f"the file does not exist. {FILE}"),
    ("SSL_CERT_FILE", folder, f"it is a folder. {FILE}"),
    ("SSL_CERT_FILE", fifo, f"it is a FIFO and not a regular file. {FILE}"),
    ("SSL_CERT_FILE", empty, f"it has no certificate that can be read. {FILE}"),
    ("SSL_CERT_FILE", text, f"it has no certificate that can be read. {FILE}"),
    ("SSL_CERT_FILE", cut_short, f"it has no certificate that can be read. {FILE}"),
    ("SSL_CERT_DIR", missing, f"it is not a folder. {FOLDER}"),
    ("SSL_CERT_DIR", empty, f"it is not a folder. {FOLDER}"),
    ("SSLKEYLOGFILE", in_a_missing_folder, f"the file does not exist. {KEYS}"),
    ("SSLKEYLOGFILE", fifo, f"it is a FIFO. {KEYS}"),
    ("SSLKEYLOGFILE", folder, f"it is a folder. {KEYS}"),
]


@pytest.fixture(params=UNUSABLE, ids=[f"{name}-{spoil.__name__}" for name, spoil, _ in UNUSABLE])
def reason(request: pytest.FixtureRequest, trusted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What is said of a variable that names something that cannot be used, as it does from now on."""
    variable, spoil, why = request.param
    if variable == "SSL_CERT_DIR":
        monkeypatch.delenv("SSL_CERT_FILE")  # which comes before it
    path = tmp_path / "etc" / "file"
    path.parent.mkdir()
    spoil(path)
    monkeypatch.setenv(variable, str(path))
    return f"{variable}={str(path)!r} cannot be used: {why}"


def test_a_file_that_cannot_be_used_is_named_in_the_reason(face: Face, secure: FlagServer, reason: str) -> None:
    client = face.client(polling_interval=0, **secure.urls)
    assert face.on_ready(client).reason == reason
    assert face.refresh(client) is False
    face.close(client)


@pytest.mark.usefixtures("reason")
def test_a_file_that_cannot_be_used_does_not_matter_to_http(face: Face, server: FlagServer) -> None:
    use(face, **server.urls)


@pytest.mark.usefixtures("quick_retries")
def test_a_file_that_is_corrected_is_used_by_the_next_attempt(
    face: Face, secure: FlagServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "authority.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    client = face.client(**secure.urls)
    assert face.on_ready(client).success is False
    authority.write(path)
    assert face.wait_until(lambda: client.is_ready)
    face.decide(client, "exp")
    assert face.flush(client, WATCHDOG)


@pytest.mark.usefixtures("trusted")
def test_several_folders_may_be_named_of_which_one_is_there(
    face: Face, secure: FlagServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", f"/no/such/folder{os.pathsep}{tmp_path}")
    client = face.client(polling_interval=0, **secure.urls)
    assert "CERTIFICATE_VERIFY_FAILED" in (face.on_ready(client).reason or "")  # the folder has no certificate of ours


def test_an_injected_client_keeps_its_own_certificates(
    secure: FlagServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    context = ssl.create_default_context(cafile=authority.write(tmp_path / "own.pem"))
    with httpx.Client(verify=context, trust_env=False) as injected:
        face = SyncFace(**secure.urls)
        use(face, sync_client=injected)
        face.finish()

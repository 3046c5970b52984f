"""Which proxy requests go through. The server of these tests is the proxy, and answers for any host by itself."""

from __future__ import annotations

import logging
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flags import _hook
from signakit_flags._runtime.transport import proxies
from signakit_flags._runtime.transport.environment import Environment
from signakit_flags.integration import parse_options
from support.faults import arrived, lines, once_each, within
from support.frames import leaks, of_stack

if TYPE_CHECKING:
    from support.faces import Face
    from support.server import FlagServer

pytestmark = pytest.mark.usefixtures("ended_loops", "_any_name")

WATCHDOG = 20.0
CDN, EVENTS = "http://cdn.test", "http://events.test/v1/flag-events"
DEAD = "http://127.0.0.1:1"


@pytest.fixture
def _any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of other machines are asked for here, of the proxy."""
    monkeypatch.setattr(_hook, "refuse_network", None)


@pytest.fixture
def proxy(server: FlagServer) -> FlagServer:
    return server


def hosts(proxy: FlagServer) -> set[str]:
    """The hosts that the proxy was asked for."""
    return {headers["host"] for headers in [*proxy.config_requests, *proxy.post_headers]}


def use(face: Face, **settings: Any) -> str | None:
    """Get a config and send an exposure; return the reason where that cannot be done."""
    client = face.client(**{"polling_interval": 0, "cdn_url": CDN, "events_url": EVENTS, **settings})
    reason = face.on_ready(client).reason
    if client.is_ready:
        face.decide(client, "exp")
        assert face.flush(client, WATCHDOG)
    return reason


# --- which proxy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "Http_Proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_requests_go_through_the_proxy_of_the_environment(
    face: Face, proxy: FlagServer, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    monkeypatch.setenv(name, f" {scheme}{proxy.url.removeprefix('http://')} ")
    assert use(face) is None
    assert hosts(proxy) == {"cdn.test", "events.test"}
    assert arrived(proxy) == once_each(["u"])


def test_the_proxy_of_a_scheme_comes_before_that_of_all(
    face: Face, proxy: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", DEAD)
    monkeypatch.setenv("HTTPS_PROXY", DEAD)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert use(face) is None


def test_the_password_of_a_proxy_is_sent_to_it(face: Face, proxy: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:secret@"))
    assert use(face) is None
    assert proxy.config_requests[0]["proxy-authorization"] == "Basic dXNlcjpzZWNyZXQ="


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_each_url_has_a_proxy_or_none_of_its_own(
    face: Face, proxy: FlagServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Events are sent, though the CDN is said to be reached directly and is not."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv(name, "*.invalid")
    client = face.client(polling_interval=0, cdn_url="http://cdn.invalid", events_url=EVENTS)
    assert "ConnectError" in (face.on_ready(client).reason or "")
    assert hosts(proxy) == set()
    monkeypatch.setenv(name, "other.test")
    assert use(face) is None
    assert hosts(proxy) == {"cdn.test", "events.test"}


@pytest.mark.parametrize("proxied", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "flags.localhost"])
def test_this_machine_is_never_reached_through_a_proxy(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, proxied: str, host: str
) -> None:
    monkeypatch.setenv(proxied, DEAD)
    url = server.url.replace("127.0.0.1", host)
    if host == "flags.localhost":  # not every system knows it
        assert Environment(url).route(url).proxy is None
        return
    assert use(face, cdn_url=url, events_url=f"{url}/v1/flag-events") is None
    assert arrived(server) == once_each(["u"])


def test_a_client_keeps_the_proxies_that_there_were_when_it_was_made(
    face: Face, proxy: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    client = face.client(polling_interval=0, cdn_url=CDN, events_url=EVENTS)
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    assert face.on_ready(client).success


@pytest.mark.parametrize("setting", [{}, {"HTTP_PROXY": ""}, {"NO_PROXY": "*"}, {"TRAVIS_APT_PROXY": DEAD}])
@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="the system has settings of its own")
def test_nothing_is_asked_where_there_is_no_proxy(monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]) -> None:
    """What reads proxies takes long to import."""
    asked: list[bool] = []
    monkeypatch.setattr(urllib.request, "getproxies", lambda: asked.append(True) or {})
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert Environment(CDN).route(CDN).proxy is None
    assert len(asked) == ("HTTP_PROXY" in setting)
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    Environment()
    Environment("http://localhost:4747")
    assert len(asked) == ("HTTP_PROXY" in setting)


def test_a_client_of_this_machine_imports_nothing_that_reads_proxies() -> None:
    program = (
        "import os, sys; os.environ['HTTP_PROXY'] = 'http://proxy.test'\n"
        "from signakit_flags import SignaKitClient\n"
        "SignaKitClient('sk_dev_org1_1234_abc', cdn_url='http://localhost:1', events_url='http://localhost:1')\n"
        "print(sorted(sys.modules.keys() & {'urllib.request', 'httpx', 'ssl'}))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("injected", ["none", "sync", "async", "both"])
def test_the_system_is_asked_once_a_client_and_not_where_a_sync_client_is_injected(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, injected: str
) -> None:
    """Asking later kills a forked child on a Mac."""
    asked: list[bool] = []
    monkeypatch.setattr(urllib.request, "getproxies", lambda: asked.append(True) or {})
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    clients: dict[str, Any] = {}
    with httpx.Client(trust_env=False) as of_threads:
        if injected in {"sync", "both"}:
            clients["sync_client"] = of_threads
        if injected in {"async", "both"}:
            clients["async_client"] = httpx.AsyncClient(trust_env=False)
        client = face.client(polling_interval=0, cdn_url=CDN, **clients)
    assert len(asked) == (injected in {"none", "async"})  # a sync client makes every request, where it is alone
    if injected == "none":
        face.on_ready(client)
        face.refresh(client)
        assert len(asked) == 1
        client._engine.after_fork()  # of no consequence in a process that was not forked
        face.refresh(client)
        assert len(asked) == 1
    if "async_client" in clients:
        face.run(clients["async_client"].aclose)


# --- NO_PROXY ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["fd07:b51a:cc66:f0::/64", "localhost,::1/128", "[::1]", "10.*", "*:x,,;"])
def test_no_value_of_no_proxy_stops_a_client(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, setting: str
) -> None:
    monkeypatch.setenv("NO_PROXY", setting)
    assert use(face, **server.urls) is None
    assert not lines(caplog, "NO_PROXY")  # which matters beside a proxy alone


def test_entries_that_cannot_be_read_are_skipped_and_named_once(
    face: Face, proxy: FlagServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proxies, "_named", set())
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", f"10.*,user:secret@shop.test,{'<' * 1_000},a;b,c;d,other.test")
    assert use(face) is None
    assert hosts(proxy) == {"cdn.test", "events.test"}
    [line] = lines(caplog, "NO_PROXY")
    assert line.startswith("entries of NO_PROXY that cannot be read are skipped: 10.*, ***@shop.test, <<<<")
    assert line.endswith("... and 2 more")
    assert len(line) < 200
    assert use(face) is None
    assert len(lines(caplog, "NO_PROXY")) == 1


def test_each_entry_that_cannot_be_read_is_named_once_and_not_without_an_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proxies, "_named", set())
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    for setting in ("10.*", "10.*,11.*", "11.*"):
        monkeypatch.setenv("NO_PROXY", setting)
        # The settings of an integration are tried out by making clients.
        parse_options({"sdk_key": "sk_dev_org1_1234_abc", "cdn_url": CDN, "timeout": -1})
    assert [line.rpartition(": ")[2] for line in lines(caplog, "NO_PROXY")] == ["10.*", "11.*"]
    for number in range(proxies.MAX_REMEMBERED + 20):
        monkeypatch.setenv("NO_PROXY", f"{number}.*.*")
        Environment(CDN)
    assert len(lines(caplog, "NO_PROXY")) == proxies.MAX_REMEMBERED


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("http://user:a://b@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("user:a://b@127.0.0.1:9", "***@127.0.0.1:9"),
        ("ftp://shop.test", "ftp://shop.test"),
        ("a;\x1b[31m", r"a;\x1b[31m"),
    ],
)
def test_an_entry_is_named_without_a_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, entry: str, shown: str
) -> None:
    monkeypatch.setattr(proxies, "_named", set())
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    monkeypatch.setenv("NO_PROXY", entry)
    Environment(CDN)
    assert [line.partition(": ")[2] for line in lines(caplog, "NO_PROXY")] == [shown]


def test_the_entries_beside_one_that_cannot_be_read_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    monkeypatch.setenv("NO_PROXY", "10.*,cdn.test")
    environment = Environment(CDN, EVENTS)
    assert environment.route(CDN).proxy is None
    assert environment.route(EVENTS).proxy is not None


# --- a proxy that cannot be used --------------------------------------------------------------------------------------

SOCKS = "SOCKS needs the package socksio: pip install 'httpx[socks]'"
SCHEME = "its scheme must be one of http, https, socks5, socks5h"
FORM = "it is not a URL with a host and a port"


@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize(
    ("proxy", "shown", "why"),
    [
        ("socks5://127.0.0.1:1", "socks5://127.0.0.1:1", SOCKS),
        ("socks5h://user:secret@127.0.0.1:1", "socks5h://***@127.0.0.1:1", SOCKS),
        ("socks://127.0.0.1:1", "socks://127.0.0.1:1", SCHEME),
        ("no-protocol://127.0.0.1:1", "no-protocol://127.0.0.1:1", SCHEME),
        ("http://user:secret@127.0.0.1:http", "http://***@127.0.0.1:http", FORM),
        ("http://user:sec/r@et@127.0.0.1:1", "http://***@127.0.0.1:1", FORM),
        ("127.0.0.1:123456", "http://127.0.0.1:123456", FORM),
        ("http://", "http://", FORM),
    ],
)
def test_an_unusable_proxy_setting_is_reported_in_the_reason_and_not_raised(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str, shown: str, why: str
) -> None:
    monkeypatch.setenv(name, proxy)
    client = face.client(polling_interval=0, cdn_url=CDN, events_url=server.events_url)
    result = within(WATCHDOG, lambda: face.on_ready(client))
    assert result.reason == f"the proxy {name}={shown} cannot be used: {why}"
    assert within(WATCHDOG, lambda: face.refresh(client)) is False
    face.close(client)


def test_a_failure_behind_a_proxy_names_it(face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("//", "//user:secret@"))
    server.down()
    client = face.client(polling_interval=0, cdn_url=CDN)
    reason = face.on_ready(client).reason or ""
    assert reason.startswith("ConnectError: ")
    assert reason.endswith(f" (through the proxy HTTP_PROXY={server.url.replace('//', '//***@')})")


def test_an_unusable_proxy_of_the_cdn_does_not_hold_up_events_that_need_none(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    client = face.client(cdn_url=CDN, events_url=server.events_url)
    assert face.on_ready(client).success is False
    client._engine.track("u", {}, "visit", {}, None, None)
    assert face.flush(client, WATCHDOG)
    assert arrived(server) == once_each(["u"])


def test_socks_needs_no_package_where_no_proxy_exempts_the_host(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    assert use(face, **server.urls) is None


def test_no_variable_of_a_frame_shows_a_password_while_a_line_is_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[str] = []

    class Look(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.extend([record.getMessage(), *leaks("secret", of_stack())])

    monkeypatch.setattr(proxies, "_named", set())
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@proxy.test")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.test")
    monkeypatch.setenv("NO_PROXY", "http://user:secret@shop.test,10.*")
    handler, logger = Look(), logging.getLogger("signakit_flags")
    logger.addHandler(handler)
    try:
        Environment(CDN)
    finally:
        logger.removeHandler(handler)
    assert found == ["entries of NO_PROXY that cannot be read are skipped: http://***@shop.test, 10.*"]


def test_no_variable_of_a_traceback_shows_the_password_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@proxy.test")
    assert repr(Environment(CDN).route(CDN)) == "Route(proxy=HTTP_PROXY=http://***@proxy.test, tls=False)"

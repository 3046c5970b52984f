"""Sites under real servers, most with several workers.

In each: every worker becomes ready, every worker sees a flipped flag within two polls, and what each worker exposed
arrives once, to the last moment before the end.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from support.configs import config, flag, rule, whole
from support.server import FlagServer, status
from support.servers import Site, decided, exposures, polls_with

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = sys.executable
WSGI = "support.django_site.wsgi:application"
ASGI = "support.django_site.asgi:application"
GUNICORN = (PYTHON, "-m", "gunicorn", WSGI, "--bind", "127.0.0.1:{port}", "--no-control-socket")
FLASK = (PYTHON, "-m", "gunicorn", "support.flask_site.deployed:app", *GUNICORN[4:])
UWSGI = (
    *(PYTHON, "-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"),
    *("--http-socket", "127.0.0.1:{port}", "--master", "--die-on-term", "--need-app", "--module", WSGI),
    *("--processes", "3", "--enable-threads"),
)

SERVERS = {
    "gunicorn": ((*GUNICORN, "--workers", "3"), 3, "/sync/worker"),
    "gunicorn --preload": ((*GUNICORN, "--workers", "3", "--preload"), 3, "/sync/worker"),
    "gunicorn threads": ((*GUNICORN, "--workers", "2", "--threads", "4"), 2, "/sync/worker"),
    "gunicorn --preload threads": ((*GUNICORN, "--workers", "2", "--threads", "4", "--preload"), 2, "/sync/worker"),
    "gunicorn gevent": ((*GUNICORN, "--workers", "2", "-k", "gevent"), 2, "/sync/worker"),
    "gunicorn --preload gevent": ((*GUNICORN, "--workers", "2", "-k", "gevent", "--preload"), 2, "/sync/worker"),
    "uwsgi lazy-apps": ((*UWSGI, "--lazy-apps"), 3, "/sync/worker"),
    "uwsgi fork hooks": ((*UWSGI, "--py-call-uwsgi-fork-hooks"), 3, "/sync/worker"),
    "uwsgi threads": ((*UWSGI, "--lazy-apps", "--threads", "4"), 3, "/sync/worker"),
    "uvicorn": ((PYTHON, "-m", "uvicorn", ASGI, "--port", "{port}"), 1, "/async/worker"),
    "uvicorn workers": ((PYTHON, "-m", "uvicorn", ASGI, "--port", "{port}", "--workers", "2"), 2, "/async/worker"),
    "uvicorn sync views": ((PYTHON, "-m", "uvicorn", ASGI, "--port", "{port}", "--workers", "2"), 2, "/sync/worker"),
    "flask gunicorn": ((*FLASK, "--workers", "3"), 3, "/sync/worker"),
    "flask gunicorn async views": ((*FLASK, "--workers", "2"), 2, "/async/worker"),
    "flask gunicorn --preload": ((*FLASK, "--workers", "3", "--preload"), 3, "/sync/worker"),
    "flask gunicorn threads": ((*FLASK, "--workers", "2", "--threads", "4"), 2, "/sync/worker"),
    "flask gunicorn --preload threads": ((*FLASK, "--workers", "2", "--threads", "4", "--preload"), 2, "/sync/worker"),
    "flask gunicorn gevent": ((*FLASK, "--workers", "2", "-k", "gevent"), 2, "/sync/worker"),
    "flask gunicorn --preload gevent": ((*FLASK, "--workers", "2", "-k", "gevent", "--preload"), 2, "/sync/worker"),
    "flask waitress-serve": (
        (PYTHON, "-m", "waitress", "--listen", "127.0.0.1:{port}", "support.flask_site.deployed:app"),
        1,
        "/sync/worker",
    ),
    "flask waitress": ((PYTHON, "-m", "support.flask_site.under_waitress", "{port}"), 1, "/sync/worker"),
}

# By SIGTERM that one ends at once, and runs nothing at the exit.
ENDED_BY = {"flask waitress-serve": signal.SIGINT}


def flipped(switch: str) -> dict[str, object]:
    return config(flag("exp", rule("r-exp")), flag("switch", allocation=whole(switch)))


@pytest.fixture(params=SERVERS)
def running(request: pytest.FixtureRequest, server: FlagServer) -> Iterator[tuple[Site, int, signal.Signals]]:
    if "uwsgi" in request.param:
        pytest.importorskip("pyuwsgi")
    command, workers, path = SERVERS[request.param]
    server.set_config(flipped("on"))
    with Site(*command, path=path, server=server) as site:
        site.until(site.answers_at_all)
        yield site, workers, ENDED_BY.get(request.param, signal.SIGTERM)


def test_every_worker_is_ready_sees_a_flip_and_delivers_once(
    running: tuple[Site, int, signal.Signals], server: FlagServer
) -> None:
    site, workers, ended_by = running
    users = [f"user{number}" for number in range(10)]

    # Every worker becomes ready. A worker that is not answers with defaults.
    site.until(lambda: len({a["pid"] for a in site.ask_all(users) if a["switch"] == "on"}) == workers)

    # A flag is flipped. Each process asks at most twice for what is no longer current.
    old, since = server.etag, len(server.config_requests)
    server.set_config(flipped("off"))
    site.until(lambda: len({a["pid"] for a in site.ask_all(users) if a["switch"] == "off"}) == workers)
    pollers = workers + 1  # a server that preloads has a client in its master, too
    assert 1 <= polls_with(server, old, since=since) <= 2 * pollers

    # The last answers are given right before the end, while the ingest is slow: what they exposed is still queued then.
    server.events_latency = 0.3
    site.ask_all([f"late{number}" for number in range(10)])
    site.stop(ended_by)
    assert exposures(server) == dict.fromkeys(decided(site.answers), 1), site.log
    print(f"{len(site.answers)} requests, {workers} workers, {len(server.events)} exposures, each once")


@pytest.mark.parametrize("name", ["gunicorn --preload", "uvicorn workers", "flask gunicorn --preload"])
def test_workers_that_start_while_the_cdn_is_away_serve_and_become_ready(name: str, server: FlagServer) -> None:
    command, workers, path = SERVERS[name]
    server.set_config(flipped("on"))
    server.config_fault = status(503)
    with Site(*command, path=path, server=server, SITE_READY_TIMEOUT="0.1") as site:
        site.until(site.answers_at_all)
        assert site.ask("early")["switch"] == "none"
        server.config_fault = None
        users = [f"user{number}" for number in range(10)]
        site.until(lambda: len({a["pid"] for a in site.ask_all(users) if a["switch"] == "on"}) == workers)
        site.stop()
        assert exposures(server) == dict.fromkeys(decided(site.answers), 1), site.log

"""Sites under real servers, most with several workers, against the emulator.

In each: every worker becomes ready, every worker sees a flipped flag within two polls, and what each worker exposed
arrives once, to the last moment before the end. The counts stand at the end of a run.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from support.servers import Deployment, Site, answering, counted, decided, exposures, flipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_dev.testing import Emulator

PYTHON = (sys.executable, "-m")
GUNICORN = (*PYTHON, "gunicorn", "--bind", "127.0.0.1:{port}", "--no-control-socket")
GEVENT = ("-k", "gevent")
THREADS = ("--threads", "4")
UVICORN = (*PYTHON, "uvicorn", "--port", "{port}")
TWO = ("--workers", "2")
THREE = ("--workers", "3")

DJANGO = "support.django_site.wsgi:application"
DJANGO_ASGI = "support.django_site.asgi:application"
FLASK = "support.flask_site.deployed:app"
FASTAPI = "support.fastapi_site:app"

UWSGI = (
    *(sys.executable, "-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"),
    *("--http-socket", "127.0.0.1:{port}", "--master", "--need-app", "--module", DJANGO),
    *("--processes", "3", "--enable-threads"),
    # Not --die-on-term: a worker that dies just after the last byte of an answer runs none of its exit hooks.
    *("--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
)
UVICORN_WORKER = ("-k", "uvicorn_worker.UvicornWorker")
GRANIAN = (*PYTHON, "granian", "--interface", "asgi", "--port", "{port}")


def django(*command: str, workers: int, path: str = "/sync/worker", preloads: bool = False) -> Deployment:
    return Deployment(command=command, workers=workers, path=path, preloads=preloads)


def flask(
    *command: str, workers: int, path: str = "/sync/worker", ended_by: signal.Signals = signal.SIGTERM
) -> Deployment:
    """The client of a Flask application begins with the first request. One on an event loop does not wait for it."""
    waits = path.startswith("/sync")
    return Deployment(command=command, workers=workers, path=path, loads_at_start=waits, ended_by=ended_by)


def fastapi(*command: str, workers: int, path: str = "/async/worker") -> Deployment:
    """The client of an ASGI application begins with the lifespan, in each worker, and works on its loop."""
    return Deployment(command=command, workers=workers, path=path, threads=False)


DEPLOYMENTS = {
    "django gunicorn": django(*GUNICORN, DJANGO, *THREE, workers=3),
    "django gunicorn --preload": django(*GUNICORN, DJANGO, *THREE, "--preload", workers=3, preloads=True),
    "django gunicorn threads": django(*GUNICORN, DJANGO, *TWO, *THREADS, workers=2),
    "django gunicorn --preload threads": django(
        *GUNICORN, DJANGO, *TWO, *THREADS, "--preload", workers=2, preloads=True
    ),
    "django gunicorn gevent": django(*GUNICORN, DJANGO, *TWO, *GEVENT, workers=2),
    "django gunicorn --preload gevent": django(*GUNICORN, DJANGO, *TWO, *GEVENT, "--preload", workers=2, preloads=True),
    "django uwsgi lazy-apps": django(*UWSGI, "--lazy-apps", workers=3),
    "django uwsgi fork hooks": django(*UWSGI, "--py-call-uwsgi-fork-hooks", workers=3, preloads=True),
    "django uwsgi threads": django(*UWSGI, "--lazy-apps", *THREADS, workers=3),
    "django uvicorn": django(*UVICORN, DJANGO_ASGI, workers=1, path="/async/worker"),
    "django uvicorn workers": django(*UVICORN, DJANGO_ASGI, *TWO, workers=2, path="/async/worker"),
    "django uvicorn sync views": django(*UVICORN, DJANGO_ASGI, *TWO, workers=2),
    "flask gunicorn": flask(*GUNICORN, FLASK, *THREE, workers=3),
    "flask gunicorn async views": flask(*GUNICORN, FLASK, *TWO, workers=2, path="/async/worker"),
    "flask gunicorn --preload": flask(*GUNICORN, FLASK, *THREE, "--preload", workers=3),
    "flask gunicorn threads": flask(*GUNICORN, FLASK, *TWO, *THREADS, workers=2),
    "flask gunicorn --preload threads": flask(*GUNICORN, FLASK, *TWO, *THREADS, "--preload", workers=2),
    "flask gunicorn gevent": flask(*GUNICORN, FLASK, *TWO, *GEVENT, workers=2),
    "flask gunicorn --preload gevent": flask(*GUNICORN, FLASK, *TWO, *GEVENT, "--preload", workers=2),
    # By SIGTERM that one ends at once, and runs nothing at the exit.
    "flask waitress-serve": flask(
        *PYTHON, "waitress", "--listen", "127.0.0.1:{port}", FLASK, workers=1, ended_by=signal.SIGINT
    ),
    "flask waitress": flask(*PYTHON, "support.flask_site.under_waitress", "{port}", workers=1),
    "fastapi uvicorn": fastapi(*UVICORN, FASTAPI, workers=1),
    "fastapi uvicorn workers": fastapi(*UVICORN, FASTAPI, *TWO, workers=2),
    "fastapi uvicorn def": fastapi(*UVICORN, FASTAPI, *TWO, workers=2, path="/sync/worker"),
    "fastapi gunicorn": fastapi(*GUNICORN, FASTAPI, *TWO, *UVICORN_WORKER, workers=2),
    "fastapi gunicorn --preload": fastapi(
        *GUNICORN, FASTAPI, *TWO, *UVICORN_WORKER, "--preload", workers=2, path="/sync/worker"
    ),
    "fastapi granian": fastapi(*GRANIAN, FASTAPI, *TWO, workers=2),
    "fastapi granian asyncio": fastapi(*GRANIAN, FASTAPI, *TWO, "--loop", "asyncio", workers=2, path="/sync/worker"),
}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_worker_is_ready_sees_a_flip_and_delivers_once(
    name: str, signakit_emulator: Emulator, record_property: Callable[[str, object], None]
) -> None:
    if "uwsgi" in name:
        pytest.importorskip("pyuwsgi")
    deployment, emulator = DEPLOYMENTS[name], signakit_emulator
    workers = deployment.workers
    users = [f"user{number}" for number in range(10)]
    emulator.set_config(flipped("on"))
    with Site(*deployment.command, path=deployment.path, server=emulator) as site:
        site.until(site.answers_at_all)

        # Every worker becomes ready. One that is not answers with defaults.
        site.until(lambda: len(answering(site.ask_all(users), "on")) == workers)
        assert not (deployment.loads_at_start and answering(site.answers, "none"))

        # A flag is flipped. Every process gets the new config at its first or second poll, and has it from then on.
        sent = emulator.configs_sent
        emulator.set_config(flipped("off"))
        site.until(lambda: len(answering(site.ask_all(users), "off")) == workers)
        polls = emulator.configs_sent - sent
        assert workers <= polls <= 2 * (workers + deployment.preloads)

        # The last answers are given while the ingest is away: what they exposed is still queued at the end, and nobody
        # would send it for half a minute, but for the end.
        refusing = emulator.fault("events", "status", status=503, retry_after=30)
        site.ask_all([f"late{number}" for number in range(10)])
        refusing.remove()
        site.stop(deployment.ended_by)
        arrived = exposures(emulator)
        record_property("counts", f"{name}: {counted(site.answers, arrived, polls)}")
        assert arrived == dict.fromkeys(decided(site.answers), 1), site.log
        assert deployment.threads or not any(answer["threads"] for answer in site.answers)
        assert "Traceback" not in site.log


@pytest.mark.parametrize(
    "name",
    [
        "django gunicorn --preload",
        "django uvicorn workers",
        "flask gunicorn --preload",
        "fastapi uvicorn workers",
        "fastapi gunicorn --preload",
        "fastapi granian",
    ],
)
def test_workers_that_start_while_the_cdn_is_away_serve_and_become_ready(
    name: str, signakit_emulator: Emulator
) -> None:
    deployment, emulator = DEPLOYMENTS[name], signakit_emulator
    emulator.set_config(flipped("on"))
    away = emulator.fault("config", "status", status=503)
    with Site(*deployment.command, path=deployment.path, server=emulator, SITE_READY_TIMEOUT="0.1") as site:
        site.until(site.answers_at_all)
        assert site.ask("early")["switch"] == "none"
        away.remove()
        users = [f"user{number}" for number in range(10)]
        site.until(lambda: len(answering(site.ask_all(users), "on")) == deployment.workers)
        site.stop()
        assert exposures(emulator) == dict.fromkeys(decided(site.answers), 1), site.log

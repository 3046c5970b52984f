"""What the extension costs a Flask request that asks for no flag.

    python3 dev.py run python benchmarks/flask_request.py

The same requests go through an app as it is, and through one with the extension, in interleaved rounds; the cost is the
median of its rounds less that of the bare app, in CPU time of the process, all threads included. So that a round is not
lost in the noise of Flask itself, a third app counts an ``after_request`` function that does nothing.
"""

from __future__ import annotations

import gc
import statistics
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.test import EnvironBuilder

from signakit_flask import SignaKit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIEnvironment

ROUNDS = 25
REQUESTS = 2_000


def main() -> None:
    """Print a table."""
    contestants = {"": bare(), "after_request": with_after_request(), "signakit-flask": with_extension()}
    environ = EnvironBuilder(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"})
    environment = environ.get_environ()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, app in contestants.items():
            gc.collect()
            times[name].append(run(app, environment))
    alone = statistics.median(times[""])
    print(
        f"Flask {version('flask')}, {ROUNDS} rounds of {REQUESTS} requests, {alone / REQUESTS * 1e6:.1f} us each alone"
    )
    for name, measured in times.items():
        if name:
            print(f"{name:18}{(statistics.median(measured) - alone) / REQUESTS * 1e6:10.2f} us")


def bare() -> Flask:
    """Return an app with one page."""
    app = Flask(__name__)
    app.add_url_rule("/", "page", lambda: "page")
    return app


def with_after_request() -> Flask:
    """Return the same with a function that Flask calls after each request."""
    app = bare()
    app.after_request(lambda response: response)
    return app


def with_extension() -> Flask:
    """Return the same with flags that nobody asks for."""
    app = bare()
    app.config.update(SIGNAKIT_SDK_KEY="sk_dev_org_1_benchmark", SIGNAKIT_CDN_URL="http://127.0.0.1:9")
    SignaKit(app)
    return app


def run(app: Flask, environ: WSGIEnvironment) -> float:
    """Serve the requests, and return the CPU seconds."""
    environments = [environ.copy() for _ in range(REQUESTS)]
    start = time.process_time()
    for environment in environments:
        served: Iterable[bytes] = app.wsgi_app(environment, start_response)
        for _ in served:
            pass
        close = getattr(served, "close", None)
        if close is not None:
            close()
    return time.process_time() - start


def start_response(*_: object) -> Callable[[bytes], object]:
    """Take the head of a response, as a server does."""
    return len


if __name__ == "__main__":
    main()

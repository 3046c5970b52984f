"""The shop on this machine: ``python -m flask_shop --port 5000``, in the folder ``examples``."""

import argparse
import contextlib
import logging
import os
import random
import signal
import sys
import threading

from werkzeug.serving import BaseWSGIServer, make_server

from signakit_dev._demo.visitors import visit
from signakit_flags import SignaKitClient

from . import create_app

closed = threading.Event()


def main() -> None:
    """Serve until SIGINT, SIGTERM or the end of stdin, and print the address once requests are answered."""
    parser = argparse.ArgumentParser(prog="python -m flask_shop", description="An example shop in Flask.")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--visitors", type=float, default=0.0, help="synthetic visitors a second")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = create_app()
    server = make_server("127.0.0.1", options.port, app, threaded=True)
    client = app.extensions["signakit"].client
    visiting = threading.Thread(target=keep_visiting, args=(client, options.visitors), daemon=True)
    if client is not None and options.visitors:
        visiting.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=end_with_stdin, args=(server,), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        server.serve_forever()  # what is queued is sent at the exit
    closed.set()
    if visiting.is_alive():
        visiting.join()


def keep_visiting(client: SignaKitClient, rate: float) -> None:
    """Send synthetic visitors through the shop until it closes."""
    client.on_ready_sync()  # as the first request would
    source = random.Random()
    while not closed.wait(source.expovariate(rate)):
        visit(client, source)


def end_with_stdin(server: BaseWSGIServer) -> None:
    """Stop at the end of stdin: whoever started this is gone."""
    # Not sys.stdin.read(): a thread in it holds a lock that Python wants back when it exits.
    with contextlib.suppress(OSError):
        while os.read(0, 1_000):
            pass
    server.shutdown()


if __name__ == "__main__":
    main()

"""The shop on this machine: ``python -m flask_shop --port 5000``, in the folder ``examples``."""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading

from werkzeug.serving import BaseWSGIServer, make_server

from . import create_app


def main() -> None:
    """Serve until SIGINT, SIGTERM or the end of stdin, and print the address once requests are answered."""
    parser = argparse.ArgumentParser(prog="python -m flask_shop", description="An example shop in Flask.")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--visitors", type=float, default=0.0, help="ignored: nobody comes by themselves")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = create_app()
    server = make_server("127.0.0.1", options.port, app, threaded=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=end_with_stdin, args=(server,), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()  # what is queued is sent at the exit


def end_with_stdin(server: BaseWSGIServer) -> None:
    """Stop at the end of stdin: whoever started this is gone."""
    # Not sys.stdin.read(): a thread in it holds a lock that Python wants back when it exits.
    with contextlib.suppress(OSError):
        while os.read(0, 1_000):
            pass
    server.shutdown()


if __name__ == "__main__":
    main()

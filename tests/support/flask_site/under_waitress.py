"""The site under waitress, which ends by SIGTERM at once, and runs nothing at the exit, but for one line."""

from __future__ import annotations

import signal
import sys

from waitress import serve

from .deployed import app

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=4)

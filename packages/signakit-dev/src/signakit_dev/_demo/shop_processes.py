"""The example shops that ``signakit demo`` can start, each in a process of its own.

What a shop keeps to: ``python -m MODULE --port N [--visitors RATE]`` serves on loopback, finds the emulator through
``SIGNAKIT_SDK_KEY`` and ``SIGNAKIT_EMULATOR_URL``, prints its address as a line once it answers, and ends on SIGINT,
on SIGTERM, and when its stdin is closed, so that it never outlives the process that started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

EXAMPLES = Path(__file__).parents[5] / "examples"
"""Where the shops of the repository are; a wheel does not bring them."""

STOPPING = 5.0
"""Seconds that a shop may take to end, before it is killed."""


@dataclass(frozen=True, slots=True)
class Shop:
    """An example shop.

    Attributes:
        name: Short, for messages.
        title: What it shows.
        module: Run with ``python -m``.
        needs: Packages that have to be installed for it.
        in_examples: It is one of the repository's examples, and there in a checkout alone.
    """

    name: str
    title: str
    module: str
    needs: tuple[str, ...] = ()
    in_examples: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be started here."""
        if self.in_examples and not (EXAMPLES / self.module).is_dir():
            return False
        return all(find_spec(package) is not None for package in self.needs)


SHOPS = (
    Shop("starlette", "the SDK alone, in a small Starlette application", "signakit_dev._demo.starlette_shop"),
    Shop(
        "django",
        "signakit-django, in a small site with accounts and a database",
        "django_shop",
        needs=("signakit_django",),
        in_examples=True,
    ),
    Shop(
        "flask",
        "signakit-flask, in a small Flask application",
        "flask_shop",
        needs=("signakit_flask", "asgiref"),
        in_examples=True,
    ),
    Shop(
        "fastapi",
        "an API, a page that uses it, and a WebSocket behind a flag",
        "fastapi_shop",
        needs=("fastapi", "signakit_fastapi", "websockets"),
        in_examples=True,
    ),
)
"""The first is started unless another one is asked for."""


class RunningShop:
    """A shop that runs, until the ``with`` block is left."""

    def __init__(self, shop: Shop, *, port: int, visitors: float, environment: dict[str, str]) -> None:
        self.shop = shop
        if shop.in_examples:
            # Polls as often as the first shop, so that a switch flipped on the page holds at the next reload.
            path = os.pathsep.join(filter(None, (str(EXAMPLES), os.environ.get("PYTHONPATH"))))
            environment = {"PYTHONPATH": path, "SHOP_POLLING_INTERVAL": "0.5", **environment}
        self._process = subprocess.Popen(  # noqa: S603  # our own module, by our own interpreter
            [sys.executable, "-m", shop.module, "--port", str(port), "--visitors", str(visitors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the demo, which stops the shop while the emulator still takes its last events.
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def watch(self, on_answering: Callable[[str], None]) -> int:
        """Wait until it has ended, and return its exit code; for a thread.

        Args:
            on_answering: Called with its address, once requests are answered.
        """
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            address = stdout.readline().strip()
            if address:
                on_answering(address)
            for _ in stdout:  # a full pipe would block it
                pass
        return self._process.wait()

    def stop(self) -> None:
        """End it: politely, then not. Harmless when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        assert self._process.stdin is not None
        self._process.stdin.close()

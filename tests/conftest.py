from __future__ import annotations

import gc
import os
import warnings
from typing import TYPE_CHECKING

import pytest

from support.configs import config, flag, rule, whole
from support.faults import threads_of_ours
from support.server import FlagServer, flag_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted (``record_property("counts", ...)``), also where xdist ran them."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    properties = [getattr(report, "user_properties", ()) for report in reports if getattr(report, "when", "") == "call"]
    if counts := [str(value) for some in properties for name, value in some if name == "counts"]:
        terminalreporter.section("what arrived")
        for line in sorted(counts):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        # Django's is that of this process, which has read it; a program that is started here says which it wants.
        ours = name.startswith("SIGNAKIT_") or name == "DJANGO_SETTINGS_MODULE"
        if ours or name.lower().endswith("_proxy") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Set up first, so torn down last: by then every client is closed or gone, and so are its threads."""
    before = threads_of_ours()
    yield
    if threads_of_ours() <= before:
        return
    gc.collect()
    assert wait_until(lambda: threads_of_ours() <= before), f"left over: {threads_of_ours() - before}"


@pytest.fixture
def ended_loops() -> Iterator[None]:
    """A loop that ends before its client is closed leaves sockets to the collector, which says so; here it does not."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def server() -> Iterator[FlagServer]:
    """A server with an A/B flag ``exp``, a targeted flag ``tgt`` and a switch ``switch``."""
    with flag_server() as running:
        running.set_config(
            config(
                flag("exp", rule("r-exp")),
                flag("tgt", rule("r-tgt", kind="targeted", split=whole("on"))),
                flag("switch", allocation=whole("on")),
            )
        )
        yield running

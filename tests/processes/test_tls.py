"""Forks of a process that talks https, against a real server with a certificate of our own."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from signakit_flags._runtime import process
from support.programs import once, play, tracked
from support.server import flag_server
from support.tls import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import FlagServer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_fork_while_a_thread_makes_the_tls_context_waits_for_it(
    server: FlagServer, tmp_path: Path, face: str
) -> None:
    """Else the child inherits the locks of OpenSSL as that thread held them, and may wait for them for ever."""
    authority = Authority()
    trusted = str(authority.write(tmp_path / "authority.pem"))
    with flag_server(authority.context) as secure:
        secure.config_body, secure.etag = server.config_body, server.etag
        child, parent = play("tls", "while_a_context_is_made", face, server=secure, SSL_CERT_FILE=trusted)
        # The context was made by the parent alone.
        assert child == {"waited": True, "grandchild": 0, "contexts": 1, "own": 0}
        assert parent == {"child": 0}
        assert tracked(secure) == {user: once(10) for user in ("parent", "child", "grandchild")}


def test_a_fork_does_not_wait_for_ever_for_a_thread_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that reads a file of certificates from a disk that does not answer."""
    monkeypatch.setattr(process, "no_fork", threading.RLock())
    monkeypatch.setattr(process, "FORK_PATIENCE", 0.01)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with process.no_fork:
            held.set()
            let_go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    process._before_fork()
    process._after_fork_in_parent()  # which releases what is not held, if it does not know
    let_go.set()
    thread.join()
    process._before_fork()
    process._after_fork_in_parent()
    assert not process.no_fork._is_owned()  # type: ignore[attr-defined]

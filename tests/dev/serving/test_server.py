"""The server under the application."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from support.emulator import streaming

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


def test_answers_do_not_wait_for_an_acknowledgement(signakit_emulator: Emulator) -> None:
    """Without TCP_NODELAY a post costs 40 ms, and 2,000 events a second are all there can be."""
    with streaming(signakit_emulator.url):
        assert signakit_emulator._server is not None
        [connection] = signakit_emulator._server._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

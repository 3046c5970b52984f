"""Where the emulator listens."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from signakit_dev._emulator.ports import PortTakenError, RemoteNotAllowedError, bind, free_port_after
from signakit_dev.testing import Emulator
from support.wire import ask


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_has_to_be_asked_for(host: str) -> None:
    with pytest.raises(RemoteNotAllowedError, match="other machines"):
        bind(host, 0, allow_remote=False)
    bind(host, 0, allow_remote=True).close()


def test_a_port_that_is_taken_is_named_with_its_holder_and_a_free_one() -> None:
    with Emulator() as emulator:
        port = urlsplit(emulator.url).port
        assert port is not None
        with pytest.raises(PortTakenError) as caught:
            bind("127.0.0.1", port, allow_remote=False)
    error = caught.value
    assert error.port == port
    assert error.holder is None or "(process " in error.holder
    with bind("127.0.0.1", error.free, allow_remote=False):
        assert free_port_after(error.free) != error.free


def test_the_port_is_free_again_at_once() -> None:
    with Emulator() as emulator:
        port = urlsplit(emulator.url).port
        assert port is not None
        ask(emulator.url)
    with Emulator(port=port) as again:
        assert urlsplit(again.url).port == port

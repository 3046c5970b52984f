"""No network beyond this machine under pytest: this run is one, with the plugin loaded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from signakit_flags import SignaKitClient, pytest_plugin
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from support.server import FlagServer


@pytest.mark.parametrize("host", ["localhost", "shop.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_let_be(host: str) -> None:
    assert pytest_plugin._refuse(host) is None


@pytest.mark.parametrize("host", ["example.test", "10.0.0.1", "0.0.0.0", "2001:db8::1", "localhost.example.test", ""])
def test_every_other_one_is_refused_by_name(host: str) -> None:
    reason = pytest_plugin._refuse(host)
    assert reason is not None
    assert f"and {host} is another one" in reason
    assert "`signakit`" in reason
    assert "--signakit-network" in reason


def test_events_that_must_not_go_out_are_dropped_at_once(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, cdn_url=server.url, events_url="http://events.invalid", polling_interval=0)
    assert client.on_ready_sync().success
    user = client.create_user_context("u")
    assert user is not None
    user.decide("exp")
    client.flush_sync()
    status = client.status()
    assert (status.queued, status.sent, status.dropped) == (0, 0, 1)
    assert "events.invalid is another one" in str(status.last_error)
    client.close()


def test_events_that_must_not_go_out_of_a_loop_are_dropped_at_once(server: FlagServer) -> None:
    async def main() -> None:
        async with SignaKitClient(SDK_KEY, cdn_url=server.url, events_url="http://events.invalid") as client:
            user = client.create_user_context("u")
            assert user is not None
            await user.track_event("purchase")
            await client.flush()
            assert client.status().dropped == 1

    asyncio.run(main())


def test_a_connection_that_is_open_is_refused_as_well(server: FlagServer) -> None:
    """As of an injected client that has been elsewhere: nothing is connected any more, but much would be sent."""
    proxy = httpx.HTTPTransport(proxy=server.url)
    with httpx.Client(transport=proxy) as injected:
        assert injected.get("http://cdn.invalid/configs/a/b/development/latest.json").status_code == 200
        before = len(server.config_requests)
        client = SignaKitClient(SDK_KEY, cdn_url="http://cdn.invalid", sync_client=injected, polling_interval=0)
        assert "cdn.invalid is another one" in str(client.on_ready_sync().reason)
        client.close()
    assert len(server.config_requests) == before


@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_proxy_of_an_injected_client_does_not_lead_around_the_refusal(face: str) -> None:
    """The host of the URL is this machine, and the one that is connected to is not."""
    proxy = "http://proxy.invalid:3128"
    url = "http://127.0.0.1:9"

    async def main() -> None:
        async with (
            httpx.AsyncClient(proxy=proxy) as injected,
            SignaKitClient(SDK_KEY, cdn_url=url, async_client=injected, polling_interval=0) as client,
        ):
            assert "proxy.invalid is another one" in str(client.status().last_error)

    if face == "async":
        asyncio.run(main())
        return
    with httpx.Client(proxy=proxy) as injected:
        client = SignaKitClient(SDK_KEY, cdn_url=url, sync_client=injected, polling_interval=0)
        assert "proxy.invalid is another one" in str(client.on_ready_sync().reason)
        client.close()


def test_a_proxy_of_the_environment_does_not_lead_around_the_refusal(
    server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    client = SignaKitClient(SDK_KEY, cdn_url="http://cdn.invalid", polling_interval=0)
    assert "cdn.invalid is another one" in str(client.on_ready_sync().reason)
    client.close()
    assert server.config_requests == []


@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_transport_that_a_test_has_put_into_httpx_is_no_network(face: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "cdn.invalid"
        return httpx.Response(200, json={"flags": []})

    async def main() -> None:
        async with (
            httpx.AsyncClient(transport=httpx.MockTransport(answer)) as injected,
            SignaKitClient(SDK_KEY, cdn_url="http://cdn.invalid", async_client=injected) as client,
        ):
            assert client.is_ready

    if face == "async":
        asyncio.run(main())
        return
    with httpx.Client(transport=httpx.MockTransport(answer)) as injected:
        client = SignaKitClient(SDK_KEY, cdn_url="http://cdn.invalid", sync_client=injected, polling_interval=0)
        assert client.on_ready_sync().success
        client.close()

"""Checked by mypy, never run: mistakes that a type checker has to find.

Each ``type: ignore`` names the error that is expected in its line. Under ``--strict`` one that is not needed, or names
another error, is itself an error; the test also takes them away and compares what is then reported.
"""

from __future__ import annotations

from signakit_flags import ClientStatus, Decision, OnReadyResult, SignaKitClient, SignaKitUserContext, TrackEventOptions


def making_a_client() -> None:
    SignaKitClient()  # type: ignore[call-arg]
    SignaKitClient("key", "https://example.com")  # type: ignore[call-arg]
    SignaKitClient("key", polling_interval="30")  # type: ignore[arg-type]
    SignaKitClient("key", interval=30)  # type: ignore[call-arg]
    SignaKitClient("key", bot_detector=lambda: True)  # type: ignore[arg-type, misc]
    SignaKitClient("key", async_client="client")  # type: ignore[arg-type]
    SignaKitClient.offline(5)  # type: ignore[arg-type]
    SignaKitClient.offline({}, True)  # type: ignore[call-arg]


def making_a_context(client: SignaKitClient) -> None:
    client.create_user_context()  # type: ignore[call-arg]
    client.create_user_context(None)  # type: ignore[arg-type]
    client.create_user_context(5)  # type: ignore[arg-type]
    client.create_user_context("u", "plan=pro")  # type: ignore[arg-type]
    client.create_user_context("u", {"plan": object()})  # type: ignore[dict-item]
    client.create_user_context("u", {"plan": {"nested": 1}})  # type: ignore[dict-item]
    client.create_user_context("u", is_bot=1)  # type: ignore[arg-type]
    client.create_user_context("u", None, True)  # type: ignore[call-arg]
    client.create_user_context("u").decide("f")  # type: ignore[union-attr]


def waiting(client: SignaKitClient) -> None:
    print(client.on_ready().success)  # type: ignore[attr-defined]
    client.on_ready_sync(timeout="10")  # type: ignore[arg-type]
    client.close(None)  # type: ignore[arg-type]
    with client.aclose():  # type: ignore[attr-defined]
        pass


def asking(context: SignaKitUserContext) -> None:
    context.decide(5)  # type: ignore[arg-type]
    print(context.decide("f").enabled)  # type: ignore[union-attr]
    context.is_enabled("f", "yes")  # type: ignore[arg-type]
    context.variation("f", None)  # type: ignore[arg-type]
    context.variable("f", "v")  # type: ignore[call-overload]
    context.variable("f", 5, "red")  # type: ignore[call-overload]
    number: int = context.variable("f", "v", "red")  # type: ignore[assignment]
    text: str = context.variable("f", "v", None)  # type: ignore[assignment]
    print(number, text)


async def tracking(context: SignaKitUserContext) -> None:
    context.track()  # type: ignore[call-arg]
    context.track("buy", "9.50")  # type: ignore[arg-type]
    context.track("buy", 1, ["A1"])  # type: ignore[arg-type]
    await context.track("buy")  # type: ignore[func-returns-value, misc]
    await context.track_event("buy", TrackEventOptions(value=1))  # type: ignore[arg-type]


def values_are_frozen(
    client: SignaKitClient,
    context: SignaKitUserContext,
    decision: Decision,
    result: OnReadyResult,
    status: ClientStatus,
    options: TrackEventOptions,
) -> None:
    decision.enabled = False  # type: ignore[misc]
    result.success = True  # type: ignore[misc]
    status.sent = 0  # type: ignore[misc]
    options.value = 1  # type: ignore[misc]
    client.is_ready = True  # type: ignore[misc]
    context.user_id = "other"  # type: ignore[misc]
    context.attributes = {"plan": "pro"}  # type: ignore[misc]
    context.is_bot = True  # type: ignore[misc]
    decision.variables = {}  # type: ignore[misc]

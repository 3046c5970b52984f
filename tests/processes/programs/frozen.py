"""An application to be frozen. It stands alone: what it imports is what the frozen application contains."""

from __future__ import annotations

import asyncio
import json
import sys

from signakit_flags import SignaKitClient, SignaKitUserContext, is_bot
from signakit_flags.integration import Options
from signakit_flags.testing import override_flags

KEY = "sk_dev_org1_1234_abcdef"


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def use(user: SignaKitUserContext | None) -> str:
    assert user is not None
    user.track("visit", metadata={"n": 0})
    return user.variation("exp")


async def on_a_loop() -> None:
    async with SignaKitClient(KEY, polling_interval=0) as client:
        say(loop=use(client.create_user_context("loop")), flushed=await client.flush(10))


def main() -> None:
    say(frozen=getattr(sys, "frozen", False))
    # The first is told by the list of known crawlers alone.
    say(bots=[is_bot("WhatsApp/2.23.20.0"), is_bot("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0")])
    with SignaKitClient(KEY, polling_interval=0, snapshot_path="flags.snapshot") as client:
        say(thread=use(client.create_user_context("thread")), flushed=client.flush_sync(10))
    with SignaKitClient(KEY, polling_interval=0, cdn_url="http://127.0.0.1:9", snapshot_path="flags.snapshot") as again:
        say(source=again.status().source)
    asyncio.run(on_a_loop())
    with override_flags({"banner": "on"}), SignaKitClient.offline({"flags": []}) as offline:
        user = offline.create_user_context("u")
        say(forced=user is not None and user.variation("banner"), name=Options.__name__)


if __name__ == "__main__":
    main()

"""One process of a fleet that shares its last good config in a file or in Redis."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from common import decide, main, make_client, say, told

from signakit_flags._runtime import snapshot_keeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signakit_flags import OnReadyResult, SignaKitClient

snapshot_keeper.LOOK_EVERY = 0.1


def shared(place: str) -> dict[str, Any]:
    """Return the setting for a store: a URL of Redis, or a path."""
    if not place.startswith("unix://"):
        return {"snapshot_path": place}
    from signakit_flags.contrib.redis import RedisSnapshotStore

    return {"snapshot_store": RedisSnapshotStore(place, secret="of this fleet", timeout=0.5)}


def tell(client: SignaKitClient, result: OnReadyResult) -> Iterator[None]:
    """Say how the start went, and then each version that is served, until told to end."""
    say(success=result.success, ready=client.is_ready, source=client.status().source)
    served = None
    while not told():
        version = client.status().version
        if version != served:
            served = version
            say(version=version, first=decide(client, "user", "first"))
        yield


def in_threads(place: str) -> None:
    with make_client(polling_interval=0.02, timeout=5, **shared(place)) as client:
        for _ in tell(client, client.on_ready_sync()):
            time.sleep(0.002)


def on_a_loop(place: str) -> None:
    async def run() -> None:
        async with make_client(polling_interval=0.02, timeout=5, **shared(place)) as client:
            for _ in tell(client, await client.on_ready()):
                await asyncio.sleep(0.002)

    asyncio.run(run())


main()

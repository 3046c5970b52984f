"""The signal that the server is about to stop, for every answer that waits for a client or for time."""

from __future__ import annotations

import asyncio


class Stopping:
    """Set once, in the server's loop; every waiting answer sees it and ends."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Say that the server stops. In its loop only."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether the server stops."""
        return self._event.is_set()

    async def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds``, or until the server stops; return whether it does."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True

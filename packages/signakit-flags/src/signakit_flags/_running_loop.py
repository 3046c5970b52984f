"""Whether the calling code runs on an event loop, and so must not wait."""

from __future__ import annotations

import sys


def loop_is_running() -> bool:
    """Return True when the calling code runs on an asyncio loop. Does not import asyncio."""
    asyncio = sys.modules.get("asyncio")  # an application that never imported it has no loop
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

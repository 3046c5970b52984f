"""What a health check answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .. import SignaKitClient


def health_check(client: SignaKitClient | None, *, hint: str) -> tuple[dict[str, Any], int]:
    """Return the client's status, for a JSON body, and the HTTP status: 200 with a config, else 503.

    Args:
        client: The client; None where flags are off.
        hint: Where to read why they are off; a part of the answer's ``last_error``.
    """
    if client is None:
        return {"ready": False, "last_error": f"flags are off: {hint}"}, 503
    status = asdict(client.status())
    return status, 200 if status["ready"] else 503

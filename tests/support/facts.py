"""What the sites of every framework answer about a request's flags."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signakit_flags import SignaKitUserContext


def caching(asked: str | None) -> dict[str, str]:
    """The headers of an answer, by the request's ``X-Cache-Control``."""
    return {} if asked is None else {"Cache-Control": asked}


def facts(flags: SignaKitUserContext) -> dict[str, Any]:
    """Everything that a scenario asks about."""
    decision = flags.decide("exp")
    return {
        "user_id": flags.user_id,
        "attributes": flags.attributes,
        "is_bot": flags.is_bot,
        "variation": None if decision is None else decision.variation_key,
        "switch": flags.is_enabled("switch"),
        "switch_by_default": flags.is_enabled("switch", True),
        "targeted": flags.variation("tgt", "default"),
        "thread": threading.get_ident(),
        "refusal": refusal(flags),
    }


def refusal(flags: SignaKitUserContext) -> str:
    """What a view is told that changes an attribute of its user; empty where the change is swallowed."""
    try:
        flags.attributes["plan"] = "pro"
    except TypeError as error:
        return str(error)
    return ""


def worker_facts(flags: SignaKitUserContext) -> dict[str, Any]:
    """Which process answers, what it thinks, and which threads of ours it has."""
    return {
        "pid": os.getpid(),
        "exp": flags.variation("exp", "none"),
        "switch": flags.variation("switch", "none"),
        "threads": [thread.name for thread in threading.enumerate() if "signakit" in thread.name.lower()],
    }

"""Feature flags and A/B tests for SignaKit: local evaluation, async first, fully typed."""

from ._client import SignaKitClient, create_instance
from ._evaluation.bots import is_bot
from ._sdk_key import parse_sdk_key
from ._types import (
    ClientStatus,
    Decision,
    Decisions,
    Explanation,
    OnReadyResult,
    TrackEventOptions,
    UserAttributes,
    VariableValue,
)
from ._user_context import SignaKitUserContext
from ._version import __version__

__all__ = [
    "ClientStatus",
    "Decision",
    "Decisions",
    "Explanation",
    "OnReadyResult",
    "SignaKitClient",
    "SignaKitUserContext",
    "TrackEventOptions",
    "UserAttributes",
    "VariableValue",
    "__version__",
    "create_instance",
    "is_bot",
    "parse_sdk_key",
]

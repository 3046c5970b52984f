"""Feature flags and A/B tests for SignaKit: local evaluation, async first, fully typed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._client import SignaKitClient, create_instance
    from ._evaluation.bots import bot_kind, is_bot
    from ._sdk_key import SdkKey, parse_sdk_key
    from ._types import (
        Attributes,
        ClientStatus,
        Decision,
        Decisions,
        Explanation,
        OnReadyResult,
        Step,
        TrackEventOptions,
        UserAttributes,
        VariableValue,
    )
    from ._user_context import SignaKitUserContext
    from ._version import __version__
else:
    # Imported when they are asked for: the pytest plugin lives in this package, and is imported by every test run of
    # whoever has it installed, also by those that use nothing of it.
    _MODULES = {
        "SdkKey": "_sdk_key",
        "SignaKitClient": "_client",
        "bot_kind": "_evaluation.bots",
        "create_instance": "_client",
        "is_bot": "_evaluation.bots",
        "parse_sdk_key": "_sdk_key",
        "SignaKitUserContext": "_user_context",
        "__version__": "_version",
    }

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f".{_MODULES.get(name, '_types')}", __name__), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Attributes",
    "ClientStatus",
    "Decision",
    "Decisions",
    "Explanation",
    "OnReadyResult",
    "SdkKey",
    "SignaKitClient",
    "SignaKitUserContext",
    "Step",
    "TrackEventOptions",
    "UserAttributes",
    "VariableValue",
    "__version__",
    "bot_kind",
    "create_instance",
    "is_bot",
    "parse_sdk_key",
]

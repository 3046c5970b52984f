"""A config without its SDK key, and without what evaluation does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .config import BOM

if TYPE_CHECKING:
    from typing import Final

_NULL: Final = msgspec.Raw(b"null")


class _Fields(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    # Named one by one: to take the key out of a dict of all fields takes 160 ms where a hostile config has 160,000.
    # A field that evaluation comes to need is added here, and with it the format of stored configs has another number.
    project_id: msgspec.Raw = _NULL
    environment_key: msgspec.Raw = _NULL
    version: msgspec.Raw = _NULL
    generated_at: msgspec.Raw = _NULL
    flags: msgspec.Raw


_decode = msgspec.json.Decoder(_Fields).decode


def stripped(body: bytes | memoryview) -> bytes:
    """Return a config that was read before, without ``sdkKey`` and fields that are not known.

    Raises:
        ValueError: It cannot be taken apart, such as one that is nested too deeply.
    """
    view = memoryview(body)
    try:
        return msgspec.json.encode(_decode(view[len(BOM) :] if view[: len(BOM)] == BOM else view))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it cannot be taken apart: {type(error).__name__}") from error

"""A config without its SDK key, and without what evaluation does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .config import BOM
from .slices import Budget, finish
from .splitting import trimmed

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
        ValueError: It is not such a config.
    """
    view = memoryview(body)
    if view[: len(BOM)] == BOM:
        view = view[len(BOM) :]
    try:
        fields = _decode(view)
    except RecursionError:
        # A value that is nested so deeply makes its flag one that is skipped, and so does what is left of it here.
        fields = _decode(finish(trimmed(view, Budget())))
    return msgspec.json.encode(fields)

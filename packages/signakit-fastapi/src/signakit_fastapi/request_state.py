"""The state of a request, under a server that hands one state to several requests.

ASGI wants a copy of the lifespan's state in each request. hypercorn before 0.18 makes one for each connection, which
with HTTP/2 carries several requests at a time. asgi-lifespan makes none.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS: str = "flags"
"""The key of a request's flags."""


class OwnFlags(MutableMapping[str, Any]):
    """A state with flags of its own; all other keys are those of the state that the server gave.

    Not a copy: what handlers write would not reach a middleware around ours, which has the server's.

    Args:
        shared: The state that the server gave.
        flags: The flags of this request.
    """

    __slots__ = ("_own", "_shared")

    def __init__(self, shared: MutableMapping[str, Any], flags: object) -> None:
        self._shared = shared
        self._own: dict[str, Any] = {FLAGS: flags}

    def _of(self, key: str) -> MutableMapping[str, Any]:
        return self._own if key == FLAGS else self._shared

    def __getitem__(self, key: str) -> Any:
        return self._of(key)[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._of(key)[key] = value

    def __delitem__(self, key: str) -> None:
        del self._of(key)[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (key for key in self._shared if key != FLAGS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, Any]:
        """Return a copy, as of the dict that a state usually is."""
        return dict(self)

"""What the arguments of a client have to be. Each error names its argument."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ._signal_handlers import let_through
from ._types import plain_text, short

if TYPE_CHECKING:
    from typing import Any

_MAX_WHOLE = 1e15
_MAX_SECONDS = 1e6  # eleven days; beyond 4e6 some systems cannot wait


def plain_user_id(user_id: object) -> str:
    """Return ``user_id`` as plain text.

    Raises:
        TypeError: It is not text, or raises when it is asked for its class or its characters.
    """
    try:
        if isinstance(user_id, str):
            return plain_text(user_id)
    except Exception as error:
        let_through(error)
        kind = type(user_id).__name__
        raise TypeError(f"user_id must be a str; this {kind} raises {type(error).__name__}") from error
    raise TypeError(f"user_id must be a str, not {type(user_id).__name__}")


def check_attributes(attributes: object) -> None:
    """Make sure that ``attributes`` is a mapping.

    Raises:
        TypeError: It is not, or raises when it is asked for its class.
    """
    try:
        if isinstance(attributes, Mapping):
            return
    except Exception as error:
        let_through(error)
        kind = type(attributes).__name__
        raise TypeError(f"attributes must be a mapping; this {kind} raises {type(error).__name__}") from error
    raise TypeError(f"attributes must be a mapping, not {type(attributes).__name__}")


def check_sizes(**sizes: object) -> None:
    """Make sure that each of ``sizes``, by the name of its argument, is a whole number of at least 1.

    Raises:
        ValueError: One is not; the message names it.
    """
    for name, size in sizes.items():
        check_number(name, size, at_least=1, whole=True)


def check_number(
    name: str, value: object, *, at_least: float | None = None, above: float | None = None, whole: bool = False
) -> None:
    """Make sure that the argument ``name`` is a finite number in its range; without ``whole`` it counts seconds.

    Raises:
        ValueError: It is not a number, or out of range; the message names it.
    """
    kinds = int if whole else (int, float)
    limit = _MAX_WHOLE if whole else _MAX_SECONDS
    if isinstance(value, bool) or not isinstance(value, kinds) or not -limit < value < limit:
        given = short(value)
        if "sk_" in given:  # the key, at a wrong place
            given = type(value).__name__
        raise ValueError(f"{name} must be a finite {'whole ' if whole else ''}number, not {given}")
    if at_least is not None and value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, not {value!r}")
    if above is not None and value <= above:
        raise ValueError(f"{name} must be more than {above}, not {value!r}")


def check_http_client(name: str, client: object) -> None:
    """Make sure that ``client`` can serve as the argument ``name``, which is ``async_client`` or ``sync_client``.

    It has to have ``build_request`` and ``send``, as a client of httpx does; it does not have to be one. httpx is not
    imported to find out.

    Raises:
        TypeError: It is not a client, or it is one for the other argument.
    """
    if client is None:
        return
    wanted, other, other_argument = _HTTP_CLIENTS[name]
    kind = type(client).__name__
    if isinstance(client, type):
        raise TypeError(f"{name} must be {wanted}, not the class {client.__name__}: pass an instance")
    if not _has(client, "build_request", "send"):
        raise TypeError(f"{name} must be {wanted}, not {kind}")
    if _is_async(client) is (name == "sync_client"):
        raise TypeError(f"{name} must be {wanted}, not {other} ({kind}): pass that one as {other_argument}")


_HTTP_CLIENTS = {
    "async_client": ("an httpx.AsyncClient", "a sync client", "sync_client"),
    "sync_client": ("an httpx.Client", "an async client", "async_client"),
}


def _is_async(client: Any) -> bool | None:
    """Return whether a client is used by awaiting; None where it cannot be told, as of a double with few methods."""
    from inspect import iscoroutinefunction

    if iscoroutinefunction(client.send):
        return True
    closes = _has(client, "close")
    return None if closes is _has(client, "aclose") else not closes


def check_function(name: str, function: object) -> None:
    """Make sure that the argument ``name`` is None or can be called.

    Raises:
        TypeError: It cannot.
    """
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a function, not {type(function).__name__}")


def check_snapshot(path: object, store: object) -> None:
    """Make sure that ``snapshot_path`` and ``snapshot_store`` can be used, and that at most one of them is given.

    Raises:
        TypeError: One has the wrong type.
        ValueError: Both are given.
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"snapshot_path must be a str or a path, not {type(path).__name__}")
    if store is None:
        return
    if path is not None:
        raise ValueError("snapshot_path and snapshot_store exclude each other")
    if isinstance(store, type):
        raise TypeError(f"snapshot_store must be an instance, not the class {store.__name__}")
    kind = type(store).__name__
    if not (_has(store, "load", "save") or _has(store, "aload", "asave")):
        raise TypeError(f"snapshot_store must have the methods load and save, or aload and asave, which {kind} has not")
    if not _is_secret(getattr(store, "secret", None)):
        raise TypeError(f"the secret of a snapshot_store must be text or bytes, and not empty: that of {kind} is not")


def _is_secret(secret: object) -> bool:
    """Return whether ``secret`` can sign. Apart, as error trackers store the local variables of a frame that raises."""
    return secret is None or (isinstance(secret, (str, bytes)) and len(secret) > 0)


def _has(subject: object, *methods: str) -> bool:
    return all(callable(getattr(subject, method, None)) for method in methods)

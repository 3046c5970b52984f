"""The id of the user that Starlette's ``AuthenticationMiddleware`` leaves in a request's scope."""

from __future__ import annotations

from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from starlette.authentication import SimpleUser

if TYPE_CHECKING:
    from collections.abc import Callable


def account_id(user: Any, warn: Callable[[str, str, str], None]) -> str | None:
    """Return the id of `user`, who is logged in: the ``identity``, else the name.

    A class after Starlette's older documentation defines ``display_name`` alone, and its ``SimpleUser`` has had an
    ``identity`` since 1.7.

    Args:
        user: A ``BaseUser``, or what looks like one.
        warn: Is told about a class without an ``identity``: a subject, a message, and the name of the class.

    Returns:
        The id; None where the ``identity`` is None, as of a user who is not saved yet.

    Raises:
        TypeError: There is neither an ``identity`` nor a name, or it is empty or a method.
        Exception: What the ``identity`` raises.
    """
    try:
        identity = user.identity
    except NotImplementedError:
        return _name(user, warn)
    except AttributeError:
        if getattr_static(user, "identity", None) is not None:
            raise  # of the application's own code, in an identity that there is
        return _name(user, warn)
    return None if identity is None else _text(user, "identity", identity)


def _name(user: Any, warn: Callable[[str, str, str], None]) -> str:
    # Not its display name, which a subclass may have changed: newer versions have the username as the identity.
    if isinstance(user, SimpleUser) and (username := getattr(user, "username", None)) is not None:
        return _text(user, "username", username)
    kind = type(user)
    try:
        name = user.display_name
    except (AttributeError, NotImplementedError):
        name = None
    if not name:
        raise TypeError(
            f"users of the class {kind.__qualname__} have neither an `identity` nor a `display_name`: define the"
            " property `identity`, a stable and unique id"
        )
    user_id = _text(user, "display_name", name)
    warn(
        f"users without identity: {kind.__module__}.{kind.__qualname__}",
        "users of the class %s have no `identity`, so their `display_name` is the user id, which may change or belong"
        " to several users: define the property `identity`, a stable and unique id",
        kind.__qualname__,
    )
    return user_id


def _text(user: Any, attribute: str, value: Any) -> str:
    if callable(value):
        # Its text names an address in memory, so it would be another user at each request.
        raise TypeError(f"`{attribute}` of the class {type(user).__qualname__} is a method: make it a property")
    text = str(value)
    if not text:
        raise TypeError(f"`{attribute}` of a user of the class {type(user).__qualname__} is empty, which is not an id")
    return text

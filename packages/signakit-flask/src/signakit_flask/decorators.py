"""The gate: restricts a view with a flag."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import abort, current_app, redirect, url_for

from signakit_flags.integration import admits, check_flag_key

from .proxy import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

ViewT = TypeVar("ViewT", bound="Callable[..., Any]")


def flag_required(
    flag_key: str, *, variation: str | None = None, redirect_to: str | None = None, status: int = 404
) -> Callable[[ViewT], ViewT]:
    """Restrict a view with a flag. Goes below ``route``, on sync and async functions.

    For a class, list it in ``decorators``. The decision sends an exposure, as ``decide`` does. While there is no
    config, every request is refused.

    Args:
        flag_key: The flag's key.
        variation: The one variation that is let in; None lets in every one but ``"off"``.
        redirect_to: Where other users are sent: an endpoint, or a URL, which has a slash.
        status: What other users get without ``redirect_to``, by ``abort``: the app's error handlers apply.

    Raises:
        TypeError: ``flag_key`` is not text, as when the parentheses are forgotten, or what is decorated is a class.
    """
    check_flag_key(flag_key, gate="flag_required")

    def decorate(view: ViewT) -> ViewT:
        if isinstance(view, type):
            raise TypeError(f"for a class, write decorators = [flag_required({flag_key!r})] in {view.__name__}")

        @functools.wraps(view)
        def gated(*args: Any, **kwargs: Any) -> Any:
            # Not on the loop of an async view: an async `identify` can be waited for here.
            if not admits(current(), flag_key, variation):
                return _refuse(redirect_to, status)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return cast("ViewT", gated)

    return decorate


def _refuse(redirect_to: str | None, status: int) -> Response:
    if redirect_to is None:
        abort(status)
    return redirect(redirect_to if "/" in redirect_to else url_for(redirect_to))

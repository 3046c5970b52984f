"""``use_client``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._layers import Layer
from ._scopes import begin, check_scope, end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .. import SignaKitClient


@contextmanager
def use_client(client: SignaKitClient, *, scope: str = "task") -> Iterator[SignaKitClient]:
    """Let a client serve the requests of every framework, in place of the application's own; a decorator, too.

    ::

        with use_client(SignaKitClient.offline(config(flag("beta").otherwise("on")))):
            browser.get("/")

    Meant for rules: who is in an audience, and who is not. To force a variation, ``override_flags`` needs no client.
    It holds for ``request.flags``, for the proxy of Flask, for the dependency of FastAPI, and for ``flags_for``; a
    client that the application asks for by itself stays its own, and so does a context that has decided something.

    Args:
        client: What to serve them by.
        scope: As for ``override_flags``.

    Raises:
        ValueError: There is no such scope.
    """
    layer = begin(Layer(client=lambda: client), check_scope(scope))
    try:
        yield client
    finally:
        end(layer)

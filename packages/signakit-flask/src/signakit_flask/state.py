"""What one app has: ``app.extensions["signakit"]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from signakit_flags import SignaKitClient, SignaKitUserContext
    from signakit_flags.integration import Identity, UserId

    from .integration import FlaskIntegration

NAME = "signakit"


@dataclass(frozen=True, slots=True)
class SignaKitState:
    """What one app has: ``app.extensions["signakit"]``.

    Attributes:
        integration: Serves its requests.
    """

    integration: FlaskIntegration

    @property
    def client(self) -> SignaKitClient | None:
        """The app's client; None when the config does not allow one, which is logged, and flags are off."""
        return self.integration.existing_client()

    def flags_for(
        self, user: UserId | Identity | None, attributes: Mapping[str, Any] | None = None
    ) -> SignaKitUserContext:
        """Return the flags of a user outside of requests, as ``SignaKit.flags_for``."""
        return self.integration.flags_for(user, attributes)


def state_of(app: Flask = current_app) -> SignaKitState:
    """Return what ``init_app`` has left in an app, the current one unless said otherwise.

    Raises:
        RuntimeError: There is no app context, or ``init_app`` was not called for this app.
    """
    found: SignaKitState | None = app.extensions.get(NAME)
    if found is None:
        raise RuntimeError("this app has no SignaKit: call SignaKit(app), or signakit.init_app(app) where it is made")
    return found

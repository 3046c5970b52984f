"""Flags as permissions of Django REST framework: ``permission_classes = [FlagPermission("new-checkout")]``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import BasePermission, OperationHolderMixin

from signakit_flags.integration import admits, check_flag_key

from .request import flags_of

if TYPE_CHECKING:
    from typing import Self


class FlagPermission(OperationHolderMixin, BasePermission):
    """Lets in the users who have a flag; asked after the authentication, in the order of ``permission_classes``.

    The decision sends an exposure, as ``decide`` does. Without a config, every request is refused. It combines
    with other permissions by ``&``, ``|`` and ``~``; what such a combination refuses gets the framework's own answer,
    401 or 403, whatever ``status`` is.

    Args:
        flag_key: The flag's key.
        variation: The one variation that is let in; None lets in every one but ``"off"``.
        status: What other users get. With 403 the framework answers 401 to users who are not logged in, where its
            authentication has a way to say how that is done.

    Raises:
        TypeError: ``flag_key`` is not text.
    """

    def __init__(self, flag_key: str, *, variation: str | None = None, status: int = 404) -> None:
        check_flag_key(flag_key, gate="FlagPermission")
        self._flag_key = flag_key
        self._variation = variation
        self._status = status

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._flag_key!r})"

    def __call__(self) -> Self:
        """Return the permission itself: the framework takes classes, and makes an instance for each request."""
        return self

    def has_permission(self, request: Any, view: Any) -> bool:  # noqa: ARG002  # as the framework calls it
        """Return whether the user who is authenticated by now is let in."""
        return admits(flags_of(request), self._flag_key, self._variation)

    @property
    def message(self) -> None:
        """Raise the refusal, if its status is not 403.

        The framework asks for the message of a permission that has refused, and not for that of an operand. If
        ``has_permission`` raised, ``|`` would never ask its other operand, and ``~`` would let no request in.

        Raises:
            APIException: With ``status``.
        """
        if self._status != 403:
            raise refusal(self._status)


def refusal(status: int) -> APIException:
    """Return the exception that the framework answers with ``status``."""
    # Not Django's Http404, which the browsable API would not expect from a permission.
    error: APIException = NotFound() if status == 404 else APIException(_reason(status))
    error.status_code = status
    return error


def _reason(status: int) -> str:
    try:
        return f"{HTTPStatus(status).phrase}."
    except ValueError:
        return "Refused."

"""Who a request is from."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from .._types import Attributes

RequestT = TypeVar("RequestT")
_RequestT_contra = TypeVar("_RequestT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, as an application knows them.

    Attributes:
        user_id: Stable and unique; the same id always gets the same variation.
        attributes: Matched against audience rules. The integration sets ``"$userAgent"`` to the request's User-Agent,
            whatever is given here.

    Raises:
        TypeError: ``user_id`` is no text, or ``attributes`` no mapping.
    """

    user_id: str
    attributes: Attributes = field(default_factory=dict)

    def __post_init__(self) -> None:
        # At once, where the traceback still names the code that is wrong: a primary key is the usual mistake.
        if not isinstance(self.user_id, str):
            raise TypeError(f"user_id must be a str, not {type(self.user_id).__name__}")
        if not isinstance(self.attributes, Mapping):
            raise TypeError(f"attributes must be a mapping, not {type(self.attributes).__name__}")


class IdentityResolver(Protocol[_RequestT_contra]):
    """Says who a request is from; None leaves it to the account, then to the visitor cookie."""

    def __call__(self, request: _RequestT_contra, /) -> Identity | None:
        """Return the user, or None when this resolver does not know them."""
        ...


class AsyncIdentityResolver(Protocol[_RequestT_contra]):
    """The same, awaited."""

    def __call__(self, request: _RequestT_contra, /) -> Awaitable[Identity | None]:
        """Return the user, or None when this resolver does not know them."""
        ...


AnyIdentityResolver: TypeAlias = IdentityResolver[RequestT] | AsyncIdentityResolver[RequestT]
"""What ``identify`` may be."""


class IdentityNotAwaited(RuntimeError):  # noqa: N818  # what it says, not what it is
    """Who the request is from can only be said by awaiting, and the flags were asked without."""


def is_async(resolver: object) -> bool:
    """Say whether calling ``resolver`` gives something to await."""
    return inspect.iscoroutinefunction(resolver) or inspect.iscoroutinefunction(getattr(resolver, "__call__", None))  # noqa: B004  # not whether it can be called


def checked(found: Any) -> Identity | None:
    """Return what a resolver returned.

    Raises:
        TypeError: It is something else.
    """
    if found is None or isinstance(found, Identity):
        return found
    raise TypeError(f"identify must return an Identity or None, not {type(found).__name__}")

"""What ``SignaKit.flags_from`` takes, and what it makes of it: a user.

The dependency's value is kept in the request's scope, and becomes a user at the first question, like that of
``identify``: what fails then is logged, and the request is served.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeAlias, TypeVar, get_args, get_origin
from uuid import UUID

from fastapi import Depends, params

from signakit_flags import SignaKitUserContext
from signakit_flags.integration import Identity, UserId

T = TypeVar("T")

AnyUser: TypeAlias = Identity | UserId | None
"""What a dependency may give where there is no ``key``."""

UserDependency: TypeAlias = Callable[..., AnyUser | Awaitable[AnyUser] | Iterator[AnyUser] | AsyncIterator[AnyUser]]
"""A dependency that needs no ``key``: a function, a generator or a class, sync or async."""

Key: TypeAlias = Callable[[T], UserId | None]
"""Returns the user id of what a dependency gives."""

AttributesOf: TypeAlias = Callable[[T], Mapping[str, Any]]
"""Returns the attributes of what a dependency gives."""

FlagsDependency: TypeAlias = Callable[..., Awaitable[SignaKitUserContext]]
"""What ``flags_from`` returns, for ``Depends``."""

GIVEN: str = "signakit.given"
"""The key of a request's scope under which ``flags_from`` leaves ``Given``."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the dependency of ``flags_from`` gave for a request, and how a user is made of it.

    Attributes:
        value: What it gave; not None.
        key: Returns the user id of the value; None where the value is a user.
        attributes: Returns the attributes of the value.
    """

    value: Any
    key: Key[Any] | None
    attributes: AttributesOf[Any] | None

    def identity(self) -> Identity | None:
        """Return the user; None without an id, as of a user who is not saved yet.

        Raises:
            TypeError: The dependency or ``key`` gave something that is not a user.
            Exception: What ``key`` or ``attributes`` raises.
        """
        user = self.value if self.key is None else self.key(self.value)
        if user is None:
            return None
        if not isinstance(user, Identity):
            user = Identity(self._user_id(user))
        if self.attributes is None:
            return user
        return replace(user, attributes={**user.attributes, **self.attributes(self.value)})

    def _user_id(self, user_id: object) -> UserId:
        if isinstance(user_id, (str, int, UUID)) and not isinstance(user_id, bool):
            return user_id
        kind = type(user_id).__name__
        if self.key is not None:
            raise TypeError(f"the key of flags_from must return a user id (str, int or UUID) or None, not {kind}")
        raise TypeError(
            f"the dependency of flags_from must give an Identity, a user id (str, int or UUID) or None, not {kind}:"
            " pass a function that returns its id, such as key=lambda user: user.id"
        )


def as_depends(dependency: Any) -> Any:
    """Return the ``Depends`` that FastAPI takes for what ``flags_from`` was given.

    Args:
        dependency: A callable, a ``Depends`` or ``Security``, or a type that is annotated with one, such as
            ``CurrentUser = Annotated[User, Depends(get_current_user)]``.

    Raises:
        TypeError: It is none of these.
    """
    if get_origin(dependency) is Annotated:
        # FastAPI takes the last one. It is callable as well, but calling it would make an object of the type.
        kind, *marks = get_args(dependency)
        for mark in reversed(marks):
            if isinstance(mark, params.Depends):
                return Depends(kind, use_cache=mark.use_cache) if mark.dependency is None else mark
    elif isinstance(dependency, params.Depends):
        if dependency.dependency is not None:
            return dependency
    elif callable(dependency):
        return Depends(dependency)
    raise TypeError(
        "flags_from takes a dependency: a function or a class, a Depends(...) of one, or an Annotated type that has"
        f" one, not {dependency!r:.80}"
    )

"""Who a request is from.

The order is the same in every framework:

1. the user that ``identify`` returns;
2. the account: the user who is logged in;
3. the visitor: the id in the visitor cookie, else a new id, which the response sets as that cookie;
4. no user: flags are off for the request, and ``Outcome.reason`` says why.

``resolve`` and ``aresolve`` take the first two steps, ``outcome_of`` the other two. A context asks once, at its first
question, and keeps the outcome.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from .._names import USER_AGENT
from .._running_loop import loop_is_running
from .visitor import is_visitor_id, new_visitor_id

if TYPE_CHECKING:
    from .._types import Attributes
    from .visitor import VisitorCookie

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
        TypeError: ``user_id`` is not text, or ``attributes`` is not a mapping.
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


class IdentityNotAwaited(RuntimeError):  # noqa: N818  # a public name
    """Who the request is from can only be said by awaiting, and the flags were asked without."""


class IdentityOptions(Protocol):
    """The settings that say who a request is from; ``Options`` has them."""

    @property
    def identify(self) -> AnyIdentityResolver[Any] | None:
        """Says who a request is from, or None."""
        ...

    @property
    def identify_is_async(self) -> bool:
        """Whether what ``identify`` returns has to be awaited."""
        ...

    @property
    def visitor_cookie(self) -> VisitorCookie | None:
        """How visitors without an account are known again; None when they are not."""
        ...


class Framework(Protocol[RequestT]):
    """What the functions below ask about a request. Every ``Integration`` is one, and documents the methods."""

    @property
    def options(self) -> IdentityOptions:
        """The settings."""
        ...

    def user_agent(self, request: RequestT, /) -> str | None:
        """Return the request's User-Agent."""
        ...

    def cookie(self, request: RequestT, name: str, /) -> str | None:
        """Return the value of a cookie."""
        ...

    def account(self, request: RequestT, /) -> Identity | None:
        """Return the user who is logged in."""
        ...

    async def aaccount(self, request: RequestT, /) -> Identity | None:
        """Return the same, for async code."""
        ...

    def wait(self, found: Awaitable[Identity | None], /) -> Identity | None:
        """Wait in sync code for what an async ``identify`` gives."""
        ...

    async def in_thread(self, identify: AnyIdentityResolver[RequestT], request: RequestT, /) -> Any:
        """Call a sync ``identify`` from async code."""
        ...

    def not_awaited(self, found: object = None, /) -> IdentityNotAwaited:
        """Return the error to raise on an event loop."""
        ...

    def report(self, subject: str, message: str, /, *arguments: object) -> None:
        """Log a problem, once."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who a request is from.

    Attributes:
        user_id: The id of a user or a visitor; None for a request without a user.
        attributes: Matched against audience rules, with the request's ``$userAgent``.
        new_visitor: The id is new, and the response has to set the cookie.
        reason: Why there is no user; empty with one.
    """

    user_id: str | None
    attributes: dict[str, Any]
    new_visitor: bool = False
    reason: str = ""


def no_user(reason: str) -> Outcome:
    """Return the outcome for a request without a user."""
    return Outcome(None, {}, reason=reason)


def resolve(framework: Framework[RequestT], request: RequestT) -> Identity | None:
    """Return the user that ``identify`` names, else the account, else None.

    Raises:
        IdentityNotAwaited: The answer has to be awaited, and the caller is on an event loop.
        Exception: What ``identify`` raises, or ``TypeError`` for what it returns.
    """
    identify = framework.options.identify
    if identify is not None:
        if framework.options.identify_is_async and loop_is_running():
            raise framework.not_awaited()
        found: Any = identify(request)
        if inspect.isawaitable(found):
            if loop_is_running():
                raise framework.not_awaited(found)
            found = framework.wait(found)
        if (identity := checked(found)) is not None:
            return identity
    return framework.account(request)


async def aresolve(framework: Framework[RequestT], request: RequestT) -> Identity | None:
    """Return the same as ``resolve``, for async code.

    Raises:
        Exception: What ``identify`` raises, or ``TypeError`` for what it returns.
    """
    identify = framework.options.identify
    if identify is not None:
        if framework.options.identify_is_async:
            found: Any = identify(request)
        else:
            found = await framework.in_thread(identify, request)
        if inspect.isawaitable(found):
            found = await found
        if (identity := checked(found)) is not None:
            return identity
    return await framework.aaccount(request)


def outcome_of(
    framework: Framework[RequestT], request: RequestT, identity: Identity | None, *, sealed: bool
) -> Outcome:
    """Return who a request is from: `identity`, else the visitor, else no user.

    Args:
        framework: Knows the request.
        request: The request.
        identity: From ``resolve`` or ``aresolve``.
        sealed: The response has started, so it cannot set the cookie of a new visitor.
    """
    attributes = {} if identity is None else dict(identity.attributes)
    user_agent = framework.user_agent(request)
    if user_agent is None:
        attributes.pop(USER_AGENT, None)
    else:
        attributes[USER_AGENT] = user_agent
    if identity is not None:
        return Outcome(identity.user_id, attributes)
    cookie = framework.options.visitor_cookie
    if cookie is None:
        return no_user("an anonymous user, and the visitor cookie is switched off")
    value = framework.cookie(request, cookie.name)
    if value is not None and is_visitor_id(value):
        return Outcome(value, attributes)
    if sealed:
        framework.report("sealed", "flags first asked after the response has started: no visitor cookie any more")
        return no_user("a new visitor, after the response has started")
    return Outcome(new_visitor_id(), attributes, new_visitor=True)


def is_async(resolver: object) -> bool:
    """Say whether calling ``resolver`` gives something to await."""
    return inspect.iscoroutinefunction(resolver) or inspect.iscoroutinefunction(type(resolver).__call__)


def checked(found: Any) -> Identity | None:
    """Return what a resolver returned.

    Raises:
        TypeError: It is something else.
    """
    if found is None or isinstance(found, Identity):
        return found
    raise TypeError(f"identify must return an Identity or None, not {type(found).__name__}")

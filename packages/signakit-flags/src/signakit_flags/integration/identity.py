"""Who a request is from.

The order is the same in every framework:

1. the user that ``identify`` returns;
2. the account: the user who is logged in;
3. the visitor: the id in the visitor cookie, else a new id, which the response sets as that cookie;
4. no user: flags are off for the request, and ``RequestUser.reason`` says why.

``resolve`` and ``aresolve`` take the first two steps, ``request_user`` the other two. A context asks once, at its
first question, and keeps the answer.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from .._arguments import check_attributes, plain_user_id
from .._names import USER_AGENT
from .._running_loop import loop_is_running
from .visitor import is_visitor_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .._types import Attributes

    # A circle of types alone: a Protocol would restate the whole class.
    from .base import Integration

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
        if type(self.user_id) is not str:
            plain_user_id(self.user_id)
        check_attributes(self.attributes)


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


@dataclass(frozen=True, slots=True)
class RequestUser:
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


def no_user(reason: str) -> RequestUser:
    """Return the value for a request without a user."""
    return RequestUser(None, {}, reason=reason)


def resolve(integration: Integration[RequestT], request: RequestT) -> Identity | None:
    """Return the user that ``identify`` names, else the account, else None.

    Raises:
        IdentityNotAwaited: The answer has to be awaited, and the caller is on an event loop.
        Exception: What ``identify`` raises, or ``TypeError`` for what it returns.
    """
    identify = integration.options.identify
    if identify is not None:
        if integration.options.identify_is_async and loop_is_running():
            raise integration.not_awaited()
        found: Any = identify(request)
        if inspect.isawaitable(found):
            if loop_is_running():
                raise integration.not_awaited(found)
            found = integration.wait(found)
        if (identity := checked(found)) is not None:
            return identity
    return integration.account(request)


async def aresolve(integration: Integration[RequestT], request: RequestT) -> Identity | None:
    """Return the same as ``resolve``, for async code.

    Raises:
        Exception: What ``identify`` raises, or ``TypeError`` for what it returns.
    """
    identify = integration.options.identify
    if identify is not None:
        if integration.options.identify_is_async:
            found: Any = identify(request)
        else:
            found = await integration.in_thread(identify, request)
        if inspect.isawaitable(found):
            found = await found
        if (identity := checked(found)) is not None:
            return identity
    return await integration.aaccount(request)


def request_user(
    integration: Integration[RequestT], request: RequestT, identity: Identity | None, *, sealed: bool
) -> RequestUser:
    """Return who a request is from: `identity`, else the visitor, else no user.

    Args:
        integration: Knows the request.
        request: The request.
        identity: From ``resolve`` or ``aresolve``.
        sealed: The response has started, so it cannot set the cookie of a new visitor.
    """
    attributes = {} if identity is None else dict(identity.attributes)
    user_agent = integration.user_agent(request)
    if user_agent is None:
        attributes.pop(USER_AGENT, None)
    else:
        attributes[USER_AGENT] = user_agent
    if identity is not None:
        return RequestUser(identity.user_id, attributes)
    cookie = integration.options.visitor_cookie
    if cookie is None:
        return no_user("an anonymous user, and the visitor cookie is switched off")
    value = integration.cookie(request, cookie.name)
    if value is not None and is_visitor_id(value):
        return RequestUser(value, attributes)
    if sealed:
        integration.report("sealed", "flags first asked after the response has started: no visitor cookie any more")
        return no_user("a new visitor, after the response has started")
    return RequestUser(integration.new_visitor_id(request, cookie), attributes, new_visitor=True)


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

"""Who a request is from.

The order is the same in every framework:

1. the user that ``identify`` returns;
2. the account: the user who is logged in;
3. the visitor: the id in the visitor cookie, else a new id, which the response sets as that cookie;
4. no user: flags are off for the request, and ``RequestUser.reason`` says why.

``resolve`` and ``aresolve`` take the first two steps, ``request_user`` the other two. A context keeps the answer from
its first question on.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

from .._arguments import check_attributes
from .._names import USER_AGENT
from .._running_loop import loop_is_running
from .._signal_handlers import let_through
from .._types import plain_text
from .visitor import is_visitor_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .._types import Attributes

    # A circle of types alone: a Protocol would restate the whole class.
    from .base import Integration

RequestT = TypeVar("RequestT")
_RequestT_contra = TypeVar("_RequestT_contra", contravariant=True)


UserId: TypeAlias = str | int | UUID
"""What a user id may be given as. The last two become text."""


@dataclass(frozen=True, slots=True, init=False)
class Identity:
    """A user, as an application knows them.

    Args:
        user_id: Stable and unique; the same id always gets the same variation. An int or a UUID becomes text.
        attributes: Matched against audience rules. The integration sets ``"$userAgent"`` to the request's User-Agent,
            whatever is given here.
        is_bot: True or False, where you know better than the User-Agent. With None the User-Agent decides: a crawler
            is a bot, and an HTTP library is a person's app.

    Raises:
        TypeError: ``user_id`` has another type, ``attributes`` is not a mapping, or ``is_bot`` is not a bool or None.
    """

    user_id: str
    attributes: Attributes
    is_bot: bool | None

    def __init__(self, user_id: UserId, attributes: Attributes | None = None, *, is_bot: bool | None = None) -> None:
        # Checked at once, where the traceback still names the code that is wrong.
        given: Attributes = {} if attributes is None else attributes
        check_attributes(given)
        if is_bot is not None and not isinstance(is_bot, bool):
            raise TypeError(f"is_bot must be True, False or None, not {type(is_bot).__name__}")
        object.__setattr__(self, "user_id", _text_of(user_id))
        object.__setattr__(self, "attributes", given)
        object.__setattr__(self, "is_bot", is_bot)


def _text_of(user_id: object) -> str:
    if type(user_id) is str:
        return user_id
    kind = type(user_id).__name__
    try:
        if isinstance(user_id, str):
            return plain_text(user_id)
        if isinstance(user_id, int) and not isinstance(user_id, bool):
            return int.__repr__(user_id)  # of an Enum, too, whose str() may be its name
        if isinstance(user_id, UUID):
            return UUID.__str__(user_id)
    except Exception as error:
        let_through(error)
        raise TypeError(
            f"user_id must be a str, an int or a UUID; this {kind} raises {type(error).__name__}"
        ) from error
    raise TypeError(f"user_id must be a str, an int or a UUID, not {kind}")


def as_identity(user: UserId | Identity | None, attributes: Attributes | None = None) -> Identity | None:
    """Return the identity of a user outside of requests.

    Raises:
        TypeError: ``user`` has another type, ``attributes`` is not a mapping, or both bring attributes.
    """
    if user is None:
        return None
    if not isinstance(user, Identity):
        return Identity(user, attributes)
    if attributes is not None:
        raise TypeError("an Identity has its own attributes: pass them to Identity()")
    return user


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
        known: The application names this user, so an HTTP library is their app and not a bot.
        is_bot: What the application says of it; None leaves it to the User-Agent.
        reason: Why there is no user; empty with one.
    """

    user_id: str | None
    attributes: dict[str, Any]
    new_visitor: bool = False
    known: bool = False
    is_bot: bool | None = None
    reason: str = ""


def no_user(reason: str) -> RequestUser:
    """Return the value for a request without a user."""
    return RequestUser(None, {}, reason=reason)


UNANSWERED: RequestUser = no_user("a new visitor, and no response that can set the visitor cookie")


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
        return RequestUser(identity.user_id, attributes, known=True, is_bot=identity.is_bot)
    cookie = integration.options.visitor_cookie
    if cookie is None:
        return no_user("an anonymous user, and the visitor cookie is switched off")
    if (visitor_id := known_visitor(integration, request)) is not None:
        return RequestUser(visitor_id, attributes)
    if sealed:
        integration.report("sealed", "flags first asked after the response has started: no visitor cookie any more")
        return no_user("a new visitor, after the response has started")
    if not integration.can_set_cookie(request):
        # An id that comes back in no cookie would be another visitor, and another exposure, at each question.
        integration.report("no response", "flags are off for new visitors where no response can set their cookie")
        return UNANSWERED
    return RequestUser(integration.new_visitor_id(request, cookie), attributes, new_visitor=True)


def known_visitor(integration: Integration[RequestT], request: RequestT) -> str | None:
    """Return the id in the visitor cookie of a request, or None."""
    cookie = integration.options.visitor_cookie
    # A browser sends every cookie of that name, those of a parent domain too: another one must not hide ours.
    return None if cookie is None else next(filter(is_visitor_id, integration.cookies(request, cookie.name)), None)


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

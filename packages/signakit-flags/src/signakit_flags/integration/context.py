"""The flags of one request. The first question finds out who the request is from.

Rules of the state:

- ``_found`` holds what ``resolve`` found out, for the first question. It is found out anew where the request has
  authenticated another user since.
- ``_users`` holds who the request is from, from the first question on, and ``_contexts`` the core's context, once there
  is a config. Each list gets its one item by ``append``, which is atomic, and item 0 is the one that counts: of two
  threads, or two tasks, that ask at the same time, both go on with the first one's. No lock: a fork would copy it as it
  stands.
- ``_sealed`` is set when the response starts. From then on there are no new visitors: their cookie cannot be set.
- ``_finding_out`` holds the context that this thread or task is finding out about. Only the code that says who asks can
  ask that context again meanwhile.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import Explanation, SignaKitUserContext, _hook, bot_kind
from .._hook import hooks
from .._names import USER_AGENT
from .._types import Step, text_or_none
from .._user_context import check_event, check_key
from .._values import shown_attributes
from .identity import UNANSWERED, IdentityNotAwaited, RequestUser, known_visitor, no_user, request_user
from .response import ResponseStart, keep_private, not_kept

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Self, SupportsFloat

    from .. import Decision, Decisions

    # A circle of types alone: a Protocol would restate the whole class.
    from .base import Integration
    from .identity import Identity
    from .visitor import SetCookie

_finding_out: ContextVar[LazyUserContext | None] = ContextVar("signakit_finding_out", default=None)


@dataclass(frozen=True, slots=True)
class _Found:
    """Who was found out, before a question.

    Attributes:
        user: An identity; None for a visitor; ``_UNTOLD`` where finding out has failed.
        by: What the request knew them by: see ``Integration.authenticated``.
    """

    user: Identity | RequestUser | None
    by: tuple[object, ...]


_UNTOUCHED = ResponseStart()
_UNTOLD = no_user("identify failed")


class _FindingOut:
    """Runs the code that says who a request is from. What it raises is logged, and the request has no user."""

    __slots__ = ("_context", "_integration", "_passes", "_token")

    def __init__(
        self, context: LazyUserContext, integration: Integration[Any], *, passes: type[Exception] | tuple[()] = ()
    ) -> None:
        self._context = context
        self._integration = integration
        self._passes = passes

    def __enter__(self) -> Self:
        self._token = _finding_out.set(self._context)
        return self

    def begin(self) -> None:
        """Raise ``RuntimeError`` where the context is asked by the code that it runs."""
        if self._token.old_value is self._context:
            # It would go on for ever, and be answered and hidden by a RecursionError that nothing can log.
            raise RuntimeError(
                "flags were asked by the code that is to say who asks: by identify, or where accounts load"
            )

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        _finding_out.reset(self._token)
        if not isinstance(error, Exception) or isinstance(error, self._passes):
            return False
        self._integration.report("identify", "flags are off for requests whose user cannot be told: %r", error)
        return True


class LazyUserContext(SignaKitUserContext):
    """The flags of one request; never None, and free until they are asked.

    The first question finds out who the request is from: the user that ``identify`` names, else the account, else the
    visitor of the cookie. Without any of them, and while the client has no config, ``decide`` gives None and the rest
    gives the default. The first decision that finds a config pins it.

    Made by ``Integration.context`` and ``Integration.user``.
    """

    __slots__ = ("_contexts", "_found", "_integration", "_request", "_sealed", "_users")

    def __init__(self, integration: Integration[Any], request: object) -> None:
        self._integration = integration
        self._request = request
        self._found: _Found | None = None
        self._users: list[RequestUser] = []
        self._contexts: list[SignaKitUserContext] = []
        self._sealed = False

    @classmethod
    def of(cls, integration: Integration[Any], identity: Identity | None) -> Self:
        """Return the flags of the user that `identity` names; None means no user. See ``Integration.user``."""
        context = cls(integration, None)
        context._users.append(
            no_user("no user")
            if identity is None
            else RequestUser(identity.user_id, dict(identity.attributes), known=True, is_bot=identity.is_bot)
        )
        return context

    def __repr__(self) -> str:
        if not self._users:
            return f"{type(self).__name__}(not asked yet)"
        user = self._users[0]
        return f"{type(self).__name__}({user.reason if user.user_id is None else repr(user.user_id)})"

    # --- who asks ---------------------------------------------------------------------------------------------

    @property
    def touched(self) -> bool:
        """True from the first question on. ``resolve`` is not a question: the response need not depend on it."""
        return bool(self._users)

    async def resolve(self) -> Self:
        """Find out who asks by awaiting, where that needs it; after that every question can be asked from sync code.

        It makes no new visitor: the first question does, such as ``user_id``. Where another user is authenticated
        before that question, the answer is theirs.

        Raises:
            asyncio.CancelledError: The request was cancelled; the next call begins anew.
        """
        if not self._users and self._found_before() is None:
            found: Identity | RequestUser | None = _UNTOLD
            with _FindingOut(self, self._integration) as finding:
                finding.begin()
                found = await self._integration.aresolve(self._request)
            self._keep(found)
        return self

    def _keep(self, found: Identity | RequestUser | None) -> None:
        # Asked afterwards, as finding out may load the account.
        self._found = _Found(found, self._integration.authenticated(self._request))

    def _found_before(self) -> _Found | None:
        """Return what was found out; None where that is still to be done, or to be done anew."""
        found = self._found
        if found is None:
            return None
        now = self._integration.authenticated(self._request)
        same = len(now) == len(found.by) and all(one is other for one, other in zip(now, found.by, strict=True))
        return found if same else None

    def _user(self) -> RequestUser:
        users = self._users
        if not users:
            integration, request = self._integration, self._request
            user = _UNTOLD
            with _FindingOut(self, integration, passes=IdentityNotAwaited) as finding:
                finding.begin()
                integration.asked(request)
                before = self._found_before()
                found = integration.resolve(request) if before is None else before.user
                if not isinstance(found, RequestUser):
                    user = request_user(integration, request, found, sealed=self._sealed)
                if user is UNANSWERED:
                    # Only for now: a framework may begin to dispatch the request later.
                    self._keep(found)
                    return user
            users.append(user)
        return users[0]

    def _context(self) -> SignaKitUserContext | None:
        contexts = self._contexts
        if not contexts:
            user = self._user()
            if user.user_id is None:
                return None
            hook = _hook.active()
            client = None if hook is None else hook.client()
            if client is None:
                client = self._integration.client()
            if client is None:
                return None
            context = client.create_user_context(user.user_id, user.attributes, is_bot=user.is_bot)
            if context is None:
                return None
            # A detector of the application's own has the last word.
            if context.is_bot and client._bot_detector is None and _by_app(user):  # noqa: SLF001  # of the core's
                context = client.create_user_context(user.user_id, user.attributes, is_bot=False) or context
            contexts.append(context)
        return contexts[0]

    # --- in tests ---------------------------------------------------------------------------------------------

    def _ready_context(self) -> SignaKitUserContext | None:
        """Return the core's context if it can be had at once: what a test forces does not wait for a config."""
        if not self._contexts and self._user().user_id is not None:
            hook = _hook.active()
            served = hook is not None and hook.client() is not None
            if not served and self._integration.ready_client() is None:
                return None
        return self._context()

    def _subject(self) -> _hook.Subject:
        context = self._ready_context()
        if context is not None:
            return context._subject()  # noqa: SLF001  # of the core's, which this one stands for
        user = self._user()
        return _hook.Subject(self, user.user_id, self._own_attributes(), is_bot=self._is_bot_by_name())

    def _own_attributes(self) -> dict[str, Any]:
        return {name: value for name, value in self._user().attributes.items() if name != USER_AGENT}

    def _is_bot_by_name(self) -> bool:
        user = self._user()
        if user.is_bot is not None:
            return user.is_bot
        user_agent = text_or_none(user.attributes.get(USER_AGENT))
        if user_agent is None:
            return False
        hook = _hook.active()
        if hook is not None and hook.drives_tests(user_agent):
            return False
        return bot_kind(user_agent) is not None and not _by_app(user)

    # --- the response -----------------------------------------------------------------------------------------

    def start_response(
        self, *, secure: bool = False, host: str | None = None, cache_control: str | None = None
    ) -> ResponseStart:
        """Return what the response has to carry. To be called once, when its headers are about to be sent.

        From then on no new visitors are made: without a cookie, flags that are first asked in a streamed body or in a
        background task have no user. A cookie that no browser keeps, and ``public`` beside it, are logged once.

        Args:
            secure: Whether the request came by https.
            host: The request's ``Host`` header.
            cache_control: The response's ``Cache-Control`` header; None without one.
        """
        self._sealed = True
        users = self._users
        if not users:
            return _UNTOUCHED if self._found is None else self._start_unasked(self._found.user)
        user = users[0]
        forced = hasattr(self, "_forced")  # by a test, without a config
        context = self._ready_context() if forced else self._context()
        if self._is_bot_by_name() if context is None and forced else context is not None and context.is_bot:
            # What a bot got must not be handed to people by a cache. Those each have a cookie of their own.
            return ResponseStart(vary=("Cookie", "User-Agent"))
        if not user.new_visitor or user.user_id is None:
            return ResponseStart(vary=("Cookie",))
        policy = self._integration.options.visitor_cookie
        if policy is None or (context is None and not forced):
            # No config, so nothing was decided. An id that no cookie brings back must not be used later on either.
            users[0] = no_user("a new visitor, while there was no config")
            return ResponseStart(vary=("Cookie",))
        cookie = policy.set_cookie(user.user_id, secure=secure)
        kept_private, public = keep_private(cache_control)
        if public:
            self._integration.report("public", "a response that sets a visitor cookie says `public`; it is private")
        self._warn_of_lost(cookie, secure=secure, host=host)
        return ResponseStart(cookie, ("Cookie",), kept_private)

    def _start_unasked(self, found: Identity | RequestUser | None) -> ResponseStart:
        """Return the same where nothing was asked yet, and the body that follows may still ask."""
        known: object = found
        if found is None:
            with _FindingOut(self, self._integration):
                known = known_visitor(self._integration, self._request)
        # A new visitor has no user id in such a body, so it is the same for all of them.
        return _UNTOUCHED if known is None else ResponseStart(vary=("Cookie",))

    def _warn_of_lost(self, cookie: SetCookie, *, secure: bool, host: str | None) -> None:
        integration = self._integration
        found = not_kept(cookie, secure=secure, host=host, remedy=integration.trusts_proxy_by)
        if found is not None:
            attribute, reason = found
            scheme = "https" if secure else "http"
            message = "browsers do not keep the visitor cookie of a response to %s://%s: %s"
            integration.report(f"not kept: {attribute}", message, scheme, (host or "")[:100], reason)

    # --- what can be asked ------------------------------------------------------------------------------------

    @property
    def user_id(self) -> str:
        """The user's id; empty without a user. A question: a new visitor gets an id, and the response the cookie."""
        return self._user().user_id or ""

    @property
    def attributes(self) -> dict[str, Any]:
        """The user's attributes, without ``$userAgent``; a read-only copy, as they are matched and sent."""
        if self._contexts:
            return self._contexts[0].attributes
        return shown_attributes(self._own_attributes())

    @property
    def is_bot(self) -> bool:
        """True when the User-Agent is a bot's: it gets ``off`` for every flag and sends no events. False if unknown."""
        context = self._context()
        return context is not None and context.is_bot

    def decide(self, flag_key: str) -> Decision | None:
        """Decide one flag, as ``SignaKitUserContext``; None as well for nobody, and while there is no config."""
        if hooks:
            forced = self._forced_decision(flag_key)
            if forced is not None:
                return forced[0]
        context = self._context()
        if context is not None:
            return context.decide(flag_key)
        check_key(flag_key, "flag_key")
        return None

    def _decide_all(self) -> Decisions:
        context = self._context()
        return {} if context is None else context.decide_all()

    def _explain(self, flag_key: str) -> Explanation:
        context = self._context()
        if context is not None:
            return context.explain(flag_key)
        user = self._user()
        reason = user.reason or ("the client has no config yet" if self._integration.client() else "flags are off")
        return Explanation(flag_key, user.user_id or "", None, (Step("flag", passed=False, detail=reason),))

    def track(
        self, event_key: str, value: SupportsFloat | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Track a conversion, as ``SignaKitUserContext``; nobody's is ignored, as is one while there is no config."""
        context = self._tracking(event_key, value, metadata)
        if context is not None:
            context.track(event_key, value, metadata)

    def _tracking(self, event_key: str, value: Any, metadata: Any) -> SignaKitUserContext | None:
        """Return the context to track by; None where there is none, and a test has taken the conversion if it wants."""
        hook = _hook.in_scope()
        if hook is None:
            return self._context()
        context = self._ready_context()
        if context is None:
            hook.track(self, check_event(event_key, value)[0], value, metadata, {})
        return context

    def track_event(
        self, event_key: str, value: SupportsFloat | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Coroutine[Any, Any, None]:
        """Track a conversion; as ``track``, for code that awaits. Returns once the event is accepted, not sent."""
        # The core's own coroutine, not one around it: that one knows a loop which runs nothing else.
        context = self._tracking(event_key, value, metadata)
        return _nothing() if context is None else context.track_event(event_key, value, metadata)


async def _nothing() -> None:
    pass


def _by_app(user: RequestUser) -> bool:
    """Return whether a user that the application names comes through an HTTP library: a person, by an app."""
    if not user.known or user.is_bot is not None:
        return False
    return bot_kind(text_or_none(user.attributes.get(USER_AGENT))) == "library"

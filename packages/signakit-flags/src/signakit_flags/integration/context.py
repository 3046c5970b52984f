"""The flags of one request, for whom they are being found out at the first question.

Rules of the state:

- ``_outcomes`` holds who the request is from, once that is known, and ``_contexts`` the core's context, once there is a
  config. Each gets its one item by ``append``, which is atomic, and item 0 is the one that counts: of two threads, or
  two tasks, that ask at the same time, both go on with the first one's. No lock: a fork would copy it as it stands.
- ``_sealed`` is set when the response starts. From then on nobody becomes a visitor, as no cookie can be set any more.
- ``_finding_out`` holds the one context of this thread or task that is finding out who asks. It can only come to be
  asked again, meanwhile, by the very code that is to say who it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import Explanation, SignaKitUserContext, _hook, is_bot
from .._hook import hooks
from .._types import Step
from .._user_context import check_event, check_key
from .identity import Identity, IdentityNotAwaited
from .visitor import is_visitor_id, new_visitor_id

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from decimal import Decimal
    from typing import Self

    from .. import Decision, Decisions
    from .framework import Integration
    from .visitor import SetCookie

_USER_AGENT = "$userAgent"
_finding_out: ContextVar[LazyUserContext | None] = ContextVar("signakit_finding_out", default=None)


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """What the flags of a request ask of its response.

    Attributes:
        cookie: The visitor cookie to set, or None.
        vary: Names to be added to the ``Vary`` header: what the response depends on.
    """

    cookie: SetCookie | None = None
    vary: tuple[str, ...] = ()


_UNTOUCHED = ResponseStart()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Who a request is from. Without a user id: nobody, and why."""

    user_id: str | None
    attributes: dict[str, Any]
    new_visitor: bool = False
    reason: str = ""


def _nobody(reason: str) -> _Outcome:
    return _Outcome(None, {}, reason=reason)


class LazyUserContext(SignaKitUserContext):
    """The flags of one request; never None, and free until they are asked.

    At the first question it is found out who asks: whom ``identify`` names, else the account, else the visitor of the
    cookie, else nobody. Nobody, and everybody while the client has no config, gets None from ``decide`` and the default
    from the rest. The config is pinned by the first decision that finds one.

    Made by ``Integration.context`` and ``Integration.user``.
    """

    __slots__ = ("_contexts", "_integration", "_outcomes", "_request", "_sealed")

    def __init__(self, integration: Integration[Any], request: object) -> None:
        self._integration = integration
        self._request = request
        self._outcomes: list[_Outcome] = []
        self._contexts: list[SignaKitUserContext] = []
        self._sealed = False

    @classmethod
    def of(cls, integration: Integration[Any], identity: Identity | None) -> Self:
        """Return the flags of a user whom the caller knows; None is nobody. See ``Integration.user``."""
        context = cls(integration, None)
        context._outcomes.append(
            _nobody("no user") if identity is None else _Outcome(identity.user_id, dict(identity.attributes))
        )
        return context

    def __repr__(self) -> str:
        if not self._outcomes:
            return f"{type(self).__name__}(not asked yet)"
        outcome = self._outcomes[0]
        return f"{type(self).__name__}({outcome.reason if outcome.user_id is None else repr(outcome.user_id)})"

    # --- who asks ---------------------------------------------------------------------------------------------

    @property
    def touched(self) -> bool:
        """True once somebody wanted to know something: who it is has been found out, or that it is nobody."""
        return bool(self._outcomes)

    async def resolve(self) -> Self:
        """Find out who asks by awaiting, where that needs it; after that every question can be asked from sync code.

        Raises:
            asyncio.CancelledError: The request was cancelled; the next call begins anew.
        """
        if not self._outcomes:
            integration = self._integration
            try:
                with self._not_asked_meanwhile():
                    outcome = self._outcome_of(await integration.aresolve(self._request))
            except Exception as error:  # noqa: BLE001  # the application's own code: a request must not fail by it
                outcome = self._failed(error)
            self._outcomes.append(outcome)
        return self

    def _outcome(self) -> _Outcome:
        outcomes = self._outcomes
        if not outcomes:
            try:
                with self._not_asked_meanwhile():
                    outcome = self._outcome_of(self._integration.resolve(self._request))
            except IdentityNotAwaited:
                raise
            except Exception as error:  # noqa: BLE001  # as above
                outcome = self._failed(error)
            outcomes.append(outcome)
        return outcomes[0]

    @contextmanager
    def _not_asked_meanwhile(self) -> Iterator[None]:
        if _finding_out.get() is self:
            # It would go on for ever, and be answered and hidden by a RecursionError that nothing can log.
            raise RuntimeError(
                "flags were asked by the code that is to say who asks: by identify, or where accounts load"
            )
        token = _finding_out.set(self)
        try:
            yield
        finally:
            _finding_out.reset(token)

    def _failed(self, error: Exception) -> _Outcome:
        self._integration.report("identify", "flags are off for requests whose user cannot be told: %r", error)
        return _nobody("identify failed")

    def _outcome_of(self, identity: Identity | None) -> _Outcome:
        integration, request = self._integration, self._request
        attributes = {} if identity is None else dict(identity.attributes)
        user_agent = integration.user_agent(request)
        if user_agent is None:
            attributes.pop(_USER_AGENT, None)
        else:
            attributes[_USER_AGENT] = user_agent
        if identity is not None:
            return _Outcome(identity.user_id, attributes)
        cookie = integration.options.visitor_cookie
        if cookie is None:
            return _nobody("an anonymous user, and the visitor cookie is switched off")
        value = integration.cookie(request, cookie.name)
        if value is not None and is_visitor_id(value):
            return _Outcome(value, attributes)
        if self._sealed:
            integration.report("sealed", "flags first asked after the response has started: no visitor cookie any more")
            return _nobody("a new visitor, after the response has started")
        return _Outcome(new_visitor_id(), attributes, new_visitor=True)

    def _context(self) -> SignaKitUserContext | None:
        contexts = self._contexts
        if not contexts:
            outcome = self._outcome()
            if outcome.user_id is None:
                return None
            hook = _hook.active()
            client = None if hook is None else hook.client()
            if client is None:
                client = self._integration.client()
            if client is None:
                return None
            context = client.create_user_context(outcome.user_id, outcome.attributes)
            if context is None:
                return None
            contexts.append(context)
        return contexts[0]

    # --- in tests ---------------------------------------------------------------------------------------------

    def _ready_context(self) -> SignaKitUserContext | None:
        """Return the core's context if it can be had at once: what a test forces does not wait for a config."""
        if not self._contexts and self._outcome().user_id is not None:
            hook = _hook.active()
            served = hook is not None and hook.client() is not None
            if not served and self._integration.ready_client() is None:
                return None
        return self._context()

    def _subject(self) -> _hook.Subject:
        context = self._ready_context()
        if context is not None:
            return context._subject()  # noqa: SLF001  # of the core's, which this one stands for
        outcome = self._outcome()
        return _hook.Subject(self, outcome.user_id, self.attributes, is_bot=self._is_bot_by_name())

    def _is_bot_by_name(self) -> bool:
        user_agent = self._outcome().attributes.get(_USER_AGENT)
        if not isinstance(user_agent, str):
            return False
        hook = _hook.active()
        return not (hook is not None and hook.drives_tests(user_agent)) and is_bot(user_agent)

    # --- the response -----------------------------------------------------------------------------------------

    def start_response(self, *, secure: bool = False) -> ResponseStart:
        """Say what the response has to carry. To be called once, when its headers are about to be sent.

        From then on nobody becomes a visitor: who has no cookie by then, and asks for flags in a streamed body or in a
        background task, is nobody.

        Args:
            secure: Whether the request came by https.
        """
        self._sealed = True
        outcomes = self._outcomes
        if not outcomes:
            return _UNTOUCHED
        outcome = outcomes[0]
        forced = hasattr(self, "_forced")  # by a test, without a config
        context = self._ready_context() if forced else self._context()
        if self._is_bot_by_name() if context is None and forced else context is not None and context.is_bot:
            # What a bot got must not be handed to people by a cache. Those each have a cookie of their own.
            return ResponseStart(vary=("Cookie", "User-Agent"))
        set_cookie = None
        if outcome.new_visitor and outcome.user_id is not None:
            cookie = self._integration.options.visitor_cookie
            if cookie is None or (context is None and not forced):
                # No config, so nothing was decided. An id that no cookie brings back must not be used later on either.
                outcomes[0] = _nobody("a new visitor, while there was no config")
            else:
                set_cookie = cookie.set_cookie(outcome.user_id, secure=secure)
        return ResponseStart(set_cookie, ("Cookie",))

    # --- what can be asked ------------------------------------------------------------------------------------

    @property
    def user_id(self) -> str:
        """The user's id; empty for nobody."""
        return self._outcome().user_id or ""

    @property
    def attributes(self) -> dict[str, Any]:
        """The user's attributes, without ``$userAgent``; a copy."""
        return {name: value for name, value in self._outcome().attributes.items() if name != _USER_AGENT}

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
        outcome = self._outcome()
        reason = outcome.reason or ("the client has no config yet" if self._integration.client() else "flags are off")
        return Explanation(flag_key, outcome.user_id or "", None, (Step("flag", passed=False, detail=reason),))

    def track(
        self, event_key: str, value: float | Decimal | None = None, metadata: Mapping[str, Any] | None = None
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
            hook.track(self, check_event(event_key, value), value, metadata, {})
        return context

    def track_event(
        self, event_key: str, value: float | Decimal | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Coroutine[Any, Any, None]:
        """Track a conversion; as ``track``, for code that awaits. Returns once the event is accepted, not sent."""
        # The core's own coroutine, not one around it: that one knows a loop which runs nothing else.
        context = self._tracking(event_key, value, metadata)
        return _nothing() if context is None else context.track_event(event_key, value, metadata)


async def _nothing() -> None:
    pass

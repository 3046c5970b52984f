"""Where ``signakit_flags.testing`` reaches in. Empty outside tests: nothing here imports it.

State: ``hooks`` and ``refuse_network``. The testing kit puts a hook into the first while anything of it is in force
somewhere in the process, and takes it out after that; the pytest plugin sets the second for a run. Every decision looks
whether ``hooks`` is empty, by that name: an attribute of this module would cost a request a twentieth.

Clients, contexts and engines all ask this module, so it knows them by what a hook uses of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._evaluation.ruleset import Outcome, Ruleset
    from ._events.outbox import Outbox
    from ._types import Decision, Decisions, Explanation


class Context(Protocol):
    """A user context, the core's or that of a request in a framework, as a hook knows it."""

    _forced: dict[str, tuple[object, Decision]]
    """What a test forced in this context, by flag. Not set before the first of it."""

    def decide(self, flag_key: str) -> Decision | None: ...

    def _subject(self) -> Subject: ...


class Engine(Protocol):
    """The engine of a client, as a hook knows it."""

    outbox: Outbox

    @property
    def posts(self) -> bool: ...

    def expose(self, user_id: str, attributes: dict[str, Any], outcome: Outcome) -> None: ...

    def expose_forced(self, user_id: str, attributes: dict[str, Any], decision: Decision) -> None: ...


class Subject:
    """The user that a question is about, and what is known for the answer.

    Attributes:
        context: Keeps what was forced, for the conversions that follow.
        user_id: None where a request has no user.
        attributes: Those of the user, without ``$userAgent``: the context's own, which evaluation makes plain.
        is_bot: The user is a bot.
        ruleset: The config that the context keeps to, or None while there is none.
        engine: The client's, or None without a client that is ready.
    """

    __slots__ = ("attributes", "context", "engine", "is_bot", "ruleset", "user_id")

    def __init__(
        self,
        context: Context,
        user_id: str | None,
        attributes: dict[str, Any],
        *,
        is_bot: bool,
        ruleset: Ruleset | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.context: Context = context
        self.user_id: str | None = user_id
        self.attributes: dict[str, Any] = attributes
        self.is_bot: bool = is_bot
        self.ruleset: Ruleset | None = ruleset
        self.engine: Engine | None = engine


class Hook(Protocol):
    """What a test has in force, asked before anything is decided. None means: go on as if it were not there.

    ``in_scope`` tells whether it is in force for the calling code: a test that runs at the same time in another task
    has it, this one may not.
    """

    def in_scope(self) -> bool: ...

    def client(self) -> Any:
        """Return the ``SignaKitClient`` that serves the requests of every framework, or None.

        The type is not named here: the client is made of modules that import this one.
        """
        ...

    def drives_tests(self, user_agent: str) -> bool: ...

    def decide(self, context: Context, flag_key: str) -> tuple[Decision | None] | None: ...

    def decide_all(self, context: Context) -> Decisions | None: ...

    def explain(self, context: Context, flag_key: str) -> Explanation | None: ...

    def track(self, context: Context, event_key: str, value: Any, metadata: Any, decisions: dict[str, str]) -> bool:
        """Take a conversion, and return whether it goes no further; else correct the ``decisions`` that go with it."""
        ...


hooks: list[Hook] = []
"""One, or none. The list is always the same."""

refuse_network: Callable[[str], str | None] | None = None
"""Says why a host must not be connected to; None from it lets it be. Asked before each request that goes out."""


def active() -> Hook | None:
    """Return what any test has in force, or None."""
    return next(iter(hooks), None)


def in_scope() -> Hook | None:
    """Return what a test has in force for the calling code, or None."""
    hook = active()
    return hook if hook is not None and hook.in_scope() else None

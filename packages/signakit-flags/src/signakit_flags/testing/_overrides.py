"""``override_flags``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ._decorating import decorate
from ._forced import describe, parse
from ._layers import Layer
from ._scopes import begin, check_scope, end, last_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Self

    from ._forced import Forced

DecoratedT = TypeVar("DecoratedT", bound="Any")


class override_flags:  # noqa: N801  # a context manager and decorator reads as a verb
    """Force flags: as a context manager, sync or async, or as a decorator.

    ::

        with override_flags({"new-checkout": "treatment", "beta": True, "gone": None}): ...

        @override_flags({"layout": Override("b", variables={"columns": 3})})
        async def test_three_columns(): ...

    Every question gives the forced answer, whoever asks it: ``decide``, ``decide_all``, ``is_enabled``, ``variation``,
    ``variable`` and ``explain``, for bots and for nobody, for a context that has decided the flag before, and while
    the client has no config or there is no client. ``enabled`` follows from the variation, ``rule_key`` and
    ``rule_type`` are None. A flag forced to None has no decision, as one that does not exist. When it ends, everything
    is as it was before, for tasks that go on, too. Of one inside another, the inner one counts for the flags that it
    names.

    A forced decision is an exposure for ``recorded()``, and for a client made by ``SignaKitClient.offline`` with
    ``record_events``; it is never sent. Bots and nobody are not exposed.

    Decorates functions, coroutine functions, generators and async generators (forced while their body runs, and not
    while they wait at a ``yield``), and test classes: a ``unittest.TestCase`` from ``setUp`` to the clean-ups, of any
    other class the methods ``test*``, ``setup_method`` and ``teardown_method``.

    Args:
        flags: By the key of a flag, what it is forced to: a variation, True or False, an ``Override``, or None.
        scope: ``"task"`` is for the code inside, tasks and ``asyncio.to_thread`` started there included; tests that
            run at the same time in other tasks or threads do not see it. ``"process"`` is for every thread: where a
            server runs in one, as Django's ``live_server``.

    Raises:
        TypeError: A key is no text, or a value none of these.
        ValueError: There is no such scope.
    """

    def __init__(self, flags: Mapping[str, Forced], *, scope: str = "task") -> None:
        self._forced = parse(flags)
        self._scope = check_scope(scope)
        self._layers: list[Layer] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(describe(*item) for item in self._forced.items())})"

    def __enter__(self) -> Self:
        """Force them."""
        self._layers.append(begin(Layer(forced=self._forced), self._scope))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let them be."""
        end(last_of(self._layers))

    async def __aenter__(self) -> Self:
        """Force them."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let them be."""
        self.__exit__(kind, error, traceback)

    def __call__(self, decorated: DecoratedT) -> DecoratedT:
        """Decorate a function or a class of tests."""
        return decorate(
            decorated,
            lambda: override_flags(self._forced, scope=self._scope),
            lambda: override_flags(self._forced, scope="process"),
        )

"""What tests have in force, and for whom.

Rules of the state:

- A layer is one thing that a test has in force: forced flags, a recording, a client. What came later goes before.
- Layers of a task are in a context variable: tasks and ``asyncio.to_thread`` copy it, so they see what was in force
  where they were started, and nobody else does. Layers of the process are in ``_everywhere``, seen by every thread.
- A layer that has ended says so itself, as copies of the variable may still hold it: a task that outlives a test does
  not go on with its flags. Nothing is reset by a token, which fails when a fixture ends in another task than it began.
- ``_lock`` guards ``_everywhere`` and the number of layers, by which the core is told whether to ask at all.
"""

from __future__ import annotations

import itertools
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeAlias

from .. import _hook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .. import SignaKitClient
    from ._overrides import Override
    from ._recording import Recording

Scope: TypeAlias = Literal["task", "process"]

_order: itertools.count[int] = itertools.count()
_here: ContextVar[tuple[Layer, ...]] = ContextVar("signakit_layers", default=())
_everywhere: tuple[Layer, ...] = ()
_lock: threading.Lock = threading.Lock()
_count = 0


class Layer:
    """One thing that a test has in force.

    Attributes:
        forced: What stands in for decisions, by flag; None for a flag that is taken away.
        recording: Where events go.
        client: What serves the requests of every framework.
        order: Later layers have higher ones.
        over: It has ended.
    """

    __slots__ = ("client", "forced", "order", "over", "recording")

    def __init__(
        self,
        *,
        forced: Mapping[str, Override | None] | None = None,
        recording: Recording | None = None,
        client: Callable[[], SignaKitClient] | None = None,
    ) -> None:
        self.forced: Mapping[str, Override | None] = forced or {}
        self.recording: Recording | None = recording
        self.client: Callable[[], SignaKitClient] | None = client
        self.order: int = next(_order)
        self.over: bool = False


class InForce:
    """All that is in force for the calling code, the layers taken together.

    Attributes:
        forced: By flag, the last one that names it.
        recordings: Every one: a recording inside another one hides nothing from it.
        client: The last one, or None.
    """

    __slots__ = ("client", "forced", "recordings")

    def __init__(self, layers: list[Layer]) -> None:
        self.forced: dict[str, Override | None] = {}
        self.recordings: list[Recording] = []
        self.client: Callable[[], SignaKitClient] | None = None
        for layer in layers:
            self.forced.update(layer.forced)
            if layer.recording is not None:
                self.recordings.append(layer.recording)
            if layer.client is not None:
                self.client = layer.client


def begin(layer: Layer, scope: Scope) -> Layer:
    """Put a layer in force, and return it."""
    global _everywhere, _count  # noqa: PLW0603  # the state of this module
    from ._questions import Questions  # it asks this module what is in force

    with _lock:
        _count += 1
        _hook.hooks[:] = [Questions()]
        if scope == "process":
            _everywhere = (*_everywhere, layer)
    if scope == "task":
        _here.set((*_mine(), layer))
    return layer


def end(layer: Layer) -> None:
    """Take a layer away, wherever it is. Again is harmless."""
    global _everywhere, _count  # noqa: PLW0603  # as above
    with _lock:
        if layer.over:
            return
        layer.over = True
        _everywhere = tuple(other for other in _everywhere if other is not layer)
        _count -= 1
        if _count == 0:
            _hook.hooks.clear()
    _here.set(_mine())


def in_force() -> InForce | None:
    """Return what is in force for the calling code; None when nothing is."""
    layers = [*_everywhere, *_mine()]
    if not layers:
        return None
    layers.sort(key=lambda layer: layer.order)
    return InForce(layers)


def last_of(layers: list[Layer]) -> Layer:
    """Take the last one off the layers of one context manager, of those of the calling task if there are any.

    One context manager may be in several tasks at a time: each ends what it began itself.
    """
    mine = _mine()
    layer = next((layer for layer in reversed(layers) if layer in mine), layers[-1])
    layers.remove(layer)
    return layer


def _mine() -> tuple[Layer, ...]:
    return tuple(layer for layer in _here.get() if not layer.over)


def check_scope(scope: str) -> Scope:
    """Return a scope.

    Raises:
        ValueError: There is no such scope.
    """
    if scope == "task":
        return "task"
    if scope == "process":
        return "process"
    raise ValueError(f'scope must be "task" or "process", not {scope!r}')

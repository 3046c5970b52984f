"""Who sees which layers: those of a task are seen by that task, those of the process by every thread.

Rules of the state:

- A layer is one thing that a test has in force: forced flags, a recording, a client. What came later goes before.
- Layers of a task are in a context variable: tasks and ``asyncio.to_thread`` copy it, so they see what was in force
  where they were started, and no other code does. Layers of the process are in ``_process``, seen by every thread.
- A layer that has ended says so itself, as copies of the variable may still hold it: a task that outlives a test does
  not go on with its flags. Nothing is reset by a token, which fails when a fixture ends in another task than it began.
- ``_lock`` guards ``_process``, and with it the core's hook: it is there while there is a layer.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeAlias

from .. import _hook
from ._answers import Answers
from ._layers import InForce

if TYPE_CHECKING:
    from ._layers import Layer

Scope: TypeAlias = Literal["task", "process"]


class _Process:
    """What the whole process has in force.

    Attributes:
        layers: The layers that every thread sees.
        count: How many layers there are, those of tasks included.
    """

    __slots__ = ("count", "layers")

    def __init__(self) -> None:
        self.layers: tuple[Layer, ...] = ()
        self.count = 0


_here: ContextVar[tuple[Layer, ...]] = ContextVar("signakit_layers", default=())
_process = _Process()
_lock: threading.Lock = threading.Lock()


def begin(layer: Layer, scope: Scope) -> Layer:
    """Put a layer in force, and return it."""
    with _lock:
        _process.count += 1
        _hook.hooks[:] = [_answers]
        if scope == "process":
            _process.layers = (*_process.layers, layer)
    if scope == "task":
        _here.set((*_mine(), layer))
    return layer


def end(layer: Layer) -> None:
    """Take a layer away, wherever it is. Again is harmless."""
    with _lock:
        if layer.over:
            return
        layer.over = True
        _process.layers = tuple(other for other in _process.layers if other is not layer)
        _process.count -= 1
        if _process.count == 0:
            _hook.hooks.clear()
    _here.set(_mine())


def in_force() -> InForce | None:
    """Return what is in force for the calling code; None when nothing is."""
    layers = [*_process.layers, *_mine()]
    return InForce(layers) if layers else None


_answers = Answers(in_force)


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

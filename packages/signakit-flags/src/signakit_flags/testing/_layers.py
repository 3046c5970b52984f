"""Layers: the things that tests have in force, each by itself and all of them together."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .. import Decision, SignaKitClient
    from .._hook import Subject
    from ._forced import Override

_order: itertools.count[int] = itertools.count()


class Recorder(Protocol):
    """Takes what is decided and tracked while a layer is in force: a ``Recording``, as its layer knows it."""

    def _expose(self, subject: Subject, decision: Decision, *, forced: bool) -> None:
        """Note an exposure, unless it is there already."""

    def _track(self, subject: Subject, event_key: str, value: Any, metadata: Any, decisions: Mapping[str, str]) -> None:
        """Note a conversion."""

    def _pass_over(self, subject: Subject, decision: Decision, why: str) -> None:
        """Note a decision that exposes nothing, and why."""


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
        recording: Recorder | None = None,
        client: Callable[[], SignaKitClient] | None = None,
    ) -> None:
        self.forced: Mapping[str, Override | None] = forced or {}
        self.recording: Recorder | None = recording
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
        self.recordings: list[Recorder] = []
        self.client: Callable[[], SignaKitClient] | None = None
        for layer in sorted(layers, key=lambda layer: layer.order):
            self.forced.update(layer.forced)
            if layer.recording is not None:
                self.recordings.append(layer.recording)
            if layer.client is not None:
                self.client = layer.client

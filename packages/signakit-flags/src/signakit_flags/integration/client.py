"""The one client of a process, which loads by itself."""

from __future__ import annotations

import os
import time
from math import inf
from typing import TYPE_CHECKING, Any

from .. import SignaKitClient
from .._arguments import check_function, check_number
from .._running_loop import loop_is_running
from .._secrets import conceal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .. import SignaKitUserContext
    from .._types import Attributes


class LazyClient(SignaKitClient):
    """A client that starts loading when it is first used, so that it can be made, and imported, anywhere.

    Args:
        sdk_key: As for ``SignaKitClient``, like every other keyword.
        ready_timeout: Seconds that the first use waits for the config, at most, and with it what other threads ask
            meanwhile. On an event loop nothing waits.
        may_load: Asked at each use until the client loads; while it returns False the network is left alone.

    Raises:
        TypeError: As from ``SignaKitClient``, or ``may_load`` is not a function.
        ValueError: As from ``SignaKitClient``, or ``ready_timeout`` is not a number of at least 0.
    """

    # Of the class, for clients that `offline` makes: those never load.
    _ready_timeout: float = 0.0
    _may_load: Callable[[], bool] | None = None
    _loading_in: int | None = None
    _waiting_until: float = -inf  # by the monotonic clock, while the first use waits

    def __init__(
        self,
        sdk_key: str | None,
        *,
        ready_timeout: float = 2.0,
        may_load: Callable[[], bool] | None = None,
        **keywords: Any,
    ) -> None:
        sdk_key, keywords = conceal(sdk_key), conceal(keywords)
        check_number("ready_timeout", ready_timeout, at_least=0)
        check_function("may_load", may_load)
        super().__init__(sdk_key, **keywords)
        self._ready_timeout = ready_timeout
        self._may_load = may_load

    def load(self, *, wait: bool = True) -> None:
        """Start loading, unless that has begun in this process; never raises.

        Args:
            wait: Wait for the config, for ``ready_timeout`` seconds at most; while another thread does, for the rest
                of its time.
        """
        if self._loading_in == os.getpid():
            rest = self._waiting_until - time.monotonic()
            if wait and rest > 0:
                self.on_ready_sync(min(rest, self._ready_timeout))  # a clock may be frozen, and jump
            return
        if not (self._may_load is None or self._may_load()):
            return
        timeout = self._ready_timeout if wait else 0.0
        self._waiting_until = time.monotonic() + timeout
        # By process, since a child forked before the first config came cannot know whether its parent had got round to
        # asking.
        self._loading_in = os.getpid()
        self.on_ready_sync(timeout)
        self._waiting_until = -inf  # the first answer is here, or the time is over: nobody waits after that

    def create_user_context(
        self, user_id: str, attributes: Attributes | None = None, *, is_bot: bool | None = None
    ) -> SignaKitUserContext | None:
        """Return a context for one user, as ``SignaKitClient`` does, and start loading at the first call.

        The first call of all waits for the config, for ``ready_timeout`` seconds at most, and calls of other threads
        meanwhile for the rest of that time: one fetch serves them all. On an event loop none of them waits.
        """
        if not self.is_ready:
            self.load(wait=self._loading_in in {None, os.getpid()} and not loop_is_running())
        return super().create_user_context(user_id, attributes, is_bot=is_bot)

    def _say_not_ready(self) -> None:
        if self._may_load is None or self._may_load():  # else nobody is to have a config, and nothing is wrong
            super()._say_not_ready()

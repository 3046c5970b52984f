"""Overrides, recording and an offline client for one test, for pytest's fixture and for unittest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .. import SignaKitClient
from ._forced import describe, parse
from ._layers import Layer
from ._recording import Recording
from ._scopes import begin, check_scope, end

if TYPE_CHECKING:
    import os
    import unittest
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from .. import Attributes, SignaKitUserContext
    from ._forced import Forced, Override


class Kit(Recording):
    """The fixture ``signakit``: forces flags, records events, and has a client without key and network.

    A context manager; pytest's fixture and ``SignaKitMixin`` enter it. What it does is seen by every thread of the
    process: a test has the process to itself, pytest-xdist included, and an async test or a live server does not run
    in the context that a fixture is set up in.

    Args:
        config: A config, as for ``SignaKitClient.offline``. With one, ``client`` serves the requests of every
            framework, in place of the application's own.
        flags: What is forced from the beginning, as for ``override_flags``.
        scope: As for ``override_flags``.

    Raises:
        TypeError: As from ``override_flags``.
        ValueError: There is no such scope.
    """

    __test__ = False  # not a class of tests, where somebody imports it for an annotation

    def __init__(
        self,
        config: Mapping[str, Any] | bytes | str | os.PathLike[str] | None = None,
        *,
        flags: Mapping[str, Forced] | None = None,
        scope: str = "process",
    ) -> None:
        super().__init__()
        self._config = config
        self._forced: dict[str, Override | None] = parse(flags or {})
        self._scope = check_scope(scope)
        self._client: SignaKitClient | None = None
        self._layers: list[Layer] = []
        self._forcing: Layer | None = None

    def __repr__(self) -> str:
        forced = "".join(f" {describe(*item)}" for item in self._forced.items())
        return f"{super().__repr__()[:-1]},{forced or ' nothing forced'}>"

    def __enter__(self) -> Self:
        """Begin."""
        served = None if self._config is None else self._serve
        self._layers.append(begin(Layer(recording=self, client=served), self._scope))
        self._force()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End. What was recorded stays."""
        for layer in self._layers:
            end(layer)
        self._layers.clear()
        self._forcing = None

    @property
    def client(self) -> SignaKitClient:
        """A client without key and network, with the config of the kit; without one, it knows no flags.

        Raises:
            ValueError: The config cannot be read.
            OSError: The file cannot be read.
        """
        return self._serve()

    def user(self, user_id: str, attributes: Attributes | None = None) -> SignaKitUserContext:
        """Return the context of a user of ``client``."""
        context = self.client.create_user_context(user_id, attributes)
        assert context is not None  # it is ready
        return context

    def set(self, flags: Mapping[str, Forced]) -> None:
        """Force flags from now to the end of the test; as for ``override_flags``. What it does not name stays.

        Raises:
            TypeError: As from ``override_flags``.
        """
        self._forced = {**self._forced, **parse(flags)}
        self._force()

    def unset(self, *flag_keys: str) -> None:
        """Let flags be decided again as they are; without arguments, all of them."""
        gone = flag_keys or tuple(self._forced)
        self._forced = {flag_key: forced for flag_key, forced in self._forced.items() if flag_key not in gone}
        self._force()

    def _force(self) -> None:
        if not self._layers:
            return  # not begun yet
        last = self._forcing
        # The new layer first, so that no request in another thread finds none of them.
        self._forcing = begin(Layer(forced=self._forced), self._scope)
        self._layers.append(self._forcing)
        if last is not None:
            end(last)
            self._layers.remove(last)

    def _serve(self) -> SignaKitClient:
        if self._client is None:
            self._client = SignaKitClient.offline({"flags": []} if self._config is None else self._config)
        return self._client


if TYPE_CHECKING:
    _TestCase = unittest.TestCase
else:
    _TestCase = object


class SignaKitMixin(_TestCase):
    """For ``unittest``, and so for Django's test cases, sync and async: gives each test a ``Kit`` as ``self.signakit``.

    ::

        class CheckoutTests(SignaKitMixin, TestCase):
            signakit_flags = {"new-checkout": "treatment"}

            def test_the_new_checkout(self):
                self.client.get("/checkout")
                self.signakit.assert_exposed("new-checkout")

    It is there from ``setUp`` to the clean-ups. To be listed before the test case: after it, it is a ``TypeError``.

    Attributes:
        signakit: The kit of the test that runs.
        signakit_flags: What is forced in each test.
        signakit_config: A config, as for ``SignaKitClient.offline``; None for none.
    """

    signakit: Kit
    signakit_flags: ClassVar[Mapping[str, Any]] = {}
    signakit_config: ClassVar[Any] = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        others = cls.__mro__[: cls.__mro__.index(SignaKitMixin)]
        # Behind a test case it would not be asked to run anything, and the flags would not be forced.
        if any(other.__module__ == "unittest.case" for other in others):
            raise TypeError(f"{cls.__name__}: {SignaKitMixin.__name__} is to be listed before the test case")

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test."""
        with Kit(self.signakit_config, flags=self.signakit_flags) as self.signakit:
            return super().run(result)

    def debug(self) -> None:
        """Run the test without collecting what goes wrong."""
        with Kit(self.signakit_config, flags=self.signakit_flags) as self.signakit:
            super().debug()

"""An exception that a signal handler raises in the midst of our code reaches the application."""

from __future__ import annotations

import ast
import contextlib
import functools
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import pytest

import signakit_flags
from signakit_flags import SignaKitClient
from signakit_flags._log import logger
from signakit_flags._signal_handlers import let_through
from signakit_flags.testing import override_flags
from support.configs import SDK_KEY, audience, condition, config, flag, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from signakit_flags import SignaKitUserContext

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class TimeLimitError(Exception):
    """What a worker of tasks raises in a task that takes too long."""


class Limit:
    """Handlers come in many forms."""

    def __call__(self, *_: object) -> NoReturn:
        raise TimeLimitError

    def method(self, *_: object) -> NoReturn:
        raise TimeLimitError

    @classmethod
    def of_class(cls, *_: object) -> NoReturn:
        raise TimeLimitError

    @staticmethod
    def static(*_: object) -> NoReturn:
        raise TimeLimitError


def function(*_: object) -> NoReturn:
    raise TimeLimitError


def deeper(*_: object) -> NoReturn:
    function()


def after_another(*_: object) -> NoReturn:
    try:
        int("of the handler itself")
    except ValueError:
        raise TimeLimitError from None


HANDLERS = {
    "function": function,
    "lambda": lambda *_: function(),
    "partial": functools.partial(functools.partial(function, 1), 2),
    "object": Limit(),
    "method": Limit().method,
    "class method": Limit.of_class,
    "static method": Limit.static,
    "deeper": deeper,
    "after another": after_another,
}


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """A call that is interrupted by the signal, whose handler raises ``TimeLimitError``."""
    before = signal.signal(signal.SIGUSR1, function)
    yield lambda: signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


class Late:
    """An attribute that is being compared as the time is over."""

    def __init__(self, alarm: Callable[[], None]) -> None:
        self._alarm = alarm

    def __hash__(self) -> int:
        self._alarm()
        return 1

    def __eq__(self, other: object) -> bool:
        self._alarm()
        return True

    def __len__(self) -> int:
        self._alarm()
        return 1

    @property
    def __class__(self) -> type:  # type: ignore[override]
        self._alarm()
        return Late


@pytest.fixture
def client() -> Iterator[SignaKitClient]:
    pro = audience(condition("plan", "equals", "pro"))
    with SignaKitClient.offline(config(flag("exp", rule(audiences=[pro]))), record_events=True) as client:
        yield client


def _as_a_library_does() -> None:
    try:
        signal.raise_signal(signal.SIGUSR1)
    except TimeLimitError as error:
        raise ValueError("what a library makes of it") from error


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_a_handler_of_any_form_is_recognised(handler: Callable[..., Any]) -> None:
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        _as_a_library_does()
    except ValueError as error:
        with pytest.raises(TimeLimitError):
            let_through(error)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_other_exceptions_are_not_let_through(alarm: Callable[[], None]) -> None:
    for raising in (lambda: {}["key"], lambda: signal.Handlers(99), lambda: int("x")):
        try:
            raising()
        except Exception as error:
            let_through(error)


def _ask(context: SignaKitUserContext, verb: str) -> None:
    if verb == "decide_all":
        context.decide_all()
    else:
        getattr(context, verb)("exp")


@pytest.mark.parametrize("verb", ["decide", "decide_all", "is_enabled", "explain"])
def test_a_decision(client: SignaKitClient, alarm: Callable[[], None], verb: str) -> None:
    context = client.create_user_context("u", {"plan": Late(alarm)})  # type: ignore[dict-item]
    assert context is not None
    with pytest.raises(TimeLimitError):
        _ask(context, verb)


def test_a_decision_that_a_test_records(client: SignaKitClient, alarm: Callable[[], None]) -> None:
    context = client.create_user_context("u", {"plan": Late(alarm)})  # type: ignore[dict-item]
    assert context is not None
    with override_flags({"another": "on"}), pytest.raises(TimeLimitError):
        context.decide("exp")


def test_metadata_of_an_event(client: SignaKitClient, alarm: Callable[[], None]) -> None:
    context = client.create_user_context("u")
    assert context is not None
    with pytest.raises(TimeLimitError):
        context.track("purchase", metadata={"item": Late(alarm)})


def test_a_bot_detector(alarm: Callable[[], None]) -> None:
    def detector(_: str) -> bool:
        alarm()
        return True

    client = SignaKitClient.offline(config(), bot_detector=detector)
    with pytest.raises(TimeLimitError):
        client.create_user_context("u", {"$userAgent": BROWSER})


def test_a_log_handler(alarm: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            alarm()
            return True

    handler = Handler()
    logging.getLogger("signakit_flags").addHandler(handler)
    try:
        with pytest.raises(TimeLimitError):
            logger.error("as the time is over")
    finally:
        logging.getLogger("signakit_flags").removeHandler(handler)


@pytest.mark.parametrize("verb", ["on_ready_sync", "refresh_sync"])
def test_a_fetch_where_no_thread_can_be_started(
    alarm: Callable[[], None], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """So the call makes the request itself."""

    def answer(_: httpx.Request) -> httpx.Response:
        alarm()
        return httpx.Response(200, json=config())

    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = SignaKitClient(SDK_KEY, sync_client=http)
        monkeypatch.setattr("threading.Thread.start", no_thread)
        with pytest.raises(TimeLimitError):
            getattr(client, verb)()
        client.close()


# --- what is none of ours ---------------------------------------------------------------------------------------------


def _failing(_: str) -> bool:
    raise KeyError("an ordinary bug of the application")


def _clean_up(client: SignaKitClient) -> None:
    """What an application does once its time is over, with failures of its own in it."""
    assert client.create_user_context("u", {"$userAgent": BROWSER}) is not None
    context = client.create_user_context("u", {"plan": Failing()})  # type: ignore[dict-item]
    assert context is not None
    context.decide("exp")
    context.track("late", metadata={"item": Failing()})
    logger.info("over")


class Failing:
    """An attribute that cannot be used."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise KeyError("an ordinary bug of the application")


def _in_except(client: SignaKitClient) -> None:
    try:
        signal.raise_signal(signal.SIGUSR1)
    except TimeLimitError:
        _clean_up(client)


def _in_finally(client: SignaKitClient) -> None:
    with contextlib.suppress(TimeLimitError):
        try:
            signal.raise_signal(signal.SIGUSR1)
        finally:
            _clean_up(client)


def _in_exit(client: SignaKitClient) -> None:
    with contextlib.suppress(TimeLimitError), contextlib.ExitStack() as stack:
        stack.callback(_clean_up, client)
        signal.raise_signal(signal.SIGUSR1)


def _of_a_later_error(client: SignaKitClient) -> None:
    try:
        _as_a_library_does()
    except ValueError:
        _clean_up(client)


@pytest.mark.parametrize("place", [_in_except, _in_finally, _in_exit, _of_a_later_error])
def test_an_exception_that_the_application_is_handling_is_not_raised_again(
    alarm: Callable[[], None], place: Callable[[SignaKitClient], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pro = audience(condition("plan", "equals", "pro"))
    client = SignaKitClient.offline(
        config(flag("exp", rule(audiences=[pro]))), bot_detector=_failing, record_events=True
    )

    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise KeyError("an ordinary bug of the application")

    handler = Broken()
    logging.getLogger("signakit_flags").addHandler(handler)
    try:
        place(client)
    finally:
        logging.getLogger("signakit_flags").removeHandler(handler)


def test_a_decorator_of_a_handler_may_have_other_uses() -> None:
    def traced(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    client = SignaKitClient.offline(config(), bot_detector=traced(_failing))
    before = signal.signal(signal.SIGUSR1, traced(function))
    try:
        assert client.create_user_context("u", {"$userAgent": BROWSER}) is not None
        client = SignaKitClient.offline(config(), bot_detector=lambda _: signal.raise_signal(signal.SIGUSR1))  # type: ignore[arg-type, return-value, func-returns-value]
        with pytest.raises(TimeLimitError):
            client.create_user_context("u", {"$userAgent": BROWSER})
    finally:
        signal.signal(signal.SIGUSR1, before)


# --- every place ------------------------------------------------------------------------------------------------------


def _catches_all(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.type, ast.Name) and handler.type.id == "Exception"


def _first_call(handler: ast.ExceptHandler) -> str:
    statement = handler.body[0]
    call = statement.value if isinstance(statement, ast.Expr) else None
    return call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""


ELSEWHERE = {
    # Run in a thread of ours or in a task, where no exception of a handler has a way to the application.
    "_runtime/thread_driver.py",
    "_runtime/loop_driver.py",
    "_runtime/transport/loop.py",
    "_runtime/transport/environment.py",  # raises what it catches, in other words
    "integration/options.py",  # imports, as an application starts
    "_signal_handlers.py",
}


def test_wherever_every_exception_is_caught_those_of_signal_handlers_are_let_through() -> None:
    package = Path(signakit_flags.__file__).parent
    checked = 0
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
        for handler in filter(_catches_all, handlers):
            if name not in ELSEWHERE:
                assert _first_call(handler) == "let_through", f"{name}:{handler.lineno}"
                checked += 1
    assert checked >= 15

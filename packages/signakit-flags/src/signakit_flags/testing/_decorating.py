"""A context manager around functions of every kind, and around classes of tests."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
    from contextlib import AbstractContextManager

DecoratedT = TypeVar("DecoratedT", bound=Any)

_OF_A_TEST_CASE = ("run", "debug")
_AROUND_A_TEST = ("setup_method", "teardown_method")

_of_classes: WeakKeyDictionary[
    Callable[..., Any], tuple[Callable[..., Any], Callable[[], AbstractContextManager[object]]]
] = WeakKeyDictionary()
"""Methods that a class was decorated with, and each of them of what: for the classes that inherit them."""


def decorate(
    decorated: DecoratedT,
    make: Callable[[], AbstractContextManager[object]],
    make_for_all: Callable[[], AbstractContextManager[object]],
) -> DecoratedT:
    """Return a function that runs in a context manager of its own each time, or a class all of whose tests do.

    Args:
        decorated: The function, or the class.
        make: Makes the context manager.
        make_for_all: Makes one that every task and thread sees: an async test case of ``unittest`` runs in a copy of
            the context in which it was made, and sees nothing that came after.

    Raises:
        TypeError: It is neither, or a class without tests.
    """
    if isinstance(decorated, type):
        _decorate_class(decorated, make_for_all if hasattr(decorated, "asyncSetUp") else make)
        return cast("DecoratedT", decorated)
    if isinstance(decorated, (staticmethod, classmethod)):
        return cast("DecoratedT", type(decorated)(_function(decorated.__func__, make)))
    if not callable(decorated):
        raise TypeError(f"a function or a class of tests can be decorated, not a {type(decorated).__name__}")
    return cast("DecoratedT", _function(decorated, make))


def _decorate_class(decorated: type, make: Callable[[], AbstractContextManager[object]]) -> None:
    # By what unittest calls: its `setUp`, tests and clean-ups all happen inside. Django's classes are of that kind.
    names = [name for name in _OF_A_TEST_CASE if hasattr(decorated, name) and hasattr(decorated, "setUpClass")]
    if not names:
        tests = [name for name in dir(decorated) if name.startswith("test")]
        if not tests:
            raise TypeError(f"{decorated.__name__} has no tests")
        names = [*tests, *(name for name in _AROUND_A_TEST if hasattr(decorated, name))]
    for name in names:
        found = inspect.getattr_static(decorated, name)
        method = _method if name in vars(decorated) else _inherited
        if isinstance(found, (staticmethod, classmethod)):
            setattr(decorated, name, type(found)(method(found.__func__, make)))
        elif inspect.isfunction(found):
            setattr(decorated, name, method(found, make))


def _method(function: Callable[..., Any], make: Callable[[], AbstractContextManager[object]]) -> Callable[..., Any]:
    wrapper = _function(function, make)
    _of_classes[wrapper] = function, make
    return wrapper


def _inherited(function: Callable[..., Any], make: Callable[[], AbstractContextManager[object]]) -> Callable[..., Any]:
    """Decorate a method of a class's base: inside of what the base is decorated with, as the class is nearer."""
    if function not in _of_classes:
        return _method(function, make)
    of_base, make_of_base = _of_classes[function]
    return _method(_inherited(of_base, make), make_of_base)


def _function(function: Callable[..., Any], make: Callable[[], AbstractContextManager[object]]) -> Callable[..., Any]:
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with make():
                return await function(*args, **kwargs)

        wrapper = coroutine
    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return (yield from _resume(function(*args, **kwargs), make))

        wrapper = generator
    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            inner = function(*args, **kwargs)
            step = inner.__anext__()
            try:
                while True:
                    with make():
                        try:
                            value = await step
                        except StopAsyncIteration:
                            return
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  # it is the body's to handle
                        step = inner.athrow(error)
                    else:
                        step = inner.asend(sent)
            finally:
                with make():
                    await inner.aclose()

        wrapper = async_generator
    else:

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with make():
                result = function(*args, **kwargs)
            # Some decorator may have made a plain function of a coroutine function, or a callable object is one.
            return _await(result, make) if inspect.iscoroutine(result) else result

        wrapper = plain
    return wrapper


async def _await(coroutine: Coroutine[Any, Any, Any], make: Callable[[], AbstractContextManager[object]]) -> Any:
    with make():
        return await coroutine


def _resume(
    inner: Generator[Any, Any, Any], make: Callable[[], AbstractContextManager[object]]
) -> Generator[Any, Any, Any]:
    """Run a generator, each stretch of it in a context manager, which ends at the ``yield``."""
    step: Callable[[], Any] = inner.__next__
    try:
        while True:
            with make():
                try:
                    value = step()
                except StopIteration as end:
                    return end.value
            try:
                sent = yield value
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # it is the body's to handle
                step = functools.partial(inner.throw, error)
            else:
                step = functools.partial(inner.send, sent)
    finally:
        with make():
            inner.close()

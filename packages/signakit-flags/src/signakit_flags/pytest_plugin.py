"""The fixture ``signakit``, its markers, and in tests no network for the SDK, and a clock that freezegun does not stop.

Loaded in every test run of whoever has this package installed: so it imports nothing, the testing kit included, that a
run may not use.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from . import _hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import ModuleType

    from .testing import Kit

_OPTION = "--signakit-network"
_INI = "signakit_config"
_EACH = "signakit_each_variation"
_VARIATIONS = "signakit_variations"

_logger = logging.getLogger("signakit_flags")

_runs: list[Callable[[str], str | None] | None] = []
"""What refuses the network in each run: there may be one inside a test of another one."""

_REFUSED = (
    "under pytest the network is off beyond this machine, and {host} is another one. Take the fixture `signakit`, which"
    " needs none, or mark the test with `@pytest.mark.signakit({{...}})` to force flags;"
    f" `pytest {_OPTION}` allows the network"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini value."""
    group = parser.getgroup("signakit", "SignaKit feature flags")
    group.addoption(
        _OPTION,
        action="store_true",
        help="let SignaKit clients reach the network beyond this machine",
    )
    parser.addini(_INI, "Path of the config (JSON) of the fixture `signakit`, relative to this file.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and switch the network off."""
    config.addinivalue_line("markers", "signakit(flags): force feature flags, by key, in this test")
    config.addinivalue_line(
        "markers",
        f"{_EACH}(flag, variations=None): run this test once for each variation of a feature flag, which is forced;"
        f" without a list, those of the config that the ini option {_INI} names",
    )
    _runs.append(None if config.getoption(_OPTION) else _refuse)
    _hook.refuse_network = _runs[-1]
    _logger.removeFilter(_drop)
    config.add_cleanup(_end_of_run)
    if "freezegun" in sys.modules:
        _keep_time_running()
    elif not any(isinstance(finder, _FreezegunFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FreezegunFinder())


def _end_of_run() -> None:
    del _runs[-1]
    # After the last one the network stays refused, to the end of the process: the clients of the tests live on, and
    # send at exit what they still have. What they log then meets handlers whose streams pytest has closed.
    if _runs:
        _hook.refuse_network = _runs[-1]
    else:
        _logger.addFilter(_drop)


def _drop(_: logging.LogRecord) -> bool:
    return False


def _keep_time_running() -> None:
    """Have freezegun leave the clocks of polls, retries and events alone: in a time that stands, they would not come.

    Those alone: freezegun looks at the five innermost callers. A test that ``override_flags`` calls, or a function that
    a client is given, has the time that the test has stopped.
    """
    freezegun: Any = sys.modules["freezegun"]
    with suppress(AttributeError):  # before 1.1
        freezegun.configure(extend_ignore_list=["signakit_flags._runtime"])


class _FreezegunFinder(MetaPathFinder):
    """Waits for the first import of freezegun: it has to be told before its first use, and takes long to import."""

    _asks = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002  # as Python asks
        """Return what every other finder finds, and told to call us back."""
        if name != "freezegun" or self._asks:
            return None
        self._asks = True
        try:
            spec = find_spec(name)
        finally:
            self._asks = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_tell(module: ModuleType) -> None:
                execute(module)
                _keep_time_running()
                with suppress(ValueError):  # an import in another thread was first
                    sys.meta_path.remove(self)

            spec.loader.exec_module = execute_and_tell  # type: ignore[method-assign]
        return spec


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test that is marked its fixtures, before all others of its own."""
    if not isinstance(item, pytest.Function):
        return
    each = item.get_closest_marker(_EACH) is not None
    if not each and item.get_closest_marker("signakit") is None:
        return
    # A test of unittest gets the second one as well, though pytest parametrises none: better no test than one that says
    # less than it seems to.
    ours = ["signakit", _VARIATIONS] if each or _VARIATIONS in item.fixturenames else ["signakit"]
    others = [name for name in item.fixturenames if name not in ours]
    first = next((place for place, name in enumerate(others) if _is_of_the_test(item, name)), len(others))
    # A list of its own: pytest has one for all parameters of a function, and a mark may be on one of those alone.
    item.fixturenames = [*others[:first], *ours, *others[first:]]


def _is_of_the_test(item: pytest.Function, name: str) -> bool:
    """Say whether a fixture is made for the test. One that outlives it must not be made of what the test forces."""
    fixtures = item._fixtureinfo.name2fixturedefs.get(name)  # noqa: SLF001  # pytest tells the scopes nowhere else
    return fixtures is not None and fixtures[-1].scope == "function"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each variation of a flag, or of several flags."""
    marks = list(metafunc.definition.iter_markers(_EACH))
    if not marks:
        return
    choices: dict[str, list[str]] = {}
    for mark in reversed(marks):  # the nearest one last: of two for one flag, it is the one that counts
        flag, variations = _choices(mark, metafunc.config)
        choices[flag] = variations
    params = [dict(zip(choices, chosen, strict=True)) for chosen in itertools.product(*choices.values())]
    ids = ["-".join(f"{flag}={variation}" for flag, variation in param.items()) for param in params]
    if _VARIATIONS not in metafunc.fixturenames:
        metafunc.fixturenames.insert(0, _VARIATIONS)
    metafunc.parametrize(_VARIATIONS, params, ids=ids, indirect=True)


@pytest.fixture
def signakit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    """Forces feature flags, records exposures and conversions, and has a client without network, for one test.

    ``signakit.set({"new-checkout": "treatment"})``, ``signakit.assert_exposed("new-checkout")``, ``signakit.client``:
    see ``signakit_flags.testing.Kit``.
    """
    from .testing import Kit  # pytest loads this module wherever the package is installed

    flags: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("signakit"))):  # the nearest one last
        flags.update(_of_mark(mark))
    with Kit(_config_path(request.config), flags=flags) as kit:
        yield kit


@pytest.fixture
def signakit_variations(request: pytest.FixtureRequest, signakit: Kit) -> dict[str, str]:
    """The variations that ``@pytest.mark.signakit_each_variation`` forces in this run of a test, by flag."""
    if not hasattr(request, "param"):
        pytest.fail(
            f"{_VARIATIONS} needs @pytest.mark.{_EACH}, and pytest runs a test of unittest only once: see subTest",
            pytrace=False,
        )
    variations: dict[str, str] = request.param
    signakit.set(variations)
    return variations


def _of_mark(mark: pytest.Mark) -> dict[str, Any]:
    if len(mark.args) != 1 or mark.kwargs or not isinstance(mark.args[0], dict):
        pytest.fail("@pytest.mark.signakit takes a dict: what flags are forced to, by key", pytrace=False)
    return dict(mark.args[0])


def _choices(mark: pytest.Mark, config: pytest.Config) -> tuple[str, list[str]]:
    def read(flag: str, variations: Any = None) -> tuple[Any, Any]:
        return flag, variations

    try:
        flag, variations = read(*mark.args, **mark.kwargs)
    except TypeError as error:
        pytest.fail(f"@pytest.mark.{_EACH}: {str(error).replace('_choices.<locals>.read', _EACH)}", pytrace=False)
    if not isinstance(flag, str):
        pytest.fail(f"@pytest.mark.{_EACH} takes the key of a flag, not {flag!r}", pytrace=False)
    if variations is None:
        variations = _variations_of(flag, config)
    keys: list[Any] = list(variations) if isinstance(variations, Iterable) else [None]
    if isinstance(variations, str) or not all(isinstance(key, str) for key in keys):
        pytest.fail(f"@pytest.mark.{_EACH}({flag!r}): variations are a list of keys, not {variations!r}", pytrace=False)
    if not keys:
        pytest.fail(f"@pytest.mark.{_EACH}({flag!r}): there are no variations to run the test with", pytrace=False)
    return flag, list(dict.fromkeys(keys))


def _variations_of(flag: str, config: pytest.Config) -> list[str]:
    path = _config_path(config)
    if path is None:
        pytest.fail(
            f"@pytest.mark.{_EACH}({flag!r}) needs a config, by the ini option {_INI}, or a list:"
            f' @pytest.mark.{_EACH}({flag!r}, ["control", "treatment"])',
            pytrace=False,
        )
    from .testing._variations import variations_of

    try:
        return variations_of(path, flag)
    except (OSError, ValueError, LookupError) as error:
        pytest.fail(f"@pytest.mark.{_EACH}({flag!r}): {error}", pytrace=False)


def _config_path(config: pytest.Config) -> Path | None:
    name = str(config.getini(_INI)).strip()
    if not name:
        return None
    folder = config.rootpath if config.inipath is None else config.inipath.parent
    path = folder / name
    if not path.is_file():
        pytest.fail(f"{_INI}: there is no file {path}", pytrace=False)
    return path


def _refuse(host: str) -> str | None:
    """Return why a host must not be connected to; None for this machine."""
    from ._settings import is_loopback

    return None if is_loopback(host) else _REFUSED.format(host=host)

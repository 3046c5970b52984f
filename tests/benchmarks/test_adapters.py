"""What the benchmark's adapters ask of the packages: exposures are logged for the "exposure" row alone.

The packages of peers are not installed here: each has an environment of its own. A stand-in takes what an adapter hands
to its package, which is what these tests read. The suite itself counts in every run what a package logs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PACKAGES = ("eppo_client", "statsig_python_core", "ldclient", "ldclient.config", "ldclient.integrations")


class Anything:
    """Any class or function of a package; an instance is a call, with its arguments."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.arguments, self.settings = arguments, settings

    def __getattr__(self, name: str) -> Calls:
        return self.__dict__.setdefault(name, Calls())


class Calls(list[Anything]):
    """A method, as the list of its calls."""

    def __call__(self, *arguments: Any, **settings: Any) -> Anything:
        self.append(Anything(*arguments, **settings))
        return self[-1]


class StandIn(ModuleType):
    def __getattr__(self, name: str) -> type[Anything]:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, StandIn(name))
    from suite import adapters, worker, workload

    yield {"adapters": adapters, "worker": worker, "workload": workload}
    for name in [name for name in sys.modules if name.split(".")[0] == "suite"]:
        del sys.modules[name]


def settings_named(name: str, value: Any) -> list[Any]:
    """Return every value under a name, however deep."""
    if isinstance(value, dict):
        found = [item for key, item in value.items() if key == name]
        return found + [item for inner in value.values() for item in settings_named(name, inner)]
    return [item for inner in value for item in settings_named(name, inner)] if isinstance(value, list) else []


@pytest.mark.parametrize(("peer", "setting"), [("eppo", "doLog"), ("launchdarkly", "trackEvents")])
def test_the_project_of_a_peer_asks_for_no_log_but_in_the_exposure_row(suite: Any, peer: str, setting: str) -> None:
    adapter = suite["adapters"].load_adapter(peer)
    specs = suite["workload"].flag_specs(9)
    silent, exposing = (
        settings_named(setting, json.loads(project))
        for project in (adapter.native(specs), adapter.native(specs, exposing=True))
    )
    assert silent
    assert not any(silent)
    assert any(exposing)


def test_every_call_of_statsig_in_the_request_row_switches_its_log_off(suite: Any) -> None:
    adapter, client = suite["adapters"].load_adapter("statsig"), Anything()
    adapter.decide(client, suite["workload"].requests(9, 4))
    calls = client.check_gate + client.get_experiment
    assert len(calls) == 12
    assert all(call.arguments[2].settings == {"disable_exposure_logging": True} for call in calls)


def test_the_client_of_launchdarkly_in_the_request_row_sends_no_events(
    suite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = suite["adapters"].load_adapter("launchdarkly")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(adapter, "client", lambda config, **options: asked.append(options))
    adapter.load(adapter.native(suite["workload"].flag_specs(3)))
    assert asked == [{"send_events": False}]


@pytest.mark.parametrize("logs", [True, False])
def test_a_contestant_that_logs_exposures_is_not_timed(suite: Any, logs: bool) -> None:
    class Contestant(suite["adapters"].Adapter):
        logged = 7  # in an exposure row before

        def native(self, specs: list[Any], *, exposing: bool = False) -> bytes:
            return b""

        def load(self, config: bytes) -> str:
            return "a client"

        def decide(self, client: str, requests: list[Any]) -> None:
            self.logged += logs * len(requests)

        def exposures_logged(self) -> int:
            return self.logged

    worker = suite["worker"].Worker(Contestant(), users=3, target=1)
    if not logs:
        assert worker.request(9)["cpu"] >= 0
        return
    for _ in range(2):
        with pytest.raises(RuntimeError, match="3 exposures were logged outside of the exposure row"):
            worker.request(9)

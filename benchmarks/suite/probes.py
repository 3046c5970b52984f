"""What is measured: each probe gives a few raw numbers of one contestant in one round."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from .processes import run_statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Effort, Result, Session

EXIT_EVENTS = 1_000
VENDOR_EXIT_EVENTS = 100
UNWANTED_MODULES = ("httpx", "ssl", "asyncio", "msgspec")
EXIT_MARKERS = {"statsig": '"eventName":"purchase"', "launchdarkly": '"kind":"custom"'}
RESIDENT = "print(int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') // 1024)"


@dataclass(frozen=True, slots=True)
class Probe:
    """One measurement.

    Attributes:
        key: Its name.
        run: Measures the contestant of that name.
        needs: What the adapter has to offer.
        only: The contestants that it is for; empty means all.
        rounds: How many rounds take it.
    """

    key: str
    run: Callable[[Session, str], Result]
    needs: str
    only: tuple[str, ...] = ()
    rounds: Callable[[Effort], int] = lambda effort: effort.rounds


def _request(flags: int) -> Callable[[Session, str], Result]:
    return lambda session, name: session.ask(name, "request", flags=flags)


def _threads(count: int) -> Callable[[Session, str], Result]:
    return lambda session, name: session.ask(name, "threads", count=count)


def _exposure(delay: float) -> Callable[[Session, str], Result]:
    return lambda session, name: session.ask(name, "exposure", sink=session.sink.url, delay=delay)


def _events(variant: str) -> Callable[[Session, str], Result]:
    return lambda session, name: session.ask(name, "events", sink=session.sink.url, variant=variant)


def _load(flags: int) -> Callable[[Session, str], Result]:
    return lambda session, name: session.job(
        name, "load", session.native(name, flags), "complete" if flags <= 1_000 else "load"
    )


def _import(session: Session, name: str) -> Result:
    environment = session.environments[name]
    module = environment.contestant.module
    look = f"from {module} import *\nimport sys\nprint(*(name for name in {UNWANTED_MODULES!r} if name in sys.modules))"
    found = run_statement(environment, look).output.split()  # and the files are in the system's cache
    bare, imported = [], []
    for _ in range(session.effort.imports):
        bare.append(run_statement(environment, "").cpu)
        imported.append(run_statement(environment, f"from {module} import *").cpu)
    return {"added": (median(imported) - median(bare)) * 1e9, "bare": median(bare) * 1e9, "modules": found}


def _memory_import(session: Session, name: str) -> Result:
    environment = session.environments[name]
    module = environment.contestant.module
    return {
        "loaded": int(run_statement(environment, f"from {module} import *\nimport os\n{RESIDENT}").output),
        "bare": int(run_statement(environment, f"import os\n{RESIDENT}").output),
    }


def _memory(session: Session, name: str) -> Result:
    return session.job(name, "memory", session.native(name, 1_000))


def _memory_network(session: Session, name: str) -> Result:
    return session.job(name, "memory-network", session.serve_config(1_000))


def _memory_users(session: Session, name: str) -> Result:
    return session.job(name, "memory-users", session.native(name, 1_000), str(session.effort.distinct_users))


def _memory_users_network(session: Session, name: str) -> Result:
    return session.job(name, "memory-users", session.serve_config(1_000), str(session.effort.distinct_users))


def _exit(variant: str) -> Callable[[Session, str], Result]:
    def run(session: Session, name: str) -> Result:
        count = VENDOR_EXIT_EVENTS if name == "vendor" else EXIT_EVENTS
        url = session.serve_config(100)
        session.sink.reset(EXIT_MARKERS.get(name, '"eventKey"'))
        session.job(name, "exit", url, variant, str(count))
        received = session.sink.wait(count=count, timeout=0.5).count
        return {"share": received / count * EXIT_EVENTS, "received": received, "tracked": count}

    return run


def _slow(effort: Effort) -> int:
    return effort.slow_rounds


def _large(effort: Effort) -> int:
    return effort.large_rounds


PROBES = (
    Probe("request-100", _request(100), "request"),
    Probe("request-1000", _request(1_000), "request"),
    Probe("all-100", lambda session, name: session.ask(name, "all", flags=100), "all"),
    Probe("exposure", _exposure(0.0), "exposure"),
    Probe("exposure-20ms", _exposure(0.02), "exposure", only=("vendor",)),
    Probe("context", lambda session, name: session.ask(name, "context"), "context"),
    Probe("import", _import, "load"),
    Probe("load-1000", _load(1_000), "load"),
    Probe("load-10000", _load(10_000), "load", rounds=_large),
    Probe("events", _events("events"), "events"),
    Probe("events-loop", _events("events-loop"), "events", only=("ours",)),
    Probe("events-full-queue", _events("events-full-queue"), "events", only=("ours",)),
    Probe("events-injected", _events("events-injected"), "events", only=("vendor",)),
    Probe("exit", _exit("events"), "exit", rounds=_slow),
    Probe("exit-loop", _exit("events-loop"), "exit", only=("ours",), rounds=_slow),
    Probe("threads-1", _threads(1), "threads"),
    Probe("threads-4", _threads(4), "threads"),
    Probe("memory-import", _memory_import, "memory", rounds=_slow),
    Probe("memory", _memory, "memory", rounds=_slow),
    Probe("memory-network", _memory_network, "memory", only=("ours",), rounds=_slow),
    Probe("memory-users", _memory_users, "memory", only=("ours",), rounds=_slow),
    Probe("memory-users-network", _memory_users_network, "memory", only=("ours",), rounds=_slow),
)

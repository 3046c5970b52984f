"""Jobs that need a process of their own: memory, loading, and the exit of a process.

Started as ``python -P -c "from suite.oneshot import main; main()" JOB NAME ...``; prints one line of JSON. It imports
little, since its own memory is part of what it measures.
"""

from __future__ import annotations

import gc
import os
import sys
import time

from .adapters import load_adapter
from .workload import Request, attributes_of, flag_specs, keys_of

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .adapters import Adapter

HELD: list[object] = []
LOADS = 3
USERS_AT_ONCE = 1_000


def resident() -> int:
    """Return the resident memory of this process in kB, as Linux counts it."""
    gc.collect()
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # pathlib would count
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def collector() -> tuple[object, ...]:
    """Return what a package might change of the garbage collector."""
    return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), len(gc.callbacks), gc.get_debug()


def read(path: str) -> bytes:
    """Return a file."""
    with open(path, "rb") as file:  # noqa: PTH123  # as above
        return file.read()


def offers(adapter: Adapter) -> dict[str, Any]:
    """Say which probes apply."""
    return {"offers": sorted(adapter.offers)}


def write_native(adapter: Adapter, flags: str, path: str) -> dict[str, Any]:
    """Write the project to a file, for the other jobs."""
    with open(path, "wb") as file:  # noqa: PTH123  # as above
        size = file.write(adapter.native(flag_specs(int(flags))))
    return {"bytes": size}


def load(adapter: Adapter, path: str, complete: str) -> dict[str, Any]:
    """Time loading a project: the first, and the median of some later ones, in nanoseconds of CPU.

    With ``complete``, also load and decide every flag once, since loading may put work off.
    """
    config = read(path)
    request = [Request("user-000000", attributes_of(0), "", "", "")]
    before = collector()
    first, *loads = [_time_load(adapter, config, []) for _ in range(LOADS + 1)]
    result = {
        "first": first,
        "load": sorted(loads)[len(loads) // 2],
        "collector_untouched": before == collector() and gc.isenabled(),
        "collector": repr(collector()),
    }
    if complete == "complete" and "all" in adapter.offers:
        times = [_time_load(adapter, config, request) for _ in range(LOADS)]
        result["complete"] = sorted(times)[len(times) // 2]
    return result


def _time_load(adapter: Adapter, config: bytes, requests: list[Request]) -> int:
    gc.collect()
    start = time.process_time_ns()
    client = adapter.load(config)
    if requests:
        adapter.decide_all(client, requests)
    elapsed = time.process_time_ns() - start
    adapter.close(client)
    return elapsed


def memory(adapter: Adapter, path: str) -> dict[str, Any]:
    """Measure the memory with a project loaded, without a network."""
    before = resident()
    config = read(path)
    client = adapter.load(config)
    del config
    time.sleep(0.2)
    return {"before": before, "loaded": resident(), "ready": client is not None}


def memory_network(adapter: Adapter, url: str) -> dict[str, Any]:
    """Measure the memory with a project loaded over the network."""
    before = resident()
    client = adapter.loaded_over_network(url)
    time.sleep(0.2)
    return {"before": before, "loaded": resident(), "ready": client.is_ready}


def memory_users(adapter: Adapter, source: str, users: str) -> dict[str, Any]:
    """Measure the memory that many distinct users add, each of whom makes one request.

    Args:
        adapter: The contestant.
        source: The file of a project, or the URL of a sink to load it from and to send exposures to.
        users: How many.
    """
    online = source.startswith("http:")
    client = adapter.loaded_over_network(source) if online else adapter.load(read(source))
    by_kind = [keys_of(kind, 1_000) for kind in ("on-off", "targeted", "ab")]
    warm = [_request(number, by_kind) for number in range(USERS_AT_ONCE)]
    adapter.decide(client, warm)
    time.sleep(0.2)
    before = resident()
    total = int(users)
    for start in range(USERS_AT_ONCE, total + USERS_AT_ONCE, USERS_AT_ONCE):
        adapter.decide(client, [_request(number, by_kind) for number in range(start, start + USERS_AT_ONCE)])
    return {"before": before, "after": resident(), "users": total}


def _request(number: int, by_kind: list[list[str]]) -> Request:
    keys = [names[number % len(names)] for names in by_kind]
    return Request(f"user-{number:08d}", attributes_of(number), *keys)


def exit_without_close(adapter: Adapter, url: str, variant: str, count: str) -> dict[str, Any]:
    """Track events and return, as a program ends that never heard of ``close()``. The client stays referred to."""
    events = adapter.events(url, variant)
    HELD.append(events)
    events.track(int(count))
    return {"tracked": int(count)}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "offers": offers,
    "native": write_native,
    "load": load,
    "memory": memory,
    "memory-network": memory_network,
    "memory-users": memory_users,
    "exit": exit_without_close,
}


def main() -> None:
    """Do one job."""
    job, name, *arguments = sys.argv[1:]
    # What a package prints belongs to nobody; our line does.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    result = JOBS[job](load_adapter(name), *arguments)
    import json  # noqa: PLC0415  # after everything that is measured

    answers.write(json.dumps(result) + "\n")
    answers.flush()
    if job != "exit":
        os._exit(0)

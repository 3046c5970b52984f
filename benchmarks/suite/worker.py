"""Runs in the environment of one contestant: measures what it is asked to, over lines of JSON.

Started as ``python -P -c "from suite.worker import main; main()" NAME``. Each line of standard input names an operation
and its arguments, each line of standard output is a result. What a package prints goes to standard error.

A timed pass is a loop in the adapter. Garbage is collected before it, the collector runs during it, and what was there
before (clients, requests) is frozen, so that no contestant pays for what the benchmark itself keeps. Times are CPU
times of the process unless they say otherwise, in nanoseconds.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from . import workload
from .adapters import Adapter, load_adapter
from .sink_client import SinkClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from .adapters import Events, Exposures

Result = dict[str, Any]

DECIDE_ALL_USERS = 150
CONTEXT_USERS = 2_000
EXPOSURE_PARTS = 10


class Worker:
    """Measures one contestant.

    Attributes:
        adapter: The contestant.
        users: How many users make requests.
        target: Nanoseconds that a timed stretch is to take at least; passes are repeated until it does.
    """

    def __init__(self, adapter: Adapter, users: int, target: int) -> None:
        self.adapter = adapter
        self.users = users
        self.target = target
        self._clients: dict[int, Any] = {}
        self._requests: dict[int, list[workload.Request]] = {}
        self._passes: dict[str, int] = {}
        self._exposures: Exposures | None = None
        self._serial = 0

    def client(self, flags: int) -> tuple[Any, list[workload.Request]]:
        """Return a client with so many flags, and the requests to it; every exposure of theirs was seen.

        Raises:
            RuntimeError: The contestant logs exposures, which only the "exposure" row is to time.
        """
        if flags not in self._clients:
            self._clients[flags] = self.adapter.load(self.adapter.native(workload.flag_specs(flags)))
            self._requests[flags] = workload.requests(flags, self.users)
            before = self.adapter.exposures_logged()
            self.adapter.decide(self._clients[flags], self._requests[flags])
            if logged := self.adapter.exposures_logged() - before:
                del self._clients[flags]  # asked again, it fails again
                raise RuntimeError(f"{logged} exposures were logged outside of the exposure row")
            gc.collect()
            gc.freeze()
        return self._clients[flags], self._requests[flags]

    # --- what can be asked ------------------------------------------------------------------------------------

    def check(self, flags: int, users: int) -> Result:
        """Say what was decided: counts for all, and a digest of each decision where they are to agree to the letter."""
        # A client of its own, since deciding all flags fills the memory of exposures seen.
        client, requests = (
            self.adapter.load(self.adapter.native(workload.flag_specs(flags))),
            workload.requests(flags, users),
        )
        counts: dict[str, int] = {}
        for on_off, targeted, title in self.adapter.outcomes(client, requests):
            for name in ("on/off: on" * on_off, "targeted: on" * targeted, f"A/B: {title}"):
                counts[name] = counts.get(name, 0) + 1
        counts.pop("", None)
        decisions = "\n".join(self.adapter.decisions(client, requests))
        self.adapter.close(client)
        digest = hashlib.sha256(decisions.encode()).hexdigest()
        return {"counts": counts, "digest": digest}

    def request(self, flags: int) -> Result:
        """Time a request."""
        client, requests = self.client(flags)
        before = self.adapter.exposures_suppressed(client)
        result = self._timed(f"request-{flags}", len(requests), lambda: self.adapter.decide(client, requests))
        after = self.adapter.exposures_suppressed(client)
        if before is not None and after is not None:
            self._check_suppressed(client, requests, after - before)
        return result

    def all(self, flags: int) -> Result:
        """Time a context and the decision of all flags."""
        client, requests = self.client(flags)
        some = requests[:DECIDE_ALL_USERS]
        return self._timed(f"all-{flags}", len(some), lambda: self.adapter.decide_all(client, some))

    def context(self) -> Result:
        """Time a context without a User-Agent, with one seen before, and with one never seen."""
        client, requests = self.client(100)
        some = requests[:CONTEXT_USERS]
        plain = [(request.user_id, request.attributes) for request in some]
        same = workload.user_agent(0)
        seen = [(user_id, attributes | {"$userAgent": same}) for user_id, attributes in plain]
        self.adapter.contexts(client, seen[:1])
        times = {
            "plain": self._timed("context", len(plain), lambda: self.adapter.contexts(client, plain))["cpu"],
            "seen": self._timed("context-seen", len(seen), lambda: self.adapter.contexts(client, seen))["cpu"],
        }
        never = []
        for user_id, attributes in plain:
            self._serial += 1
            never.append((user_id, attributes | {"$userAgent": workload.user_agent(self._serial)}))
        times["never"] = self._stretch(len(never), 1, lambda: self.adapter.contexts(client, never))["cpu"]
        return times

    def threads(self, count: int) -> Result:
        """Time requests in so many threads at once."""
        client, requests = self.client(100)
        size = len(requests) // count
        parts = [requests[number * size : (number + 1) * size] for number in range(count)]
        if "request-100" not in self._passes:
            self._passes["request-100"] = self._calibrate(lambda: self.adapter.decide(client, requests))
        passes = self._passes["request-100"]

        def in_threads() -> None:
            start = threading.Barrier(count)

            def work(part: list[workload.Request]) -> None:
                start.wait()
                for _ in range(passes):
                    self.adapter.decide(client, part)

            threads = [threading.Thread(target=work, args=(part,)) for part in parts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return self._stretch(size * count * passes, 1, in_threads)

    def exposure(self, sink: str, delay: float = 0.0) -> Result:
        """Time decisions of new users without an exposure, with their first, and with a repeat: of the caller alone."""
        server = SinkClient(sink)
        specs = workload.flag_specs(100)
        for path, exposing in ((workload.CONFIG_PATH, True), (workload.CONFIG_PATH.replace("proj1", "silent"), False)):
            server.store(path, json.dumps(workload.signakit_config(specs, exposing=exposing)).encode())
        if self._exposures is None:
            self._exposures = self.adapter.exposures(sink)
            self._expose_all_flags(self._exposures)
            gc.collect()
            gc.freeze()
        exposures = self._exposures
        requests = self._new_users(exposures.users)
        server.reset(exposures.marker, delay=delay)
        result = self._caller(exposures, requests, "none", "first")
        exposures.settle()
        if exposures.marker:
            received = server.wait(count=len(requests)).count
            if received != len(requests):
                raise RuntimeError(f"{received} of {len(requests)} exposures arrived")
        if exposures.repeats:
            result |= self._caller(exposures, requests, "none_again", "repeat")
        return result

    def events(self, sink: str, variant: str) -> Result:
        """Time the delivery of events: from before the first is tracked until the server has the last."""
        server = SinkClient(sink)
        config = workload.signakit_config(workload.flag_specs(100))
        server.store(workload.CONFIG_PATH, json.dumps(config).encode())
        events = self.adapter.events(sink, variant)
        try:
            server.reset(events.marker)
            events.deliver(1)  # connections are made, modules imported
            server.wait(count=1)
            deliver = self._drain if variant.endswith("full-queue") else self._deliver
            return deliver(events, server)
        finally:
            events.close()

    # --- inside -----------------------------------------------------------------------------------------------

    def _deliver(self, events: Events, server: SinkClient) -> Result:
        server.reset(events.marker)
        gc.collect()
        cpu, start = time.process_time_ns(), time.monotonic_ns()
        events.deliver(events.count)
        received = server.wait(count=events.count)
        cpu = time.process_time_ns() - cpu
        return {
            "wall": (received.last - start) / max(1, received.count),
            "cpu": cpu / events.count,
            "received": received.count,
            "expected": events.count,
            "posts": received.posts,
        }

    def _drain(self, events: Events, server: SinkClient) -> Result:
        """Fill the queue while the server keeps the sender waiting, then time how it empties."""
        server.reset(events.marker, hold=True)
        events.track(1)
        server.wait(posts=1)
        events.track(events.count)
        gc.collect()
        cpu, start = time.process_time_ns(), time.monotonic_ns()
        server.release()
        received = server.wait(count=events.count + 1)
        cpu = time.process_time_ns() - cpu
        return {
            "wall": (received.last - start) / max(1, received.count - 1),
            "cpu": cpu / events.count,
            "received": received.count - 1,
            "expected": events.count,
            "posts": received.posts,
        }

    def _check_suppressed(self, client: Any, requests: list[workload.Request], suppressed: int) -> None:
        """Make sure that each pass looked up the same exposures, and so that every one was seen before."""
        before = self.adapter.exposures_suppressed(client) or 0
        self.adapter.decide(client, requests)
        once = (self.adapter.exposures_suppressed(client) or 0) - before
        if not once or suppressed % once:
            raise RuntimeError("some exposure was not looked up, or not seen before")

    def _new_users(self, count: int) -> list[workload.Request]:
        self._serial += 1
        keys = workload.keys_of(workload.AB, 100)
        attributes = workload.attributes_of(0)
        return [
            workload.Request(f"new-{self._serial}-{number:06d}", dict(attributes), "", "", keys[number % len(keys)])
            for number in range(count)
        ]

    def _expose_all_flags(self, exposures: Exposures) -> None:
        """Decide each flag once, so that what is done at a flag's first use is done."""
        requests = self._new_users(min(exposures.users, len(workload.keys_of(workload.AB, 100))))
        self._caller(exposures, requests, "none", "first")
        exposures.settle()
        time.sleep(0.1)

    @staticmethod
    def _caller(exposures: Exposures, requests: list[workload.Request], silent: str, exposing: str) -> Result:
        """Time the calling thread in small parts, silent and exposing by turns: their difference is what counts."""
        totals = dict.fromkeys((silent, exposing, f"{silent}_wall", f"{exposing}_wall"), 0)
        size = -(-len(requests) // EXPOSURE_PARTS)
        for start in range(0, len(requests), size):
            part = requests[start : start + size]
            keys = [request.ab for request in part]
            for name in (silent, exposing):
                is_silent = name == silent
                contexts = exposures.prepare(part, silent=is_silent)
                gc.collect()
                cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
                exposures.decide(contexts, keys, silent=is_silent)
                totals[name] += time.thread_time_ns() - cpu
                totals[f"{name}_wall"] += time.perf_counter_ns() - wall
        return {name: total / len(requests) for name, total in totals.items()}

    def _timed(self, name: str, units: int, run: Callable[[], None]) -> Result:
        """Time enough passes; the first call of a name also finds out how many that are."""
        if name not in self._passes:
            self._passes[name] = self._calibrate(run)
        return self._stretch(units, self._passes[name], run)

    def _calibrate(self, run: Callable[[], None]) -> int:
        start = time.process_time_ns()
        run()
        return max(1, min(1_000, -(-self.target // max(1, time.process_time_ns() - start))))

    @staticmethod
    def _stretch(units: int, passes: int, run: Callable[[], None]) -> Result:
        gc.collect()
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(passes):
            run()
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        return {"cpu": cpu / (units * passes), "wall": wall / (units * passes)}


def main() -> None:
    """Answer until told to quit or standard input ends."""
    name, users, target = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if worker is None:
                worker = Worker(load_adapter(name), int(users), int(target))
            answer = {"result": getattr(worker, message.pop("operation"))(**message)}
        except Exception as error:  # noqa: BLE001  # reported to whoever asked
            traceback.print_exc()
            answer = {"error": repr(error)}
        answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)  # what a package does at exit is measured elsewhere

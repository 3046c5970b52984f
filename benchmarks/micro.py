"""Where the time of a request goes, by pyperf: each step alone, on this checkout.

uv run --group bench benchmarks/micro.py [--fast] [-o FILE.json]

The options are pyperf's; two files of results are compared with `python -m pyperf compare_to`. Times are wall times, so
the machine should have nothing else to do. Steps that need a fresh context get one that was made before the clock
started.
"""

from __future__ import annotations

from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from suite import workload

from signakit_flags import SignaKitClient, is_bot
from signakit_flags._evaluation.bucketing import bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import SignaKitUserContext

pyperf: Any = import_module("pyperf")  # it has no type annotations

BATCH = 1_000
FLAGS = 100
PRO, FREE = workload.attributes_of(0), workload.attributes_of(1)


def client_of(*, exposing: bool = True) -> SignaKitClient:
    """Return an offline client of the workload; without ``exposing`` its A/B rules are targeted ones."""
    return SignaKitClient.offline(workload.signakit_config(workload.flag_specs(FLAGS), exposing=exposing))


def contexts_of(client: SignaKitClient, attributes: dict[str, Any]) -> list[SignaKitUserContext]:
    """Return new contexts, of the same users each time."""
    contexts = [client.create_user_context(f"user-{number:06d}", attributes) for number in range(BATCH)]
    return [context for context in contexts if context is not None]


def decide_fresh(client: SignaKitClient, attributes: dict[str, Any], key: str) -> Callable[[int], float]:
    """Time the first decision of a flag on a context. The first batch, which exposes, warms up."""
    for context in contexts_of(client, attributes):
        context.decide(key)

    def timer(loops: int) -> float:
        total = 0.0
        for _ in range(loops):
            contexts = contexts_of(client, attributes)
            start = perf_counter()
            for context in contexts:
                context.decide(key)
            total += perf_counter() - start
        return total

    return timer


def decide_first_exposure(attributes: dict[str, Any], key: str) -> Callable[[int], float]:
    """Time a decision that exposes a user for the first time, without a sender."""

    def timer(loops: int) -> float:
        total = 0.0
        for _ in range(loops):
            contexts = contexts_of(client_of(), attributes)
            contexts[0].decide(key)  # compiles the flag
            start = perf_counter()
            for context in contexts[1:]:
                context.decide(key)
            total += (perf_counter() - start) * BATCH / (BATCH - 1)
        return total

    return timer


def decide_again(client: SignaKitClient, attributes: dict[str, Any], key: str) -> Callable[[int], float]:
    """Time a decision that the context remembers."""
    (context, *_) = contexts_of(client, attributes)
    context.decide(key)

    def timer(loops: int) -> float:
        decide, batches = context.decide, range(loops * BATCH)
        start = perf_counter()
        for _ in batches:
            decide(key)
        return perf_counter() - start

    return timer


def make_contexts(client: SignaKitClient, attributes: dict[str, Any]) -> Callable[[int], float]:
    """Time making contexts."""

    def timer(loops: int) -> float:
        make, batches = client.create_user_context, range(loops * BATCH)
        start = perf_counter()
        for _ in batches:
            make("user-000001", attributes)
        return perf_counter() - start

    return timer


def decide_everything(client: SignaKitClient) -> Callable[[int], float]:
    """Time ``decide_all`` on fresh contexts, for each flag: a loop is ten contexts of 100 flags."""
    for context in contexts_of(client, PRO)[:10]:
        context.decide_all()

    def timer(loops: int) -> float:
        total = 0.0
        for _ in range(loops):
            contexts = contexts_of(client, PRO)[:10]
            start = perf_counter()
            for context in contexts:
                context.decide_all()
            total += perf_counter() - start
        return total

    return timer


def requests(client: SignaKitClient) -> Callable[[int], float]:
    """Time whole requests, as `run.py` does."""
    wanted = workload.requests(FLAGS, BATCH)

    def one_pass() -> None:
        make = client.create_user_context
        for request in wanted:
            user = make(request.user_id, request.attributes)
            assert user is not None
            user.decide(request.on_off)
            user.decide(request.targeted)
            user.decide(request.ab)

    one_pass()

    def timer(loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            one_pass()
        return perf_counter() - start

    return timer


def hash_buckets() -> Callable[[int], float]:
    """Time one bucket."""
    users = [f"user-{number:06d}" for number in range(BATCH)]
    prefix = f"{workload.FlagSpec(1).salt}:traffic:"

    def timer(loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            for user in users:
                bucket(prefix, user)
        return perf_counter() - start

    return timer


def look_up_bot() -> Callable[[int], float]:
    """Time the verdict on a User-Agent seen before."""
    user_agent = workload.user_agent(0)
    is_bot(user_agent)

    def timer(loops: int) -> float:
        batches = range(loops * BATCH)
        start = perf_counter()
        for _ in batches:
            is_bot(user_agent)
        return perf_counter() - start

    return timer


def steps() -> dict[str, Callable[[int], float]]:
    """Return the steps, in the order of the table."""
    client, silent = client_of(), client_of(exposing=False)
    on_off, targeted, ab = (workload.keys_of(kind, FLAGS)[0] for kind in workload.KINDS)
    return {
        "request": requests(client),
        "context, no attributes": make_contexts(client, {}),
        "context": make_contexts(client, PRO),
        "context, User-Agent seen": make_contexts(client, PRO | {"$userAgent": workload.user_agent(0)}),
        "is_bot, seen": look_up_bot(),
        "decide on/off, exposure seen": decide_fresh(client, PRO, on_off),
        "decide targeted, audience and one hash": decide_fresh(client, PRO, targeted),
        "decide targeted, audience missed, exposure seen": decide_fresh(client, FREE, targeted),
        "decide A/B, exposure seen": decide_fresh(client, PRO, ab),
        "decide A/B, no exposure": decide_fresh(silent, PRO, ab),
        "decide A/B, first exposure": decide_first_exposure(PRO, ab),
        "decide again": decide_again(client, PRO, ab),
        "decide_all, each flag": decide_everything(client),
        "bucket hash": hash_buckets(),
    }


def main() -> None:
    """Run the steps and print what they say about a request."""
    runner = pyperf.Runner()
    runner.metadata["description"] = "steps of a request"
    medians: dict[str, float] = {}
    for name, timer in steps().items():
        measured = runner.bench_time_func(name, timer, inner_loops=BATCH)
        if measured is not None and not runner.args.worker:
            medians[name] = measured.median() * 1e6
    if "request" in medians:
        print_summary(medians)


def print_summary(medians: dict[str, float]) -> None:
    """Print each step and what differences tell."""
    print(f"\n{'us':>8}  of a request  step")
    for name, value in medians.items():
        print(f"{value:8.3f}  {value / medians['request']:12.0%}  {name}")
    differences = {
        "a User-Agent seen before, in a context": ("context, User-Agent seen", "context"),
        "an exposure that was seen": ("decide A/B, exposure seen", "decide A/B, no exposure"),
        "an exposure that is new, without a sender": ("decide A/B, first exposure", "decide A/B, no exposure"),
    }
    for title, (more, less) in differences.items():
        if more in medians and less in medians:
            print(f"{medians[more] - medians[less]:8.3f}  {'difference':>12}  {title}")


if __name__ == "__main__":
    main()

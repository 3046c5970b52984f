"""Fuzz everything that reads a config: decoding, compiling, deciding, explaining, and the events that come of it.

    uv run tools/fuzz.py [--seconds 60] [--seed 1] [--corpus tests/faults/corpus]

Starts from the files of the corpus and mutates them, as bytes and as JSON. What makes the package fail is cut down and
saved in the corpus as `crash-*.json`, where the tests replay it from then on; keep it, under a better name. Exit status
1 if there was any.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import random
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signakit_flags import SignaKitClient
from signakit_flags._evaluation.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from signakit_flags import Decision, Explanation

CORPUS = Path(__file__).parents[1] / "tests" / "faults" / "corpus"

USERS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("u1", {"plan": "pro", "age": 30, "beta": True, "tags": ["a", "b"], "country": "DE"}),
    ("\u00fc\ud800", {"plan": ["pro", 1, None], "age": 2**80, "beta": 1, "tags": "a", "country": "\ud800"}),
    ("u" * 300, {"plan": {"pro": [1]}, "age": float("nan"), "beta": "true", "tags": [["a"]], "country": None}),
]

DEFAULTS: list[Any] = [None, "", 0, 0.0, False, [], {}]

# Messages of the package that stand for an exception which it caught.
SWALLOWED = ("not decided", "cannot be compiled", "cannot be encoded")


class BrokenError(AssertionError):
    """The package did not fail, and did not do what it promises either."""


class Listener(logging.Handler):
    """Notes the messages that stand for a caught exception."""

    def __init__(self) -> None:
        super().__init__()
        self.swallowed: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note one record."""
        message = record.getMessage()
        if any(part in message for part in SWALLOWED):
            self.swallowed.append(message)


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """Take the log of the package away from everybody else: it has a lot to say about such configs."""
    logger = logging.getLogger("signakit_flags")
    handlers, propagate = logger.handlers, logger.propagate
    listener = Listener()
    logger.handlers, logger.propagate = [listener], False
    try:
        yield listener
    finally:
        logger.handlers, logger.propagate = handlers, propagate


def exercise(data: bytes, users: Sequence[tuple[str, dict[str, Any]]] = USERS) -> tuple[str, ...]:
    """Load a config and ask everything of it.

    Args:
        data: The config.
        users: Who asks: their ids and attributes.

    Returns:
        What happened, roughly: equal for inputs that took the same way. Its first item is "refused" or "loads".

    Raises:
        Exception: A mistake of the package's; anything but a refusal of the config as a whole.
    """
    with listening() as listener:
        try:
            client = SignaKitClient.offline(data, record_events=True)
        except ConfigError as error:
            return "refused", str(error)[:40]
        seen: set[str] = set()
        for user, attributes in users:
            seen |= _ask(client, user, attributes)
        events = client.recorded_events
        json.dumps(events, allow_nan=False).encode()
        expect(not listener.swallowed, f"swallowed: {listener.swallowed}")
        return "loads", *sorted(seen)


def _ask(client: SignaKitClient, user: str, attributes: dict[str, Any]) -> set[str]:
    context = client.create_user_context(user, attributes)
    assert context is not None
    every = context.decide_all()
    seen: set[str] = set()
    for key, decision in every.items():
        expect(context.decide(key) is decision, "decided differently the second time")
        again = client.create_user_context(user, attributes)
        assert again is not None
        expect(again.decide(key) == decision, "decided differently for the same user")
        explanation = again.explain(key)
        expect(explanation.decision == decision, f"explained {explanation.decision}, decided {decision}")
        expect(decision.flag_key == key, "decided another flag")
        expect(decision.enabled is (decision.variation_key != "off"), "enabled and off")
        _check_types(decision)
        _check_steps(explanation, decision)
        str(explanation).encode("utf-8", "surrogatepass")
        json.dumps(decision.variables)
        for name in decision.variables:
            for default in DEFAULTS:
                context.variable(key, name, default)
        seen |= {f"{step.kind} {step.passed} {step.detail.split()[0]}" for step in explanation.steps}
        seen |= {type(value).__name__ for value in decision.variables.values()}
    context.track("bought", value=1.5, metadata={"from": "fuzz"})
    expect(context.decide("no such flag") is None, "decided a flag that there is not")
    return seen


def _check_types(decision: Decision) -> None:
    texts: list[Any] = [decision.variation_key, *decision.variables]
    texts += [key for key in (decision.rule_key, decision.rule_type) if key is not None]
    expect(all(type(text) is str for text in texts), f"of a wrong type: {decision!r}")
    expect(type(decision.enabled) is bool, f"of a wrong type: {decision!r}")


def _check_steps(explanation: Explanation, decision: Decision) -> None:
    """The steps are found by other code than the decision: the last of them has to lead to it."""
    last = explanation.steps[-1]
    if last.passed:
        expect(last.detail.endswith(f" {decision.variation_key}"), f"{last} and {decision}")
        expect(decision.rule_key == last.rule or (last.rule or "").startswith("#"), f"{last} and {decision}")
    else:
        expect((decision.variation_key, decision.rule_key) == ("off", None), f"{last} and {decision}")


def expect(fine: bool, what: str) -> None:  # noqa: FBT001  # reads as an assertion
    """Raise ``BrokenError`` unless ``fine``; unlike ``assert`` also under ``-O``."""
    if not fine:
        raise BrokenError(what)


# --- mutation ---------------------------------------------------------------------------------------------------------

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    0.5,
    100,
    9_999,
    10_000,
    2**31,
    2**53 + 1,
    2**64,
    -(2**70),
    1e308,
    5e-324,
    -0.0,
    "",
    "a",
    "off",
    "on",
    "\u0000",
    "\U0001f600",
    "x" * 300,
    [],
    {},
    [[]],
    [None],
    ["a", 1, True],
    {"": None},
    {"ranges": []},
    "ab-test",
    "targeted",
    "archived",
    "equals",
    "in",
    "contains",
    "greater_than",
    "any",
    "all",
]
TOKENS = [b"null", b"true", b"1e999", b"-0", b"1" * 400, b"NaN", b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\ud800"]
TOKENS += [b"\\u0000", b"\xef\xbb\xbf", b"\xff", b"\x00", b" " * 50, b"[" * 200, b'{"a":' * 100, b"0.1", b"1E5"]


def mutate(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Return ``data``, changed in one to four places, as bytes or as JSON."""
    for _ in range(chance.randint(1, 4)):
        changed = _mutate_json(chance, data) if chance.random() < 0.7 else None
        data = _mutate_bytes(chance, data, others) if changed is None else changed
    return data[:100_000]


def _mutate_bytes(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    start = chance.randint(0, len(data))
    end = min(len(data), start + chance.choice([0, 1, 1, 2, 8, 64]))
    match chance.randrange(5):
        case 0:
            middle = bytes([chance.randrange(256)])
        case 1:
            middle = chance.choice(TOKENS)
        case 2:
            middle = data[start:end] * 2
        case 3:
            other = chance.choice(others)
            cut = chance.randint(0, len(other))
            middle = other[cut : cut + chance.choice([4, 32, 256])]
        case _:
            middle = b""
    return data[:start] + middle + data[end:]


def _mutate_json(chance: random.Random, data: bytes) -> bytes | None:
    try:
        document = json.loads(data)
        places = list(_places(document))
    except (ValueError, RecursionError):
        return None
    if not places:
        return None
    container, key = chance.choice(places)
    match chance.randrange(6):
        case 0 | 1:
            container[key] = chance.choice(VALUES)
        case 2:
            other, other_key = chance.choice(places)
            container[key] = json.loads(json.dumps(other[other_key]))
        case 3:
            del container[key]
        case 4 if isinstance(container, list):
            container.insert(key, json.loads(json.dumps(container[key])))
        case 5 if isinstance(container, dict):
            container[chance.choice([name for _container, name in places if isinstance(name, str)])] = container[key]
        case _:
            container[key] = [container[key]]
    return json.dumps(document, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            keys: list[Any] = list(container)
        elif isinstance(container, list):
            keys = list(range(len(container)))
        else:
            continue
        for key in keys:
            yield container, key
            waiting.append(container[key])


def cut_down(data: bytes, how: str) -> bytes:
    """Return a part of ``data`` that still fails in this way."""
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + size :]
            if fails(shorter, how):
                data = shorter
            else:
                start += size
        size //= 2
    return data


def failure(error: Exception) -> str:
    """Return where and how the package failed: equal for what is probably one mistake."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.name}"


def fails(data: bytes, how: str) -> bool:
    """Say whether ``data`` makes the package fail in this way."""
    try:
        exercise(data)
    except Exception as error:  # noqa: BLE001  # any exception is what is looked for
        return failure(error) == how
    return False


def save(data: bytes, how: str, corpus: Path) -> Path:
    """Keep what fails, cut down, for the tests to replay."""
    data = cut_down(data, how)
    path = corpus / f"crash-{hashlib.sha256(data).hexdigest()[:12]}.json"
    path.write_bytes(data)
    return path


def main(arguments: list[str]) -> int:
    """Fuzz for a while; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="for the same run again; random by default")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    options = parser.parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    chance = random.Random(seed)
    pool = [path.read_bytes() for path in sorted(options.corpus.iterdir())]
    ways: set[tuple[str, ...]] = set()
    failures: set[str] = set()
    tried = loaded = 0
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = mutate(chance, chance.choice(pool), pool)
        tried += 1
        try:
            way = exercise(data)
        except Exception as error:  # noqa: BLE001  # any exception is what is looked for
            how = failure(error)
            if how not in failures:
                failures.add(how)
                path = save(data, how, options.corpus)
                print(f"{how}: {path.name} ({path.stat().st_size} bytes)", flush=True)
            continue
        loaded += way[0] == "loads"
        # Inputs that take a new way are mutated on; not saved, as they would be thousands.
        if way not in ways and len(data) < 20_000:
            ways.add(way)
            pool.append(data)
    print(f"seed {seed}: {tried} inputs, {loaded} loaded, {len(ways)} ways, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

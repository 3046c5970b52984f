"""Whatever comes as a config is refused whole or can be asked everything, and nothing else raises.

What is asked is in ``tools/fuzz.py``, which goes on for as long as it is told to and adds what it finds to the corpus.
"""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from signakit_flags._runtime.backoff import parse_retry_after
from support.snapshots import Snapshots

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("signakit_tools_fuzz", ROOT / "tools" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool: Any = load_tool()
CORPUS = sorted(tool.CORPUS.iterdir())
SEEDS = [path.read_bytes() for path in CORPUS]

# The same examples in every run; the tool is for new ones.
many = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


# --- configs of the real shape ----------------------------------------------------------------------------------------

NAMES = st.sampled_from(["on", "off", "control", "treatment", "", "\u00fc"])
ATTRIBUTE_NAMES = ["plan", "age", "beta", "tags", ""]
USER_IDS = st.sampled_from(["", "u1", "7", "\u00fc", "\ud800", "u" * 300]) | st.text(max_size=5)
VALUES = st.sampled_from(
    [
        "pro",
        "DE",
        "",
        30,
        30.0,
        2**53 + 1,
        -0.0,
        True,
        False,
        1,
        0,
        ["pro", "free"],
        ["pro", 1, True, None],
        [["a"]],
        {},
    ]
)
OPERATORS = st.sampled_from(
    [
        "equals",
        "not_equals",
        "greater_than",
        "less_than",
        "greater_than_or_equals",
        "less_than_or_equals",
        "in",
        "not_in",
        "contains",
        "not_contains",
        "semver_greater_than",
    ]
)


def now_and_then_wrong(right: st.SearchStrategy[Any], *, null: bool) -> st.SearchStrategy[Any]:
    """Values of the right type, and in one of 150 places any JSON: of dozens of places, one that is wrong is enough."""
    return st.integers(0, 149).flatmap(
        lambda number: JSON if number == 77 else st.none() if null and number % 10 == 3 else right
    )


def fields(required: dict[str, st.SearchStrategy[Any]], **others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of these fields. The others may be null, and now and then one of them is absent."""
    every = {name: now_and_then_wrong(value, null=False) for name, value in required.items()}
    every |= {name: now_and_then_wrong(value, null=True) for name, value in others.items()}
    whole = st.fixed_dictionaries(every)
    if not others:
        return whole
    absent = st.integers(0, 9).flatmap(lambda number: st.sampled_from(sorted(others)) if number == 7 else st.just(""))
    return st.builds(lambda fields, name: {key: fields[key] for key in fields if key != name}, whole, absent)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=1, max_size=2) | st.lists(strategy, max_size=1)


BOUNDS = st.sampled_from([0, 2_499, 4_999, 5_000, 7_500, 9_999]) | st.integers(-1, 10_000)
WHOLE_RANGE = st.fixed_dictionaries({"variation": NAMES, "start": st.just(0), "end": st.just(9_999)})
RANGE = fields({"variation": NAMES, "start": BOUNDS, "end": BOUNDS})
ALLOCATION = fields({"ranges": some(WHOLE_RANGE | RANGE)})
CONDITION = fields({"attribute": st.sampled_from(ATTRIBUTE_NAMES), "operator": OPERATORS, "value": VALUES})
AUDIENCE = fields({}, conditions=some(CONDITION))
RULE = fields(
    {"trafficPercentage": st.sampled_from([100, 100.0, 50, 0.57, 0, -1, 101]), "variationAllocation": ALLOCATION},
    ruleKey=st.text(max_size=3),
    ruleType=st.sampled_from(["ab-test", "multi-armed-bandit", "targeted", "holdout"]),
    audienceMatchType=st.sampled_from(["any", "all", "none"]),
    audiences=some(AUDIENCE),
    allowlist=some(fields({"userId": USER_IDS.filter(lambda name: name != "\ud800") | st.just(7), "variation": NAMES})),
)
VARIABLE = fields({"key": st.sampled_from(["size", "text", ""])}, type=NAMES, defaultValue=VALUES | JSON)
VARIATION = fields(
    {"key": NAMES}, variables=st.dictionaries(st.sampled_from(["size", "text", "x"]), VALUES, max_size=2)
)
FLAG = fields(
    {"key": st.sampled_from(["first", "second", "third", ""]), "salt": st.text(max_size=3), "allocation": ALLOCATION},
    id=st.text(max_size=3),
    status=st.sampled_from(["active", "active", "active", "archived", "draft"]),
    running=st.sampled_from([True, True, True, False]),
    variations=some(VARIATION),
    variables=some(VARIABLE),
    rules=some(RULE),
)
CONFIG = fields({"flags": st.lists(FLAG, min_size=1, max_size=4)}, version=st.integers(), projectId=st.text(max_size=3))
ATTRIBUTES = st.fixed_dictionaries({name: VALUES | st.none() | st.just("\ud800") for name in ATTRIBUTE_NAMES})
USERS = st.lists(st.tuples(USER_IDS, ATTRIBUTES), min_size=2, max_size=3)

STEPS = {
    f"{kind} {passed}" for kind in ("allowlist", "audience", "traffic", "range", "default") for passed in (True, False)
}
"""What explanations consist of, so what the evaluator can come to; a flag that is not running apart."""


def test_most_configs_of_the_real_shape_decide_and_every_step_of_the_evaluation_is_reached() -> None:
    tried = decided = 0
    steps: set[str] = set()

    # Not cut down when it fails: that takes minutes, and what went wrong is said by the tool.
    @settings(many, max_examples=300, phases=[Phase.generate])
    @given(document=CONFIG, users=USERS)
    def ask_everything(document: Any, users: list[tuple[str, dict[str, Any]]]) -> None:
        nonlocal tried, decided
        way, *seen = tool.exercise(json.dumps(document).encode("utf-8", "surrogatepass"), users)
        tried += 1
        decided += way == "loads" and any(step.startswith(("flag", "traffic", "default", "allow")) for step in seen)
        steps.update(" ".join(step.split()[:2]) for step in seen)

    ask_everything()
    assert tried >= 300
    assert decided >= tried / 2, f"{decided} of {tried} decide anything"
    assert steps >= STEPS, f"not reached: {STEPS - steps}"


# --- anything at all --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_each_file_of_the_corpus_does_what_its_name_says(path: Path) -> None:
    outcome = tool.exercise(path.read_bytes())
    assert path.stem.startswith((outcome[0], "crash-"))


def test_the_corpus_is_small_and_has_both_kinds() -> None:
    assert len(CORPUS) > 40
    assert sum(map(len, SEEDS)) < 200_000
    kinds = {path.stem.split("-")[0] for path in CORPUS}
    assert kinds >= {"loads", "refused"}


@many
@given(data=st.binary(max_size=2_000))
@example(data=b'{"flags":[' + b"[" * 100_000)
@example(data=b"\xef\xbb\xbf")
def test_any_bytes_are_refused_or_loaded(data: bytes) -> None:
    tool.exercise(data)


@many
@given(flags=st.lists(JSON, max_size=4) | JSON, rest=st.dictionaries(st.text(max_size=8), JSON, max_size=2))
def test_any_json_is_refused_or_loaded(flags: Any, rest: dict[str, Any]) -> None:
    outcome = tool.exercise(json.dumps({"flags": flags, **rest}, ensure_ascii=False).encode())
    if isinstance(flags, list) and not {"flags", "version"} & set(rest):
        assert outcome[0] == "loads"


@many
@given(seed=st.integers(0, 2**32), start=st.sampled_from(SEEDS))
def test_a_mutated_config_is_refused_or_loaded(seed: int, start: bytes) -> None:
    tool.exercise(tool.mutate(random.Random(seed), start, SEEDS))


@many
@given(seed=st.integers(0, 2**32), saved=st.data())
def test_any_snapshot_file_is_whole_or_ignored(tmp_path: Path, seed: int, saved: st.DataObject) -> None:
    path = tmp_path / "flags.snapshot"
    store = Snapshots.in_file(path, max_size=100_000)
    body = saved.draw(st.sampled_from(SEEDS))
    store.save(body, saved.draw(st.none() | st.text(max_size=20)))
    whole = path.read_bytes()
    damaged = tool.mutate(random.Random(seed), whole, [whole, *SEEDS])
    path.write_bytes(damaged)
    stored = store.load()
    assert stored is None or (stored.kept.body == body and stored.age >= 0.0)


@many
@given(
    value=st.text(max_size=60) | st.from_regex(r"\A[A-Za-z]{0,4},? ?[0-9]{1,3}[ -][A-Za-z]{3}[ -][-0-9: A-Z+]{0,40}\Z")
)
def test_any_retry_after_is_a_bounded_wait_or_none(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0.0 <= seconds <= 3_600.0


def test_the_tool_keeps_what_makes_the_package_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "exercise", _fails_at_a_seven)
    (tmp_path / "start.json").write_bytes(b'{"flags": [1, 2, 3, 4, 5, 6, 7, 8, 9]}')
    assert tool.main(["--seconds", "0.2", "--seed", "1", "--corpus", str(tmp_path)]) == 1
    [found] = tmp_path.glob("crash-*.json")
    assert found.read_bytes() == b"7"
    assert f"ValueError in test_fuzz.py:_fails_at_a_seven: {found.name} (1 bytes)" in capsys.readouterr().out


def _fails_at_a_seven(data: bytes) -> tuple[str, ...]:
    if b"7" in data:
        raise ValueError
    return ("loads",)

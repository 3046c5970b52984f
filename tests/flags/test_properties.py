"""What holds for every config, every user and every attribute there may be."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signakit_flags import Decision, SignaKitClient, SignaKitUserContext, parse_sdk_key
from signakit_flags._evaluation.audience import OPERATORS, compile_condition, json_key, json_key_within
from signakit_flags._evaluation.config import Condition, decode_config
from signakit_flags._evaluation.problems import ConfigError
from signakit_flags._evaluation.ruleset import compile_ruleset
from signakit_flags._runtime.backoff import LONGEST_RETRY_AFTER, parse_retry_after
from support.configs import config, flag, ranges, rule

# The same examples in every run, and few enough for every run.
few = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# --- any config, any user --------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates included
TEXT = st.text(max_size=10)
NAMES = st.sampled_from(["a", "b", "plan", "", "$x"])
NUMBERS = st.one_of(st.integers(), st.floats(-1e300, 1e300, allow_nan=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=8,
)


VALUES = st.one_of(st.sampled_from(["a", "b", 1, 1.0, True, ["a", 1]]), JSON)
VARIATIONS = st.sampled_from(["on", "off", "control", "treatment", ""])
ENDS = st.one_of(
    st.sampled_from([(0, 9999), (0, 4999), (5000, 9999), (2, 1)]), st.tuples(*[st.integers(-1, 10_001)] * 2)
)
TRAFFIC = st.one_of(st.sampled_from([0, 50, 100]), st.floats(-10, 110))


def configs(*, odd: bool) -> st.SearchStrategy[Any]:
    """Configs of the right shape; or, ``odd``, with anything at all in any place now and then."""

    def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.integers(0, 29).flatmap(lambda chance: JSON if chance == 0 else strategy) if odd else strategy

    def some(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
        return maybe(st.lists(maybe(strategy), max_size=most))

    allocation = maybe(
        st.fixed_dictionaries(
            {
                "ranges": some(
                    st.builds(
                        lambda name, ends: {"variation": name, "start": ends[0], "end": ends[1]},
                        maybe(VARIATIONS),
                        ENDS,
                    )
                )
            }
        )
    )
    condition = st.fixed_dictionaries(
        {"attribute": maybe(NAMES), "operator": maybe(st.sampled_from([*sorted(OPERATORS), "regex"]))},
        optional={"value": VALUES},
    )
    audience = st.fixed_dictionaries({}, optional={"conditions": st.none() | some(condition, 2)})
    entry = st.fixed_dictionaries(
        {"userId": st.sampled_from(["u", 1, None, 2.5]), "variation": maybe(st.none() | VARIATIONS)}
    )
    rule_data = st.fixed_dictionaries(
        {"trafficPercentage": maybe(TRAFFIC), "variationAllocation": allocation},
        optional={
            "ruleKey": maybe(st.none() | TEXT),
            "ruleType": maybe(st.sampled_from(["ab-test", "targeted", "multi-armed-bandit", "other", None])),
            "audienceMatchType": maybe(st.sampled_from(["any", "all", "none", None])),
            "audiences": some(audience, 2),
            "allowlist": some(entry, 2),
            "unknown": JSON,
        },
    )
    variable = st.fixed_dictionaries({"key": maybe(NAMES)}, optional={"type": JSON, "defaultValue": VALUES})
    variation = st.fixed_dictionaries(
        {"key": maybe(st.none() | VARIATIONS)},
        optional={"variables": maybe(st.dictionaries(NAMES, VALUES, max_size=3))},
    )
    flag_data = st.fixed_dictionaries(
        {
            "key": maybe(st.sampled_from("fghijk")),
            "salt": maybe(TEXT),
            "allocation": allocation,
            "running": maybe(st.sampled_from([True, True, True, True, False])),
            "rules": some(rule_data),
        },
        optional={
            "status": maybe(st.sampled_from(["active", "active", "archived", "other", None])),
            "variations": some(variation),
            "variables": some(variable),
            "unknown": JSON,
        },
    )
    return maybe(st.fixed_dictionaries({"flags": some(flag_data, 4)}, optional={"version": JSON}))


SOUND_CONFIG = configs(odd=False)
ODD_CONFIG = configs(odd=True)
CONFIG = st.one_of(SOUND_CONFIG, ODD_CONFIG)
USER = st.one_of(st.sampled_from(["u", "1"]), ANY_TEXT)

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**301),
    st.floats(),
    ANY_TEXT,
    st.binary(max_size=5),
    st.sets(st.integers(), max_size=2),
    st.complex_numbers(),
    st.builds(object),
)
ATTRIBUTES = st.dictionaries(
    st.one_of(NAMES, NAMES, ANY_TEXT),
    st.sampled_from(["a", "b", 1, 2.5, True, ["a"]])
    | st.recursive(
        ODD,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(ANY_TEXT, inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=5,
)


def client_for(data: Any) -> SignaKitClient | None:
    """Return an offline client, or None where the config is refused."""
    try:
        return SignaKitClient.offline(json.dumps(data).encode(), record_events=True)
    except ConfigError:
        return None


def context_for(client: SignaKitClient, user_id: str, attributes: dict[str, Any]) -> SignaKitUserContext:
    context = client.create_user_context(user_id, attributes)
    assert context is not None
    return context


def keys_of(client: SignaKitClient) -> list[str]:
    snapshot = client._engine.feed.snapshot
    assert snapshot is not None
    return [*snapshot.ruleset.flags, *snapshot.ruleset.archived, "no such flag"]


@few
@given(data=CONFIG, user_id=USER, attributes=ATTRIBUTES)
def test_evaluation_never_raises_and_is_always_complete(data: Any, user_id: str, attributes: dict[str, Any]) -> None:
    client = client_for(data)
    if client is None:
        return
    context = context_for(client, user_id, attributes)
    decisions = context.decide_all()
    for key in keys_of(client):
        decision = context.decide(key)
        assert decision == decisions.get(key)
        if decision is None:
            continue
        assert decision.flag_key == key
        assert decision.enabled == (decision.variation_key != "off")
        for name, value in decision.variables.items():
            for default in (None, "text", 1, 0.5, True, {"a": 1}, ["a"]):
                kept = context.variable(key, name, default)
                assert default is None or type(kept) is type(default) or kept is value
    context.track("event", 1, {"attributes": "of any kind"})
    json.dumps(client.recorded_events, allow_nan=False)


@few
@given(data=CONFIG, user_id=USER, attributes=ATTRIBUTES)
def test_an_explanation_agrees_with_the_decision_and_reads_as_text(
    data: Any, user_id: str, attributes: dict[str, Any]
) -> None:
    client = client_for(data)
    if client is None:
        return
    explained, decided_on = context_for(client, user_id, attributes), context_for(client, user_id, attributes)
    explanations = {key: explained.explain(key) for key in keys_of(client)}
    assert client.recorded_events == []
    for key, explanation in explanations.items():
        assert explanation.decision == decided_on.decide(key)
        assert explanation.steps
        assert str(explanation).startswith(key)
        decided = explanation.decision
        # A rule decided exactly where the last thing tried was a rule's and let the user through.
        last = explanation.steps[-1]
        if decided is not None and decided.rule_key is not None:
            assert last.passed
            assert last.rule == decided.rule_key
            assert last.kind in {"allowlist", "range"}


@few
@given(data=CONFIG, user_id=USER, attributes=ATTRIBUTES)
def test_the_same_input_gives_the_same_output(data: Any, user_id: str, attributes: dict[str, Any]) -> None:
    first, second = client_for(data), client_for(data)
    assert (first is None) == (second is None)
    if first is None or second is None:
        return
    expected = context_for(first, user_id, attributes).decide_all()
    assert context_for(first, user_id, attributes).decide_all() == expected
    backwards = context_for(second, user_id, dict(reversed(attributes.items())))
    assert {key: backwards.decide(key) for key in reversed(expected)} == expected


# --- traffic ---------------------------------------------------------------------------------------------------------

PERCENTAGES = st.one_of(st.floats(0, 100), st.integers(0, 10_000).map(lambda number: number / 100))


@few
@given(
    percentages=st.tuples(PERCENTAGES, PERCENTAGES).map(sorted),
    salt=TEXT,
    cut=st.integers(0, 9998),
    users=st.lists(ANY_TEXT, min_size=1, max_size=20),
)
def test_a_raised_percentage_takes_nobody_out_and_changes_nobodys_variation(
    percentages: list[float], salt: str, cut: int, users: list[str]
) -> None:
    split = ranges(("control", 0, cut), ("treatment", cut + 1, 9999))

    def decisions(percentage: float) -> list[Decision | None]:
        client = SignaKitClient.offline(config(flag("f", rule(traffic=percentage, split=split), salt=salt)))
        return [context_for(client, user, {}).decide("f") for user in users]

    for before, after in zip(*map(decisions, percentages), strict=True):
        assert before is not None
        assert before.rule_key is None or before == after


# --- bytes and texts from outside ------------------------------------------------------------------------------------

SOUND_BODY = json.dumps(
    config(
        flag(
            "f",
            rule(audiences=[{"conditions": [{"attribute": "a", "operator": "in", "value": ["x", 1]}]}]),
            variables=[{"key": "v", "type": "json", "defaultValue": {"a": [1, 2.5, None]}}],
        )
    )
).encode()
DAMAGED = st.builds(
    lambda start, length, patch: SOUND_BODY[:start] + patch + SOUND_BODY[start + length :],
    st.integers(0, len(SOUND_BODY)),
    st.integers(0, 20),
    st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b"null", b'"', b"{", b"[" * 5000, b"1e999", b"-", rb"\ud800", b"\xed\xa0\x80", b"9" * 5000, b"}"]
        ),
    ),
)


@settings(few, max_examples=200)
@given(data=st.one_of(st.binary(max_size=200), DAMAGED, JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_bytes_a_config_has_it_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        ruleset = compile_ruleset(decode_config(data))
        for key in ruleset.flags:
            compiled = ruleset.flag(key)
            assert compiled is not None
            compiled.outcome("u", {"a": 1})


@few
@given(data=ODD_CONFIG)
def test_a_bad_flag_never_takes_a_good_one_with_it(data: Any) -> None:
    if not (isinstance(data, dict) and isinstance(data.get("flags"), list)):
        return
    good = flag("the good one", rule())
    client = client_for({**data, "flags": [*data["flags"], good]})
    assert client is not None
    assert "the good one" in keys_of(client)


@few
@given(
    header=st.one_of(ANY_TEXT, st.from_regex(r"[A-Z][a-z]{2}, ?[0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,9}.{0,6}"))
)
def test_a_retry_after_of_any_content_is_a_bounded_wait_or_none(header: str) -> None:
    seconds = parse_retry_after(header)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER


@few
@given(
    text=st.one_of(
        ANY_TEXT, st.lists(ANY_TEXT, min_size=1, max_size=5).map(lambda parts: "_".join(["sk", "dev", *parts]))
    )
)
def test_a_key_of_any_content_is_harmless_or_refused(text: str) -> None:
    try:
        key = parse_sdk_key(text)
    except ValueError:
        return
    assert key.text == text.strip()
    assert (key.org_id + key.project_id).replace("-", "").isalnum()
    assert key.text.isascii()


# --- comparison ------------------------------------------------------------------------------------------------------


def canonical(value: Any) -> Any:
    """JSON data in a form in which Python's ``==`` is JSON's."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, (int, float)):
        return ("number", value)
    if isinstance(value, list):
        return ("list", [canonical(item) for item in value])
    return ("dict", {key: canonical(item) for key, item in value.items()})


@few
@given(pair=st.one_of(st.tuples(JSON, JSON), JSON.map(lambda value: (value, json.loads(json.dumps(value))))))
def test_values_are_compared_as_json(pair: tuple[Any, Any]) -> None:
    left, right = pair
    assert (json_key(left) == json_key(right)) is (canonical(left) == canonical(right))
    key = json_key(right)
    assert (json_key_within(left, len(key)) == key) is (canonical(left) == canonical(right))


@few
@given(value=JSON, actual=JSON.filter(lambda item: item is not None))
def test_of_an_operator_and_its_negation_one_holds_for_every_attribute(value: Any, actual: Any) -> None:
    for positive, negative in (("equals", "not_equals"), ("in", "not_in"), ("contains", "not_contains")):
        answers = [compile_condition(Condition("a", name, value))({"a": actual}) for name in (positive, negative)]
        assert answers in ([True, False], [False, True])

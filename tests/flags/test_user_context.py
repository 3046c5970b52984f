"""One user of an offline client: what can be asked, and what is recorded as sent."""

from __future__ import annotations

import asyncio
import inspect
import math
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import Decision, SignaKitClient, SignaKitUserContext
from support.attribute_changes import ATTRIBUTES, assert_no_change_is_swallowed
from support.configs import audience, condition, config, flag, ranges, rule, whole

if TYPE_CHECKING:
    from collections.abc import Callable

PRO = [audience(condition("plan", "equals", "pro"))]
FLAGS = [
    flag("exp", rule("r-exp", split=whole("treatment"))),
    flag("tgt", rule("r-tgt", kind="targeted", split=whole("on"))),
    flag("mab", rule("r-mab", kind="multi-armed-bandit", split=whole("on"))),
    flag("default", allocation=whole("on")),
    flag("nothing", allocation=ranges()),
    flag("stopped", rule(), running=False),
    flag("gone", status="archived"),
    flag("pro", rule("r-pro", audiences=PRO, split=whole("on"))),
]


def offline(*flags: Any) -> SignaKitClient:
    return SignaKitClient.offline(
        config(*(flags or FLAGS)), record_events=True, bot_detector=lambda agent: agent == "bot"
    )


class Flags(StrEnum):
    """Flag keys, as an application may name them."""

    EXP = "exp"


def context(client: SignaKitClient, user_id: str = "u", **attributes: Any) -> SignaKitUserContext:
    made = client.create_user_context(user_id, attributes)
    assert made is not None
    return made


def exposed(client: SignaKitClient) -> list[tuple[str, dict[str, str]]]:
    return [(item["userId"], item["decisions"]) for item in client.recorded_events if item["eventKey"] == "$exposure"]


def swap(client: SignaKitClient, *flags: Any) -> None:
    """Put another config in force, as a fetch does."""
    client._engine.feed.snapshot = offline(*flags)._engine.feed.snapshot


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


# --- deciding --------------------------------------------------------------------------------------------------------


def test_a_flag_is_decided_for_the_user_and_their_attributes() -> None:
    client = offline()
    assert context(client, plan="pro").decide("pro") == Decision("pro", "on", True, "r-pro", "ab-test", {})
    assert context(client).decide("pro") == Decision("pro", "off", False, None, None, {})


@pytest.mark.parametrize("key", ["nope", "gone", "", "EXP", "exp "])
def test_a_flag_that_is_unknown_or_archived_gives_no_decision(key: str) -> None:
    assert context(offline()).decide(key) is None


def test_deciding_again_gives_the_same_object() -> None:
    subject = context(offline())
    for key in ("exp", "default", "stopped", "nothing"):
        decision = subject.decide(key)
        assert decision is not None
        assert subject.decide(key) is decision
        assert subject.decide_all()[key] is decision


def test_all_flags_but_archived_ones_are_decided_in_the_order_of_the_config() -> None:
    subject = context(offline())
    decisions = subject.decide_all()
    assert list(decisions) == ["exp", "tgt", "mab", "default", "nothing", "stopped", "pro"]
    assert decisions == {key: subject.decide(key) for key in decisions}


def test_what_decide_all_returns_is_the_callers_own() -> None:
    subject = context(offline())
    subject.decide_all().clear()
    assert len(subject.decide_all()) == 7


def test_enabled_and_variation_answer_as_the_decision_does() -> None:
    subject = context(offline())
    assert [subject.is_enabled(key) for key in ("exp", "nothing", "stopped")] == [True, False, False]
    assert [subject.variation(key) for key in ("exp", "nothing", "default")] == ["treatment", "off", "on"]
    assert not subject.is_enabled("stopped", default=True), "off is a decision, and no default stands in for it"
    assert subject.variation("stopped", default="blue") == "off"


@pytest.mark.parametrize("key", ["nope", "gone"])
def test_without_a_decision_the_default_stands_in(key: str) -> None:
    subject = context(offline())
    assert subject.is_enabled(key) is False
    assert subject.is_enabled(key, default=True) is True
    assert subject.is_enabled(key, True) is True
    assert subject.variation(key) == "off"
    assert subject.variation(key, "blue") == "blue"


def test_one_context_in_many_threads_has_one_answer() -> None:
    client = offline()
    subject = context(client)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: subject.decide_all(), range(64)))
    assert all(answer == answers[0] for answer in answers)
    assert len(exposed(client)) == 5


# --- variables -------------------------------------------------------------------------------------------------------

KEPT: list[tuple[Any, Any, Any]] = [
    # value, default, what comes out
    ("x", "d", "x"),
    ("", "d", ""),
    (True, False, True),
    (False, True, False),
    (3, 0, 3),
    (0, 7, 0),
    (-2, 0, -2),
    (2.0, 0, 2),
    (-0.0, 7, 0),
    (1e300, 0, int(1e300)),
    (10**30, 0, 10**30),
    (2.5, 0.5, 2.5),
    (3, 0.5, 3.0),
    (0, 0.5, 0.0),
    ({"a": 1}, {}, {"a": 1}),
    ([1, "a"], [], [1, "a"]),
    ("x", None, "x"),
    (True, None, True),
    (2.0, None, 2.0),
    ([1], None, [1]),
    (None, None, None),
]

REPLACED: list[tuple[Any, Any]] = [
    # value, default
    (5, "d"),
    (True, "d"),
    (None, "d"),
    (["x"], "d"),
    (1, False),
    (0, True),
    ("true", False),
    (None, True),
    (1.0, False),
    (True, 7),
    (False, 7),
    (2.5, 7),
    ("3", 7),
    (None, 7),
    (True, 0.5),
    ("2.5", 0.5),
    (None, 0.5),
    ([1], 0.5),
    ([1], {}),
    ("{}", {"d": 1}),
    (None, {"d": 1}),
    ({"a": 1}, []),
    ("[]", [1]),
    ("x", ("a", "tuple")),
    ([1], (1,)),
    (b"x".decode(), b"d"),
    (1, 1j),
]


def variable(value: Any, default: Any) -> Any:
    data = flag("f", allocation=whole("on"), variables=[{"key": "v", "type": "json", "defaultValue": value}])
    return context(offline(data)).variable("f", "v", default)


@pytest.mark.parametrize(("value", "default", "expected"), KEPT)
def test_a_variable_of_the_defaults_type_is_returned_in_that_type(value: Any, default: Any, expected: Any) -> None:
    result = variable(value, default)
    assert result == expected
    assert isinstance(result, type(expected))
    assert isinstance(result, bool) == isinstance(expected, bool)
    assert math.copysign(1, result) == math.copysign(1, expected) if isinstance(expected, float) else True


@pytest.mark.parametrize(("value", "default"), REPLACED)
def test_the_default_stands_in_for_a_variable_of_another_type(value: Any, default: Any) -> None:
    assert variable(value, default) is default


@pytest.mark.parametrize("default", [None, "d", 1, object()])
def test_the_default_stands_in_where_there_is_no_flag_or_variable(default: Any) -> None:
    subject = context(offline(flag("f", allocation=whole("on"))))
    assert subject.variable("f", "v", default) is default
    assert subject.variable("nope", "v", default) is default


def test_no_integer_of_a_config_makes_a_variable_raise() -> None:
    assert isinstance(variable(10**400, 0.5), float)


def test_a_variable_that_is_a_container_is_read_only_and_its_copy_is_not() -> None:
    value = variable({"list": [1, {"x": 1}]}, {})
    with pytest.raises(TypeError, match="read-only"):
        value["new"] = 1
    with pytest.raises(TypeError, match="read-only"):
        value["list"].append(2)
    with pytest.raises(TypeError, match="read-only"):
        value["list"][1].update(x=2)
    own = value.copy()
    own["list"].append(2)
    assert value == {"list": [1, {"x": 1}]}


def test_the_variables_of_a_variation_are_the_ones_read() -> None:
    data = flag(
        "f",
        rule(split=whole("treatment")),
        variables=[{"key": "color", "defaultValue": "red"}],
        variations=[{"key": "treatment", "variables": {"color": "blue"}}],
    )
    assert context(offline(data)).variable("f", "color", "none") == "blue"


# --- one snapshot ----------------------------------------------------------------------------------------------------


def test_a_context_never_sees_two_configs() -> None:
    client = offline(flag("a", allocation=whole("on")), flag("b", allocation=whole("on")))
    early, idle = context(client), context(client)
    assert early.variation("a") == "on"
    swap(client, flag("a", allocation=whole("off")), flag("c", allocation=whole("on")))
    assert [early.variation(key, "none") for key in "abc"] == ["on", "on", "none"]
    assert list(early.decide_all()) == ["a", "b"]
    assert "no such flag" in early.explain("c").steps[0].detail
    for later in (idle, context(client)):
        assert [later.variation(key, "none") for key in "abc"] == ["off", "none", "on"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda subject: subject.decide("nope"),
        lambda subject: subject.decide_all(),
        lambda subject: subject.explain("a"),
        lambda subject: subject.variable("nope", "v", 1),
    ],
)
def test_any_first_question_pins_the_config(ask: Callable[[SignaKitUserContext], object]) -> None:
    client = offline(flag("a", allocation=whole("on")))
    subject = context(client)
    ask(subject)
    swap(client, flag("a", allocation=whole("off")))
    assert subject.variation("a") == "on"


# --- the user --------------------------------------------------------------------------------------------------------


def test_the_attributes_are_the_users_without_the_user_agent_and_a_copy() -> None:
    client = offline()
    given = {"plan": "pro", "$userAgent": "Mozilla/5.0", "tags": ["a"]}
    subject = client.create_user_context("u", given)
    assert subject is not None
    assert (subject.user_id, subject.attributes) == ("u", {"plan": "pro", "tags": ["a"]})
    assert given["$userAgent"] == "Mozilla/5.0"
    given["plan"] = "free"
    assert subject.attributes["plan"] == "pro"
    assert subject.is_enabled("pro")


@pytest.mark.parametrize("agent", ["bot", "person"])
def test_no_change_of_a_context_is_swallowed(agent: str) -> None:
    subject = context(offline(), **ATTRIBUTES, **{"$userAgent": agent})
    assert_no_change_is_swallowed(subject)
    subject.decide("pro")
    assert_no_change_is_swallowed(subject)


def test_the_error_for_an_item_of_a_list_names_the_list() -> None:
    with pytest.raises(TypeError, match=r'"name": \[\*items, item\]\}\), and give it "\$userAgent" again$'):
        context(offline(), **ATTRIBUTES).attributes["groups"].append("b")


def test_the_way_that_the_error_names_gives_a_context_with_the_change() -> None:
    client = offline()
    subject = context(client, **ATTRIBUTES)
    changed = client.create_user_context(subject.user_id, {**subject.attributes, "plan": "pro"})
    assert changed is not None
    assert (subject.variation("pro"), changed.variation("pro")) == ("off", "on")
    more = client.create_user_context(subject.user_id, {"groups": [*subject.attributes["groups"], "b"]})
    assert more is not None
    more.track("event")
    assert client.recorded_events[-1]["attributes"] == {"groups": ["a", "b"]}


def test_attributes_of_one_context_are_taken_by_another_with_their_lists() -> None:
    client = offline(flag("f", rule(audiences=[audience(condition("groups", "contains", "a"))], split=whole("on"))))
    again = client.create_user_context("u", context(client, **ATTRIBUTES).attributes)
    assert again is not None
    assert again.variation("f") == "on"
    again.track("event")
    assert [event["attributes"] for event in client.recorded_events] == [ATTRIBUTES, ATTRIBUTES]
    assert again.attributes == ATTRIBUTES


@pytest.mark.parametrize("attributes", [None, {}])
def test_a_user_may_have_no_attributes(attributes: dict[str, Any] | None) -> None:
    subject = offline().create_user_context("u", attributes)
    assert subject is not None
    assert subject.attributes == {}
    assert not subject.is_bot


@pytest.mark.parametrize("user_id", ["", " ", "ä", "u" * 10_000, "\x00", "a\nb"])
def test_any_text_is_a_user_id(user_id: str) -> None:
    subject = context(offline(), user_id)
    assert subject.user_id == user_id
    assert subject.decide("exp") is not None


def test_a_lone_surrogate_in_a_user_id_is_hashed_and_raises_nothing() -> None:
    client = offline(flag("f", rule()))
    subject = context(client, "a\ud800", name="\udfff")
    assert subject.decide("f") is not None
    assert subject.explain("f").decision == subject.decide("f")
    assert client.recorded_events[0]["userId"] == "a\ufffd"
    assert client.recorded_events[0]["attributes"] == {"name": "\ufffd"}


def test_the_representation_names_the_user() -> None:
    client = offline()
    assert repr(context(client, "u'1")) == """SignaKitUserContext("u'1")"""
    assert "bot" in repr(context(client, **{"$userAgent": "bot"}))


# --- wrong types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", [None, 5, b"u", ["u"], object()])
def test_a_user_id_that_is_no_text_is_a_type_error(user_id: Any) -> None:
    with pytest.raises(TypeError, match="user_id must be a str"):
        offline().create_user_context(user_id)


@pytest.mark.parametrize("attributes", ["plan=pro", 5, [("plan", "pro")], {"plan"}, object()])
def test_attributes_that_are_no_mapping_are_a_type_error(attributes: Any) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping"):
        offline().create_user_context("u", attributes)


@pytest.mark.parametrize("attributes", ["", 0, [], (), False])
def test_empty_attributes_that_are_no_mapping_are_a_type_error_too(attributes: Any) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping"):
        offline().create_user_context("u", attributes)


@pytest.mark.parametrize("key", [None, 5, b"exp", ("exp",), ["exp"], {}])
@pytest.mark.parametrize("agent", ["person", "bot"])
def test_a_flag_key_that_is_no_text_is_a_type_error(key: Any, agent: str) -> None:
    subject = context(offline(), **{"$userAgent": agent})
    asks: list[Callable[[], object]] = [
        lambda: subject.decide(key),
        lambda: subject.is_enabled(key),
        lambda: subject.variation(key),
        lambda: subject.variable(key, "v", 1),
    ]
    for ask in asks:
        with pytest.raises(TypeError):
            ask()


@pytest.mark.parametrize("key", [None, 5, b"exp"])
def test_explaining_a_flag_key_that_is_no_text_is_a_type_error(key: Any) -> None:
    with pytest.raises(TypeError):
        context(offline()).explain(key)


@pytest.mark.parametrize("key", [None, 5, b"buy", ["buy"]])
@pytest.mark.parametrize("agent", ["person", "bot"])
def test_an_event_key_that_is_no_text_is_a_type_error(key: Any, agent: str) -> None:
    subject = context(offline(), **{"$userAgent": agent})
    with pytest.raises(TypeError, match="event_key must be a str"):
        subject.track(key)
    with pytest.raises(TypeError, match="event_key must be a str"):
        asyncio.run(subject.track_event(key))


@pytest.mark.parametrize("value", [[], {}, b"1", object(), 1j])
def test_a_value_that_is_no_number_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="value must be a number"):
        context(offline()).track("buy", value)


# --- bots ------------------------------------------------------------------------------------------------------------


def bot(client: SignaKitClient) -> SignaKitUserContext:
    return context(client, plan="pro", **{"$userAgent": "bot"})


@pytest.mark.parametrize("key", ["exp", "tgt", "default", "stopped", "gone", "nope", ""])
def test_a_bot_gets_off_for_any_key(key: str) -> None:
    subject = bot(offline())
    assert subject.is_bot
    expected = Decision(key, "off", False, None, None, {})
    assert subject.decide(key) == expected
    assert subject.decide(key) == expected
    assert not subject.is_enabled(key, default=True)
    assert subject.variation(key, "blue") == "off"
    assert subject.variable(key, "v", "d") == "d"
    assert subject.explain(key).decision == expected


def test_a_bot_gets_no_variables() -> None:
    data = flag("f", allocation=whole("on"), variables=[{"key": "v", "defaultValue": 1}])
    decision = bot(offline(data)).decide("f")
    assert decision is not None
    assert decision.variables == {}


def test_the_variables_of_a_bot_are_read_only_too() -> None:
    decision = bot(offline()).decide("exp")
    assert decision is not None
    with pytest.raises(TypeError):
        decision.variables["new"] = 1


def test_a_bot_gets_off_for_every_flag_that_is_not_archived() -> None:
    client = offline()
    decisions = bot(client).decide_all()
    assert list(decisions) == list(context(client).decide_all())
    assert {decision.variation_key for decision in decisions.values()} == {"off"}
    assert all(decision.flag_key == key for key, decision in decisions.items())


def test_no_event_of_any_kind_is_sent_for_a_bot() -> None:
    client = offline()
    subject = bot(client)
    subject.decide("exp")
    subject.decide_all()
    subject.track("buy", 1, {"a": 1})
    asyncio.run(subject.track_event("buy"))
    assert client.recorded_events == []
    assert client.status().exposures_suppressed == 0


@pytest.mark.parametrize("agent", [None, 5, b"bot", ["bot"], "", True])
def test_a_user_agent_that_is_no_text_counts_as_absent(agent: Any) -> None:
    client = SignaKitClient.offline(config(*FLAGS), bot_detector=lambda _agent: True)
    subject = context(client, **{"$userAgent": agent})
    assert not subject.is_bot
    assert subject.attributes == {}


def test_the_user_agent_is_no_targeting_attribute() -> None:
    data = flag("f", rule(audiences=[audience(condition("$userAgent", "contains", "Moz"))], split=whole("on")))
    assert context(offline(data), **{"$userAgent": "Mozilla/5.0"}).variation("f") == "off"


def test_without_a_detector_of_ones_own_the_built_in_one_decides() -> None:
    client = SignaKitClient.offline(config(*FLAGS))
    crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    person = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
    assert [context(client, **{"$userAgent": agent}).is_bot for agent in (crawler, person)] == [True, False]


def test_a_detector_that_raises_takes_everyone_for_a_person_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(agent: str) -> bool:
        raise RuntimeError(f"cannot judge {agent}")

    client = SignaKitClient.offline(config(*FLAGS), bot_detector=broken)
    for _ in range(3):
        assert not context(client, **{"$userAgent": "x"}).is_bot
    assert len(messages(caplog)) == 1
    assert "bot_detector raised RuntimeError('cannot judge x')" in messages(caplog)[0]


def test_is_bot_takes_the_place_of_the_detectors_word() -> None:
    client = offline()
    person = client.create_user_context("u", {"plan": "pro", "$userAgent": "bot"}, is_bot=False)
    machine = client.create_user_context("u", {"plan": "pro", "$userAgent": "a person's"}, is_bot=True)
    assert person is not None
    assert machine is not None
    assert (person.is_bot, person.variation("pro"), person.attributes) == (False, "on", {"plan": "pro"})
    assert (machine.is_bot, machine.variation("pro"), machine.attributes) == (True, "off", {"plan": "pro"})


@pytest.mark.parametrize("attributes", [None, {}, {"plan": "pro"}])
@pytest.mark.parametrize("known", [True, False])
def test_that_a_user_is_a_bot_can_be_said_without_a_user_agent(known: bool, attributes: Any) -> None:
    user = offline().create_user_context("u", attributes, is_bot=known)
    assert user is not None
    assert user.is_bot is known


def test_none_asks_the_detector() -> None:
    user = offline().create_user_context("u", {"$userAgent": "bot"}, is_bot=None)
    assert user is not None
    assert user.is_bot


@pytest.mark.parametrize("known", [True, False])
def test_the_detector_is_not_called_where_it_is_known_whether_the_user_is_a_bot(known: bool) -> None:
    asked: list[str] = []
    client = SignaKitClient.offline(config(*FLAGS), bot_detector=lambda agent: bool(asked.append(agent)))
    user = client.create_user_context("u", {"$userAgent": "curl/8.5.0"}, is_bot=known)
    assert user is not None
    assert user.is_bot is known
    assert asked == []


@pytest.mark.parametrize("known", [0, 1, "no", "", [], object()])
def test_is_bot_is_a_bool_or_none(known: Any) -> None:
    with pytest.raises(TypeError, match=f"is_bot must be True, False or None, not {type(known).__name__}"):
        offline().create_user_context("u", is_bot=known)


# --- exposures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "rule_key"), [("exp", "r-exp"), ("mab", "r-mab"), ("default", None), ("nothing", None), ("pro", None)]
)
def test_experiments_and_the_default_allocation_expose(key: str, rule_key: str | None) -> None:
    client = offline()
    decision = context(client, color="red").decide(key)
    assert decision is not None
    (event,) = client.recorded_events
    assert event["eventKey"] == "$exposure"
    assert event["userId"] == "u"
    assert event["attributes"] == {"color": "red"}
    assert event["decisions"] == {key: decision.variation_key}
    assert event["metadata"] == {"flagKey": key, "variationKey": decision.variation_key, "ruleKey": rule_key}


@pytest.mark.parametrize("user_id", ["", "u" * 10_000, "é", "\ud800", "u" * 64, "u" * 65])
def test_whoever_the_user_is_an_exposure_is_sent_once_and_counted_each_time_after(user_id: str) -> None:
    client = offline()
    for times in range(3):
        user = client.create_user_context(user_id)
        assert user is not None
        user.decide("exp")
        assert len(client.recorded_events) == 1
        assert client.status().exposures_suppressed == times
    user = client.create_user_context(user_id)
    assert user is not None
    exposed = len(user.decide_all()) - 2  # all but "tgt" and "stopped"
    assert len(client.recorded_events) == exposed
    assert client.status().exposures_suppressed == 3


def test_a_flag_key_of_a_subclass_of_text_is_text_in_what_is_sent() -> None:
    client = offline()
    user = context(client)
    assert user.decide(Flags.EXP) is user.decide("exp")
    user.track("purchase")
    sent = client.recorded_events[-1]["decisions"]
    assert list(sent) == ["exp"]
    assert all(type(flag_key) is str for flag_key in user._decisions)


@pytest.mark.parametrize("key", ["tgt", "stopped", "gone", "nope"])
def test_targeted_rules_and_flags_that_are_not_running_do_not(key: str) -> None:
    client = offline()
    context(client).decide(key)
    assert client.recorded_events == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda subject: subject.decide("exp"),
        lambda subject: subject.is_enabled("exp"),
        lambda subject: subject.variation("exp"),
        lambda subject: subject.variable("exp", "v", 1),
    ],
)
def test_every_way_to_ask_for_a_flag_exposes(ask: Callable[[SignaKitUserContext], object]) -> None:
    client = offline()
    ask(context(client))
    assert exposed(client) == [("u", {"exp": "treatment"})]


def test_deciding_all_exposes_each_flag_that_has_something_to_expose() -> None:
    client = offline()
    context(client).decide_all()
    assert [next(iter(decisions)) for _user, decisions in exposed(client)] == [
        "exp",
        "mab",
        "default",
        "nothing",
        "pro",
    ]


def test_an_exposure_is_sent_once_a_user_and_client() -> None:
    client = offline()
    for _ in range(3):
        subject = context(client)
        subject.decide("exp")
        subject.decide("exp")
    assert exposed(client) == [("u", {"exp": "treatment"})]
    assert client.status().exposures_suppressed == 2, "a repeat on one context does not even ask"
    context(client, "v").decide("exp")
    context(offline()).decide("exp")
    assert exposed(client) == [("u", {"exp": "treatment"}), ("v", {"exp": "treatment"})]


def test_another_variation_or_rule_for_the_same_user_is_another_exposure() -> None:
    client = offline()
    context(client).decide("pro")
    context(client, plan="pro").decide("pro")
    assert exposed(client) == [("u", {"pro": "off"}), ("u", {"pro": "on"})]


def test_a_reload_of_the_same_flag_exposes_nobody_again() -> None:
    client = offline()
    context(client).decide("exp")
    swap(client, *FLAGS)
    context(client).decide("exp")
    assert len(exposed(client)) == 1


# --- conversions -----------------------------------------------------------------------------------------------------


def test_a_conversion_carries_what_the_context_has_decided_so_far_of_any_rule_type() -> None:
    client = offline()
    subject = context(client, plan="pro")
    subject.track("first")
    subject.decide("tgt")
    subject.decide("nope")
    subject.decide("stopped")
    subject.track("second", 9.5, {"sku": "A1"})
    first, second = client.recorded_events
    assert "decisions" not in first
    assert second["decisions"] == {"tgt": "on", "stopped": "off"}
    assert (second["eventKey"], second["value"], second["metadata"]) == ("second", 9.5, {"sku": "A1"})
    assert (second["userId"], second["attributes"]) == ("u", {"plan": "pro"})


def test_a_conversion_is_never_suppressed() -> None:
    client = offline()
    subject = context(client)
    for _ in range(3):
        subject.track("buy")
    assert len(client.recorded_events) == 3


def test_tracking_from_async_code_is_the_same() -> None:
    client = offline()
    subject = context(client)
    subject.decide("tgt")
    subject.track("buy", 5, {"a": 1})
    asyncio.run(subject.track_event("buy", 5, {"a": 1}))
    asyncio.run(subject.track_event("buy", value=5, metadata={"a": 1}))
    untimed = [{name: value for name, value in item.items() if name != "timestamp"} for item in client.recorded_events]
    assert untimed[0] == untimed[1] == untimed[2]


def test_both_ways_to_track_take_the_same() -> None:
    signatures = [inspect.signature(way) for way in (SignaKitUserContext.track, SignaKitUserContext.track_event)]
    assert signatures[0] == signatures[1]


def test_metadata_is_copied_when_the_event_is_tracked() -> None:
    client = offline()
    metadata = {"items": ["a"]}
    context(client).track("buy", metadata=metadata)
    metadata["items"].append("b")
    assert client.recorded_events[0]["metadata"] == {"items": ["a"]}


def test_metadata_that_is_too_large_is_dropped_and_the_event_sent() -> None:
    client = offline()
    context(client).track("buy", 1, {"k": "x" * 5000})
    assert client.recorded_events[0]["value"] == 1
    assert "metadata" not in client.recorded_events[0]


# --- text of a subclass ---------------------------------------------------------------------------------------------


class Escaped(str):
    """Escapes what it is put together with, and knows no equal: as ``markupsafe.Markup`` does, and worse."""

    __slots__ = ()

    def __radd__(self, other: str) -> str:
        return other.replace("&", "&amp;") + str.__str__(self)

    def __getitem__(self, key: Any) -> Escaped:
        return Escaped(super().__getitem__(key))

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1

    def __contains__(self, item: object) -> bool:
        return False

    def __len__(self) -> int:
        return 0


USERS = [f"u{number}" for number in range(50)]
SPLIT = ranges(("control", 0, 4999), ("treatment", 5000, 9999))


@pytest.mark.parametrize("fields", [{"allocation": SPLIT}, {"rules": [rule("r", traffic=50, split=SPLIT)]}])
def test_a_user_id_of_a_subclass_of_text_is_bucketed_by_its_characters(fields: Any) -> None:
    client = offline({**flag("f"), "salt": "a&b", **fields})
    plain, odd = ([context(client, kind(user)).variation("f") for user in USERS] for kind in (str, Escaped))
    assert odd == plain
    assert len(set(plain)) >= 2
    assert client.status().exposures_suppressed == len(USERS), "the same users"


def test_a_user_id_of_a_subclass_of_text_is_on_the_allowlist() -> None:
    listed = rule(allowlist=[{"userId": "u", "variation": "on"}], split=whole("control"))
    assert context(offline(flag("f", listed)), Escaped("u")).variation("f") == "on"


def test_text_of_a_subclass_is_plain_text_in_every_event() -> None:
    client = offline()
    user = context(client, Escaped("u<1>"), query=Escaped("a&b"), tags=[Escaped("x")])
    assert type(user.user_id) is str
    user.decide("exp")
    user.track(Escaped("buy<1>"), Escaped("3"), {Escaped("k"): Escaped("v")})
    exposure, conversion = client.recorded_events
    assert exposure["userId"] == conversion["userId"] == "u<1>"
    assert exposure["attributes"] == conversion["attributes"] == {"query": "a&b", "tags": ["x"]}
    assert (conversion["eventKey"], conversion["value"], conversion["metadata"]) == ("buy<1>", "3", {"k": "v"})


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("equals", "pro"),
        ("in", ["pro", "team"]),
        ("in", ["pro", 1]),
        ("contains", "ro"),
        ("not_equals", "team"),
        ("not_in", ["team"]),
        ("not_contains", "x"),
    ],
)
@pytest.mark.parametrize("match_type", ["any", "all"])
def test_an_attribute_of_a_subclass_of_text_is_matched_by_its_characters(
    operator: str, value: Any, match_type: str
) -> None:
    never = audience(condition("plan", "equals", "never"))
    audiences = [audience(condition("plan", operator, value)), *([never] if match_type == "any" else [])]
    data = flag("f", rule(audiences=audiences, audienceMatchType=match_type, split=whole("on")))
    subject = context(offline(data), plan=Escaped("pro"))
    assert subject.variation("f") == "on"
    assert subject.explain("f").decision == subject.decide("f")


def test_a_user_agent_of_a_subclass_of_text_is_judged_by_its_characters() -> None:
    assert context(offline(), **{"$userAgent": Escaped("bot")}).is_bot


# --- hostile attributes ----------------------------------------------------------------------------------------------


class Hostile:
    """Raises whatever is asked of it."""

    def _refuse(self, *_args: object) -> Any:
        raise RuntimeError("hostile")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = _refuse
    __str__ = __repr__ = __int__ = __float__ = __index__ = _refuse


class HostileText(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hostile")

    def __hash__(self) -> int:
        raise RuntimeError("hostile")

    def __contains__(self, item: object) -> bool:
        raise RuntimeError("hostile")


class HostileNumber(int):
    def _refuse(self, other: object) -> bool:
        raise RuntimeError("hostile")

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = int.__hash__


class HostileList(list[Any]):
    def __len__(self) -> int:
        raise RuntimeError("hostile")

    def __iter__(self) -> Any:
        raise RuntimeError("hostile")


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("hostile")


class Undecided:
    """Compares like an array: with no truth of its own."""

    def __eq__(self, other: object) -> Any:
        return Hostile()

    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose


def self_containing() -> list[Any]:
    value: list[Any] = ["a"]
    value.append(value)
    return value


OPERATORS: list[tuple[str, Any]] = [
    ("equals", "a"),
    ("not_equals", "a"),
    ("equals", 1),
    ("equals", True),
    ("equals", ["a", ["a", 1]]),
    ("equals", {"a": 1}),
    ("in", ["a", "b"]),
    ("in", ["a", 1, [1]]),
    ("not_in", [1.5, "a"]),
    ("contains", "a"),
    ("not_contains", "a"),
    ("greater_than", 1),
    ("less_than_or_equals", 1),
    ("regex", "a"),
]


@pytest.mark.parametrize(
    "make",
    [
        Hostile,
        lambda: HostileText("a"),
        lambda: HostileNumber(1),
        lambda: HostileList(["a"]),
        Undecided,
        self_containing,
    ]
    + [
        lambda value=value: value for value in (object(), math.nan, math.inf, {"a": object()}, 10**400, b"\xff", {1, 2})
    ],
)
def test_no_attribute_makes_a_decision_or_an_event_raise(make: Callable[[], Any]) -> None:
    flags = [
        flag(f"f{number}", rule(audiences=[audience(condition("a", operator, value))]))
        for number, (operator, value) in enumerate(OPERATORS)
    ]
    client = offline(*flags, *FLAGS)
    subject = client.create_user_context("u", {"a": make(), "plan": "pro"})
    assert subject is not None
    for number in range(len(OPERATORS)):
        subject.decide(f"f{number}")
        assert subject.is_enabled(f"f{number}", default=False) in {True, False}
    assert set(subject.decide_all()) >= {"exp", "tgt", "default", "pro"}
    subject.track("buy")
    events = client.recorded_events
    assert events[-1]["eventKey"] == "buy"
    assert events[-1]["attributes"]["plan"] == "pro"


def test_an_attribute_that_raises_leaves_the_other_flags_alone_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listed = flag("listed", rule(audiences=[audience(condition("tags", "equals", {"a": 1}))]))
    client = offline(*FLAGS, listed)
    for _ in range(3):
        subject = context(client, tags=HostileDict(a=1))
        assert subject.decide("listed") is None
        assert subject.variation("exp") == "treatment"
    assert len([line for line in messages(caplog) if "'listed' not decided: an attribute raised" in line]) == 1


class Agreeable:
    """Equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose


@pytest.mark.parametrize("make", [Agreeable, Undecided])
def test_an_attribute_of_an_unsupported_type_never_matches(make: Callable[[], Any]) -> None:
    either = [*PRO, audience(condition("plan", "equals", "team"))]
    data = flag("f", rule(audiences=either, audienceMatchType="any", split=whole("on")))
    assert context(offline(data), plan=make()).variation("f", "no decision") == "off"


@pytest.mark.parametrize("make", [Agreeable, Undecided, Hostile])
def test_an_attribute_of_an_unsupported_type_is_not_equal_to_one_text(make: Callable[[], Any]) -> None:
    assert context(offline(), plan=make()).variation("pro", "no decision") == "off"


def test_a_long_user_id_is_cut_in_every_event_and_hashed_whole() -> None:
    client = offline(*FLAGS)
    first, second = ("u" * 300 + end for end in "ab")
    for user_id in (first, second):
        made = client.create_user_context(user_id)
        assert made is not None
        made.decide("exp")
        made.track("event")
    assert [event["userId"] for event in client.recorded_events] == ["u" * 256] * 4

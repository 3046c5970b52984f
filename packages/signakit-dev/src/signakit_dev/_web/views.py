"""What the page and the JSON endpoints show, made of the project and of what was received."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any

from .._project.allocation import split_of, variations_of
from .._project.edits import DEFAULT, fingerprint, position
from .._project.names import ARCHIVED, EXPOSURE, TARGETED
from .._project.wording import describe_allocation, describe_audiences, describe_rule, percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signakit_flags import Explanation

    from .._emulator.event_log import EventLog, Received, RefusedPost
    from .._emulator.faults import Faults
    from .._emulator.store import ProjectStore

FEED = 40
"""Rows of the feed."""
MOST_EVENTS = 4
"""Event keys that are told of a variation."""
MOST_REFUSALS = 5
"""Rows of what was refused."""
MOST_TEXT = 200
"""Characters of a text in a row; what is sent may be as long as a post."""


@dataclass(frozen=True, slots=True)
class Share:
    """One variation of an allocation.

    Attributes:
        variation: Its key.
        configured: Percent of the buckets.
        count: Exposures received.
        users: Users exposed.
        observed: Percent of the exposures; None before there are any.
        conversions: Events of users who had been given it, by event key, for a reader.
    """

    variation: str
    configured: float
    count: int
    users: int
    observed: float | None
    conversions: str


@dataclass(frozen=True, slots=True)
class Target:
    """A rule, or a flag's own allocation, as the page shows it.

    Attributes:
        name: How to name it in an edit: its position, ``"#2"``, or ``"default"``.
        rule_key: As exposures name it; None for the own allocation.
        kind: The rule's type; None for the own allocation.
        words: What it does, in plain words.
        who: Which users a rule is for; None for everyone.
        traffic: Percent of users; None for the own allocation.
        split: The variations.
        exposes: Whether its decisions are reported by exposures.
        total: Exposures received.
        seen: Goes along with an edit: what holds now, so that no change in between is undone.
    """

    name: str
    rule_key: str | None
    kind: str | None
    words: str
    who: str | None
    traffic: float | None
    split: list[Share]
    exposes: bool
    total: int
    seen: str


@dataclass(frozen=True, slots=True)
class FlagView:
    """A flag as the page shows it.

    Attributes:
        key: Its key.
        running, archived: Its state.
        rules: Its rules, in order.
        default: Its own allocation.
        variables: Name and default of each variable, for a reader.
    """

    key: str
    running: bool
    archived: bool
    rules: list[Target]
    default: Target
    variables: list[str]


def state_of(store: ProjectStore, faults: Faults) -> str:
    """Return a text that is another one after every change of the project or the faults, and after a restart."""
    return f"{store.instance}-{store.revision}-{faults.revision}"


def flags_view(store: ProjectStore, log: EventLog) -> list[FlagView]:
    """Return every flag with what was received for it."""
    flags: list[dict[str, Any]] = store.current.data["flags"]
    words = conversion_words(log)
    return [_flag_view(flag, log, words) for flag in flags]


def _flag_view(flag: Mapping[str, Any], log: EventLog, words: Mapping[tuple[str, str], str]) -> FlagView:
    rules = [
        Target(
            name=position(number),
            rule_key=rule.get("ruleKey"),
            kind=rule.get("ruleType"),
            words=describe_rule(rule),
            who=describe_audiences(rule),
            traffic=rule["trafficPercentage"],
            split=(split := _shares(flag, rule["variationAllocation"], rule.get("ruleKey"), log, words)),
            exposes=rule.get("ruleType") != TARGETED,
            total=sum(share.count for share in split),
            seen=fingerprint(rule),
        )
        for number, rule in enumerate(flag.get("rules") or (), start=1)
    ]
    split = _shares(flag, flag["allocation"], None, log, words)
    default = Target(
        name=DEFAULT,
        rule_key=None,
        kind=None,
        words=f"{'everyone else' if rules else 'everyone'}, {describe_allocation(flag['allocation'])}",
        who=None,
        traffic=None,
        split=split,
        exposes=True,
        total=sum(share.count for share in split),
        seen=fingerprint(flag),
    )
    variables = [f"{item['key']} = {_brief(item.get('defaultValue'))}" for item in flag.get("variables") or ()]
    archived = flag.get("status") == ARCHIVED
    return FlagView(flag["key"], flag.get("running") is True, archived, rules, default, variables)


def _brief(value: Any) -> str:
    text = '""' if value == "" else "null" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _shares(
    flag: Mapping[str, Any],
    allocation: Mapping[str, Any],
    rule_key: str | None,
    log: EventLog,
    words: Mapping[tuple[str, str], str],
) -> list[Share]:
    configured = split_of(allocation)
    shares: list[tuple[str, int, int]] = []
    for variation in variations_of(flag, allocation):
        counter = log.exposures.get((flag["key"], rule_key, variation))
        shares.append((variation, counter.count, len(counter.users)) if counter else (variation, 0, 0))
    total = sum(count for _, count, _ in shares)
    return [
        Share(
            variation,
            round(configured.get(variation, 0.0), 2),
            count,
            users,
            round(100 * count / total, 1) if total else None,
            # They name a variation and no rule, so they stand where the variation can be had.
            words.get((flag["key"], variation), "") if configured.get(variation) else "",
        )
        for variation, count, users in shares
    ]


def conversion_words(log: EventLog) -> dict[tuple[str, str], str]:
    """Say which events came from users who had been given a variation: ``"12 purchase, 3 signup"``, by flag and it."""
    counts: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for key, counter in list(log.conversions.items()):
        for decision, count in list(counter.by_decision.items()):
            counts.setdefault(decision, []).append((-count, key))
    return {
        decision: ", ".join(f"{-count:,} {key}" for count, key in nsmallest(MOST_EVENTS, found))
        for decision, found in counts.items()
    }


def update_view(store: ProjectStore, log: EventLog, *, epoch: str, after: int) -> dict[str, Any]:
    """Return what the page is told while events arrive: of what it shows, and so never much, whatever was received."""
    words = conversion_words(log)
    exposures: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    conversions: dict[tuple[str, str], dict[str, str]] = {}
    for flag in store.current.data["flags"]:
        key = flag["key"]
        targets = [(rule.get("ruleKey"), rule["variationAllocation"]) for rule in flag.get("rules") or ()]
        for rule, allocation in [*targets, (None, flag["allocation"])]:
            for variation in variations_of(flag, allocation):
                if counter := log.exposures.get((key, rule, variation)):
                    counted = {"count": counter.count, "users": len(counter.users)}
                    exposures[key, rule, variation] = {"flag": key, "rule": rule, "variation": variation, **counted}
                if said := words.get((key, variation)):
                    conversions[key, variation] = {"flag": key, "variation": variation, "words": said}
    return {
        "epoch": epoch,
        "total": log.total,
        "refused": log.refused_total,
        "exposures": list(exposures.values()),
        "conversions": list(conversions.values()),
        "feed": feed_rows(log, after),
        "refusals": refusal_rows(log),
    }


def feed_rows(log: EventLog, after: int = 0) -> list[dict[str, Any]]:
    """Return the newest events as rows, the newest first."""
    return [feed_row(item) for item in reversed(log.after(after, limit=FEED))]


def feed_row(item: Received) -> dict[str, Any]:
    """Return an event as one row of the feed."""
    event = item.event
    exposure = event["eventKey"] == EXPOSURE
    decisions = ", ".join(f"{flag}: {variation}" for flag, variation in list(event.get("decisions", {}).items())[:5])
    if exposure:
        rule = event["metadata"]["ruleKey"]
        detail = f"by rule {rule}" if rule is not None else "by the default allocation"
    else:
        value = event.get("value")
        detail = f"value {value:g}" if value is not None else ""
    return {
        "number": item.number,
        "time": time.strftime("%H:%M:%S", time.localtime(item.at)),
        "kind": "exposure" if exposure else "conversion",
        "user": event["userId"],
        "what": _cut(decisions if exposure else event["eventKey"]),
        "detail": _cut(detail if exposure else " · ".join(filter(None, [detail, decisions]))),
    }


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."


def refusal_rows(log: EventLog) -> list[dict[str, Any]]:
    """Return what was refused last, the newest first; what was refused for the same reasons is one row."""
    newest: dict[tuple[str, tuple[str, ...]], RefusedPost] = {}
    times: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for item in list(log.refused)[::-1]:
        reasons = (item.what, item.problems)
        newest.setdefault(reasons, item)
        times[reasons] += 1
    return [
        {
            "number": item.number,
            "time": time.strftime("%H:%M:%S", time.localtime(item.at)),
            "what": item.what if times[reasons] == 1 else f"{item.what}, {times[reasons]} times",
            "problems": [_cut(problem) for problem in item.problems[:10]],
        }
        for reasons, item in islice(newest.items(), MOST_REFUSALS)
    ]


def decisions_view(store: ProjectStore, user_id: str, attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a user gets for each flag, and why. Nothing is sent for it.

    Raises:
        ValueError: The user id or an attribute is of a wrong type.
        TypeError: As above.
    """
    context = store.client().create_user_context(user_id, attributes)
    if context is None:
        return []
    return [_answer(context.explain(flag["key"])) for flag in store.current.data["flags"]]


def _answer(explanation: Explanation) -> dict[str, Any]:
    return {
        "flag": explanation.flag_key,
        "decision": None if explanation.decision is None else asdict(explanation.decision),
        "steps": [asdict(step) for step in explanation.steps],
        "report": str(explanation),
    }


def problems_view(store: ProjectStore) -> dict[str, list[dict[str, Any]]]:
    """Return what is wrong with the file since its last good version, and what is odd about what is served."""
    return {
        "problems": [{**asdict(problem), "text": str(problem)} for problem in store.problems],
        "warnings": [{**asdict(problem), "text": str(problem)} for problem in store.current.warnings],
    }


def sentence(words: str) -> str:
    """Begin with a capital letter what begins with a word of ours, and not with the id of a user."""
    return words[0].upper() + words[1:] if words.startswith(("if ", "everyone")) else words


def percent(value: float | None) -> str:
    """Return a percentage for a reader; a dash where there is none."""
    return "\N{EN DASH}" if value is None else percent_text(value)

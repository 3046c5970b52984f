"""What a posted event must be (PROTOCOL section 7): ``check_event`` returns everything that is wrong with one."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from itertools import islice
from typing import Any, Literal, TypeAlias

from .._project.names import EXPOSURE, USER_AGENT

EventKind: TypeAlias = Literal["exposure", "conversion"]

_FIELDS = {"eventKey", "userId", "timestamp", "attributes", "decisions", "value", "metadata"}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_PLAIN_NAME = re.compile(r"[$\w.-]{1,40}", re.ASCII)
MAX_ATTRIBUTES = 50
MAX_TEXT = 1_000
MAX_ITEMS = 100
MAX_METADATA_BYTES = 5_000
MAX_UNKNOWN = 10
"""Unknown fields that are named."""


def kind_of(event: dict[str, Any]) -> EventKind:
    """Return whether an event is an exposure or a conversion."""
    return "exposure" if event["eventKey"] == EXPOSURE else "conversion"


def check_event(event: Any) -> list[str]:
    """Return everything that is wrong with an event, as a service that takes the protocol at its word would see it."""
    if not isinstance(event, dict):
        return ["must be an object"]
    problems: list[str] = []
    if not event.keys() <= _FIELDS:
        unknown = [name for name in event if name not in _FIELDS]
        problems += [f"{_shown(name)}: unknown field" for name in unknown[:MAX_UNKNOWN]]
        if len(unknown) > MAX_UNKNOWN:
            problems.append(f"{len(unknown) - MAX_UNKNOWN} more unknown fields")
    _check_text(event, "eventKey", 100, problems)
    _check_text(event, "userId", 256, problems)
    _check_timestamp(event, problems)
    if "attributes" in event:
        _check_attributes(event["attributes"], problems)
    if "decisions" in event:
        _check_decisions(event["decisions"], problems)
    value = event.get("value")
    if value is not None and not _is_number(value):  # null stands for NaN and infinity
        problems.append("value: must be a number")
    if event.get("eventKey") == EXPOSURE:
        _check_exposure(event, problems)
    elif "metadata" in event:
        _check_metadata(event["metadata"], problems)
    return problems


def _shown(name: str) -> str:
    """Return a name that a stranger chose as it may stand in a log, on a page and in a terminal."""
    return name if _PLAIN_NAME.fullmatch(name) else repr(name[:40])


def _is_number(value: Any) -> bool:
    """Say whether a value is a number that a float holds: an integer of JSON may have any number of digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value)  # null stands for NaN and infinity


def _check_text(event: dict[str, Any], name: str, limit: int, problems: list[str]) -> None:
    value = event.get(name)
    if value is None:
        problems.append(f"{name}: missing")
    elif not isinstance(value, str):
        problems.append(f"{name}: must be text")
    elif len(value) > limit:
        problems.append(f"{name}: {len(value)} characters, the limit is {limit}")


def _check_timestamp(event: dict[str, Any], problems: list[str]) -> None:
    value = event.get("timestamp")
    if value is None:
        problems.append("timestamp: missing")
    elif not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        problems.append("timestamp: must read like 2026-01-31T12:00:00.000Z")
    else:
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            problems.append(f"timestamp: {error}")


def _check_attributes(attributes: Any, problems: list[str]) -> None:
    if not isinstance(attributes, dict):
        problems.append("attributes: must be an object")
        return
    if not attributes:
        problems.append("attributes: empty, and to be left out then")
    if len(attributes) > MAX_ATTRIBUTES:
        problems.append(f"attributes: {len(attributes)} of them, the limit is {MAX_ATTRIBUTES}")
    for name, value in islice(attributes.items(), MAX_ATTRIBUTES):
        if len(name) > 100:
            problems.append(f"attributes: a name of {len(name)} characters, the limit is 100")
        if name == USER_AGENT:
            problems.append(f"attributes: {USER_AGENT} is never sent")
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                problems.append(f"attributes.{_shown(name)}: {len(value)} characters, the limit is {MAX_TEXT}")
        elif isinstance(value, list):
            _check_list(name, value, problems)
        elif not _is_plain(value):
            problems.append(f"attributes.{_shown(name)}: must be text, a number, a bool or a list of those")


def _check_list(name: str, items: list[Any], problems: list[str]) -> None:
    if len(items) > MAX_ITEMS:
        problems.append(f"attributes.{_shown(name)}: {len(items)} items, the limit is {MAX_ITEMS}")
    for item in items:
        if len(item) > MAX_TEXT if isinstance(item, str) else not _is_plain(item):
            problems.append(
                f"attributes.{_shown(name)}: its items must be numbers, bools or texts of at most {MAX_TEXT} characters"
            )
            return


def _check_decisions(decisions: Any, problems: list[str]) -> None:
    if not isinstance(decisions, dict):
        problems.append("decisions: must be an object")
    elif not decisions:
        problems.append("decisions: empty, and to be left out then")
    elif not all(isinstance(variation, str) for variation in decisions.values()):
        problems.append("decisions: must name a variation, as text, for each flag")


def _check_exposure(event: dict[str, Any], problems: list[str]) -> None:
    metadata = event.get("metadata")
    if not isinstance(metadata, dict):
        problems.append("metadata: an exposure has an object of flagKey, variationKey and ruleKey")
        return
    flag, variation, rule = (metadata.get(name) for name in ("flagKey", "variationKey", "ruleKey"))
    if metadata.keys() != {"flagKey", "variationKey", "ruleKey"}:
        problems.append("metadata: of an exposure it is flagKey, variationKey and ruleKey, and nothing else")
    if not isinstance(flag, str) or not isinstance(variation, str):
        problems.append("metadata: flagKey and variationKey must be text")
    elif event.get("decisions") != {flag: variation}:
        problems.append("decisions: must be the one decision that metadata names")
    if rule is not None and not isinstance(rule, str):
        problems.append("metadata.ruleKey: must be text, or null for the default allocation")
    if "value" in event:
        problems.append("value: an exposure has none")


def _check_metadata(metadata: Any, problems: list[str]) -> None:
    if not isinstance(metadata, dict):
        problems.append("metadata: must be an object")
        return
    try:
        size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        problems.append(f"metadata: {error}")
        return
    if size > MAX_METADATA_BYTES:
        problems.append(f"metadata: {size} bytes of JSON, the limit is {MAX_METADATA_BYTES}")

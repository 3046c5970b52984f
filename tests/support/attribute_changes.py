"""What code written for 1.1.0 does to a user context, and what no context of ours may swallow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import SignaKitUserContext

ATTRIBUTES: dict[str, Any] = {"plan": "free", "groups": ["a"]}
"""The attributes of the user whose context is changed."""


def assign(user: Any) -> None:
    user.attributes["plan"] = "pro"


def delete(user: Any) -> None:
    del user.attributes["plan"]


def update_in_place(user: Any) -> None:
    user.attributes |= {"plan": "pro"}


def assign_item(user: Any) -> None:
    user.attributes["groups"][0] = "b"


def extend_in_place(user: Any) -> None:
    groups = user.attributes["groups"]
    groups += ["b"]


CHANGES: list[Callable[[Any], object]] = [
    assign,
    delete,
    update_in_place,
    lambda user: user.attributes.update(plan="pro"),
    lambda user: user.attributes.setdefault("country", "CH"),
    lambda user: user.attributes.pop("plan"),
    lambda user: user.attributes.popitem(),
    lambda user: user.attributes.clear(),
    assign_item,
    extend_in_place,
    lambda user: user.attributes["groups"].append("b"),
    lambda user: user.attributes["groups"].clear(),
]

ASSIGNED: dict[str, Any] = {"attributes": {"plan": "pro"}, "user_id": "other", "is_bot": True, "of_your_own": 1}
"""Names that cannot be assigned on a context, each with a value."""


def assert_no_change_is_swallowed(user: SignaKitUserContext) -> None:
    """Assert that each change raises, says what to do instead, and leaves the user of ``ATTRIBUTES`` as it was."""
    before = user.user_id, user.is_bot
    for change in CHANGES:
        with pytest.raises(TypeError, match=r"client\.create_user_context\(ctx\.user_id, \{\*\*ctx\.attributes, "):
            change(user)
    for name, value in ASSIGNED.items():
        with pytest.raises(AttributeError, match=name):
            setattr(user, name, value)
    assert user.attributes == ATTRIBUTES
    assert (user.user_id, user.is_bot) == before

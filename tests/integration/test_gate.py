from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signakit_flags.integration import Identity, admits, check_flag_key
from support.framework import Flags

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import SignaKitClient


@pytest.mark.parametrize(
    ("flag_key", "variation", "expected"),
    [
        ("switch", None, True),
        ("switch", "on", True),
        ("switch", "off", False),
        ("switch", "", False),
        ("unknown", None, False),
        ("unknown", "off", False),
    ],
)
def test_a_flag_that_is_on_or_one_variation_admits(
    flags: Callable[..., Flags], flag_key: str, variation: str | None, expected: bool
) -> None:
    assert admits(flags().user(Identity("ada")), flag_key, variation) is expected


def test_it_exposes_once_as_a_decision_does(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    user = flags().user(Identity("ada"))
    assert [admits(user, "exp"), admits(user, "exp", "none")] == [user.is_enabled("exp"), False]
    assert [event["decisions"] for event in client.recorded_events] == [{"exp": user.variation("exp")}]


def test_without_a_user_or_a_config_nothing_is_admitted(flags: Callable[..., Flags]) -> None:
    assert not admits(flags().user(None), "switch")
    assert not admits(Flags(None).user(Identity("ada")), "switch")


def test_a_key_that_is_not_text_is_an_error_that_names_the_gate() -> None:
    check_flag_key("switch", gate="flag_required")
    with pytest.raises(TypeError, match="flag_required takes the key of a flag, not a function"):
        check_flag_key(lambda: None, gate="flag_required")

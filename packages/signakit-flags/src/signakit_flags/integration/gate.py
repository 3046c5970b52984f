"""What a gate asks: whether a flag is on for a user, or is one variation. Templates ask the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .. import SignaKitUserContext


def admits(flags: SignaKitUserContext, flag_key: str, variation: str | None = None) -> bool:
    """Return whether a flag is on for a user. Exposes as ``decide`` does.

    Args:
        flags: The flags of the user.
        flag_key: The flag's key.
        variation: The one variation that is admitted; None admits every one but ``"off"``.

    Returns:
        False as well without a decision: for an unknown flag, for a request without a user, and while there is no
        config.
    """
    decision = flags.decide(flag_key)
    if decision is None:
        return False
    return decision.enabled if variation is None else decision.variation_key == variation


def check_flag_key(flag_key: object, *, gate: str) -> None:
    """Check the key that a gate was made with.

    Args:
        flag_key: The key.
        gate: The name of the decorator or dependency, for the error.

    Raises:
        TypeError: ``flag_key`` is not text, as when the parentheses of a decorator are forgotten.
    """
    if not isinstance(flag_key, str):
        raise TypeError(f"{gate} takes the key of a flag, not a {type(flag_key).__name__}")

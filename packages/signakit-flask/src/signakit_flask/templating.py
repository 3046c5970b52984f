"""What templates have besides ``flags``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import pass_context

from .decorators import is_on

if TYPE_CHECKING:
    from jinja2.runtime import Context


# With the context, which it has no use for: Jinja would else answer a test of a constant once, when it compiles the
# template, and everybody would get what the first visitor had.
@pass_context
def enabled_flag(context: Context, flag_key: str, variation: str | None = None) -> bool:  # noqa: ARG001  # as said
    """Say whether a flag is on for this request, or is a certain variation.

    ``{% if "new-checkout" is enabled_flag %}``, ``{% if "new-checkout" is enabled_flag("treatment") %}``.
    """
    return is_on(flag_key, variation)

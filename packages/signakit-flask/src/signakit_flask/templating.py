"""What templates have besides ``flags``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import pass_context

from signakit_flags.integration import admits

from .proxy import current

if TYPE_CHECKING:
    from jinja2.runtime import Context


# With the context, which it has no use for: Jinja would else answer a test of a constant once, when it compiles the
# template, and everybody would get what the first visitor had.
@pass_context
def enabled_flag(_context: Context, flag_key: str, variation: str | None = None) -> bool:
    """Say whether a flag is on for this request, or is a certain variation.

    ``{% if "new-checkout" is enabled_flag %}``, ``{% if "new-checkout" is enabled_flag("treatment") %}``.
    """
    return admits(current(), flag_key, variation)

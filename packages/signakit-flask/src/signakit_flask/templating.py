"""What templates have: ``flags`` and ``enabled_flag``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

from jinja2 import pass_context

from signakit_flags.integration import admits

from .proxy import current, flags

if TYPE_CHECKING:
    from flask import Flask
    from flask.templating import Environment
    from jinja2.runtime import Context


def install(app: Flask) -> None:
    """Give the templates of an app ``flags`` and ``enabled_flag``.

    Flask makes the Jinja environment when it is first used, from options that may still change after this. So it is not
    used here: what is added waits until Flask makes it.
    """
    made: Environment | None = vars(app).get("jinja_env")
    if made is not None:
        _add(made)
        return
    weak_app = ref(app)  # held by the app, which must not refer to itself: it would not be freed at once
    own = vars(app).get("create_jinja_environment")

    def create() -> Environment:
        asking = weak_app()
        assert asking is not None  # it is what calls this
        made: Environment = type(asking).create_jinja_environment(asking) if own is None else own()
        _add(made)
        return made

    app.create_jinja_environment = create  # type: ignore[method-assign]  # Flask has no hook for extensions


def _add(environment: Environment) -> None:
    environment.globals["flags"] = flags
    environment.tests["enabled_flag"] = enabled_flag


# With the context, which it has no use for: Jinja would else answer a test of a constant once, when it compiles the
# template, and everybody would get what the first visitor had.
@pass_context
def enabled_flag(_context: Context, flag_key: str, variation: str | None = None) -> bool:
    """Say whether a flag is on for this request, or is a certain variation.

    ``{% if "new-checkout" is enabled_flag %}``, ``{% if "new-checkout" is enabled_flag("treatment") %}``.
    """
    return admits(current(), flag_key, variation)

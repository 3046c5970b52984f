"""For templates of Django's Jinja2 backend: ``OPTIONS = {"environment": "signakit_django.jinja2.environment"}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, pass_context

from signakit_flags.integration import admits

from .request import flags_of

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from signakit_flags import Decision


def environment(**options: Any) -> Environment:
    """Return an environment with ``flag`` and ``ifflag``; a project with one of its own calls ``install`` in it."""
    made = Environment(**options)  # noqa: S701  # Django passes autoescape=True
    install(made)
    return made


def install(environment: Environment) -> None:
    """Add the functions to an environment.

    ``flag("banner")`` is the decision, or None. ``ifflag("checkout")`` says whether it is on, ``ifflag("checkout",
    "treatment")`` whether it is that variation. Both need the request in the template, as in ``render(request, ...)``.
    """
    environment.globals.update(flag=_flag, ifflag=_ifflag)


@pass_context
def _flag(context: Context, flag_key: str) -> Decision | None:
    return flags_of(context.get("request")).decide(flag_key)


@pass_context
def _ifflag(context: Context, flag_key: str, variation: str | None = None) -> bool:
    return admits(flags_of(context.get("request")), flag_key, variation)

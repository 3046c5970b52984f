"""``{% load signakit %}``: ``{% flag "key" as decision %}`` and ``{% ifflag "key" %}``.

Both ask the flags of the request, which the template has to have: ``render(request, ...)`` sees to it. In an async view
await ``request.aflags()`` before rendering.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.template.base import render_value_in_context
from django.utils.safestring import SafeString

from ..request import flags_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.template.base import FilterExpression, NodeList, Parser, Token
    from django.template.context import Context

    from signakit_flags import SignaKitUserContext

register: template.Library = template.Library()


class FlagNode(template.Node):
    """A decision, put into a variable or printed as its variation."""

    def __init__(self, flag_key: FilterExpression, variable: str | None) -> None:
        self.flag_key = flag_key
        self.variable = variable

    def render(self, context: Context) -> SafeString:
        """Decide the flag."""
        decision = _flags(context).decide(_text(self.flag_key, context))
        if self.variable is not None:
            context[self.variable] = decision
            return SafeString()
        return SafeString(render_value_in_context("off" if decision is None else decision.variation_key, context))


class IfFlagNode(template.Node):
    """One of two parts of a template."""

    child_nodelists: Iterable[str] = ("nodelist_true", "nodelist_false")

    def __init__(
        self,
        flag_key: FilterExpression,
        variation: FilterExpression | None,
        nodelist_true: NodeList,
        nodelist_false: NodeList,
    ) -> None:
        self.flag_key = flag_key
        self.variation = variation
        self.nodelist_true = nodelist_true
        self.nodelist_false = nodelist_false

    def render(self, context: Context) -> SafeString:
        """Decide the flag, and render the part that goes with it."""
        # Not by `admits`: a template resolves the variation after the decision, and only where there is one.
        decision = _flags(context).decide(_text(self.flag_key, context))
        if decision is None:
            holds = False
        elif self.variation is None:
            holds = decision.enabled
        else:
            holds = decision.variation_key == self.variation.resolve(context)
        return (self.nodelist_true if holds else self.nodelist_false).render(context)


@register.tag("flag")
def flag(parser: Parser, token: Token) -> FlagNode:
    """Decide a flag.

    ``{% flag "banner" as banner %}`` makes ``{{ banner.variables.text }}`` and ``{% if banner.enabled %}`` available;
    the variable is None without a decision. ``{% flag "checkout" %}`` prints the variation, ``off`` without a decision.
    """
    name, *bits = token.split_contents()
    variable = None
    if len(bits) == 3 and bits[1] == "as":
        variable = bits[2]
    elif len(bits) != 1:
        raise template.TemplateSyntaxError(
            f'{{% {name} %}} is written {{% {name} "key" %}} or {{% {name} "key" as d %}}'
        )
    return FlagNode(parser.compile_filter(bits[0]), variable)


@register.tag("ifflag")
def ifflag(parser: Parser, token: Token) -> IfFlagNode:
    """Render what stands up to ``{% else %}`` or ``{% endifflag %}`` if a flag is on, else what follows the ``else``.

    ``{% ifflag "checkout" "treatment" %}`` asks for one variation. Without a decision the flag is off.
    """
    name, *bits = token.split_contents()
    if len(bits) not in {1, 2}:
        raise template.TemplateSyntaxError(f"{{% {name} %}} takes the key of a flag and, if need be, a variation")
    nodelist_true = parser.parse(("else", f"end{name}"))
    nodelist_false = template.NodeList()
    if parser.next_token().contents == "else":
        nodelist_false = parser.parse((f"end{name}",))
        parser.delete_first_token()
    expressions = [parser.compile_filter(bit) for bit in bits]
    return IfFlagNode(expressions[0], expressions[1] if len(expressions) == 2 else None, nodelist_true, nodelist_false)


def _flags(context: Context) -> SignaKitUserContext:
    # Django keeps it beside the variables too, where it is without a context processor and in an `include ... only`.
    return flags_of(getattr(context, "request", None) or context.get("request"))


def _text(expression: FilterExpression, context: Context) -> str:
    return str(expression.resolve(context))

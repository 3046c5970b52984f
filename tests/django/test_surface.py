"""The public names."""

from __future__ import annotations

import signakit_django
from signakit_django import decorators, request
from support.surface import check_surface


def test_exactly_these_names_are_public() -> None:
    check_surface(
        "signakit_django",
        ["FlagRequiredMixin", "aflags_for", "aflags_of", "flag_required", "flags_for", "flags_of", "get_client"],
    )


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(signakit_django, "flags_required")


def test_the_gate_is_the_one_of_the_decorators() -> None:
    assert signakit_django.flag_required is decorators.flag_required
    assert signakit_django.FlagRequiredMixin is decorators.FlagRequiredMixin


def test_the_flags_of_a_request_are_those_of_the_request_module() -> None:
    assert signakit_django.flags_of is request.flags_of
    assert signakit_django.aflags_of is request.aflags_of

"""The public names for authors of integrations."""

from __future__ import annotations

import inspect

import pytest

from signakit_flags import integration


def test_the_public_names_are_sorted() -> None:
    assert integration.__all__ == sorted(integration.__all__)


@pytest.mark.parametrize("name", integration.__all__)
def test_every_public_name_is_there_and_has_a_docstring(name: str) -> None:
    subject = getattr(integration, name)
    if inspect.isclass(subject) or inspect.isfunction(subject):
        assert inspect.getdoc(subject)

"""The public values: what an application makes of them by itself."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from signakit_flags import Decision

BARE = Decision("f", "on", True, None, None)


def test_a_decision_that_is_made_without_variables_has_none() -> None:
    assert BARE.variables == {}
    assert isinstance(BARE.variables, dict)
    assert Decision("f", "on", True, None, None, {}) == BARE
    assert repr(BARE) == repr(Decision("f", "on", True, None, None, {}))
    assert Decision("f", "on", True, None, None, {"a": 1}) != BARE


def test_it_is_as_read_only_as_a_decision_of_a_client() -> None:
    with pytest.raises(TypeError, match="read-only"):
        BARE.variables["a"] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        BARE.enabled = False  # type: ignore[misc]  # on purpose
    assert BARE.variables == {}
    assert not hasattr(BARE, "__dict__")


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made)), dataclasses.replace],
    ids=["copy", "deepcopy", "pickle", "replace"],
)
def test_every_kind_of_copy_is_equal(duplicate: object) -> None:
    assert callable(duplicate)
    assert duplicate(BARE) == BARE
    assert json.dumps(dataclasses.asdict(duplicate(BARE))["variables"]) == "{}"

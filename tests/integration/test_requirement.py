"""The name ``signakit-flags`` is the vendor's on the package index, from 1.0 on."""

from __future__ import annotations

from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement


@pytest.mark.parametrize("package", ["signakit-dev", "signakit-django", "signakit-fastapi", "signakit-flask"])
def test_the_vendors_sdk_does_not_satisfy_a_package_of_ours(package: str) -> None:
    requirements = [Requirement(text) for text in requires(package) or ()]
    (flags,) = [requirement for requirement in requirements if requirement.name == "signakit-flags"]
    assert not {"1.0.0", "1.1.0"} & set(flags.specifier.filter(["0.1.0", "1.0.0", "1.1.0"]))
    assert "0.1.0" in flags.specifier

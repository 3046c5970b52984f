"""The name ``signakit-flags`` is the vendor's on the package index, up to 1.1.0; ours begins with 2.0.0."""

from __future__ import annotations

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement

import signakit_flags

PACKAGES = ["signakit-dev", "signakit-django", "signakit-fastapi", "signakit-flask"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_vendors_sdk_does_not_satisfy_a_package_of_ours(package: str) -> None:
    requirements = [Requirement(text) for text in requires(package) or ()]
    (flags,) = [requirement for requirement in requirements if requirement.name == "signakit-flags"]
    versions = ["0.1.0", "1.0.0", "1.1.0", "2.0.0", "2.1.0", "3.0.0"]
    assert list(flags.specifier.filter(versions)) == ["2.0.0", "2.1.0"]


@pytest.mark.parametrize("package", ["signakit-flags", *PACKAGES])
def test_every_distribution_has_the_version_of_the_sdk(package: str) -> None:
    assert version(package) == signakit_flags.__version__

"""The example shops that the demo can start."""

from __future__ import annotations

import tomllib
from pathlib import Path

from signakit_dev._demo.shop_processes import SHOPS


def test_every_shop_says_what_it_needs() -> None:
    assert all(shop.installed for shop in SHOPS)


def test_the_environment_of_dev_py_has_what_every_shop_needs() -> None:
    # Which is installed without the development groups.
    lock = tomllib.loads((Path(__file__).parents[3] / "uv.lock").read_text(encoding="utf-8"))
    packages = {package["name"]: package for package in lock["package"]}
    installed, waiting = set[str](), ["signakit-workspace"]
    while waiting:
        name = waiting.pop()
        if name not in installed:
            installed.add(name)
            waiting += [dependency["name"] for dependency in packages[name].get("dependencies", ())]
    assert {need.replace("_", "-") for shop in SHOPS for need in shop.needs} <= installed

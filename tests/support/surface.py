"""The public names of a plugin, as its tests check them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files

from signakit_flags.integration import Identity


def check_surface(package: str, names: list[str]) -> None:
    """Check that a plugin exports exactly these names, sorted, and its version, and that each is there when asked for.

    Asked for in a new process, so that no import of the tests has put a name there.
    """
    module = import_module(package)
    assert list(module.__all__) == sorted({*names, "Identity", "__version__"})
    assert module.__version__ == version(package.replace("_", "-"))
    assert module.Identity is Identity
    assert files(package).joinpath("py.typed").is_file()
    code = (
        f"from {package} import *; import {package}; assert {{*{package}.__all__}} <= {{*dir()}} & {{*dir({package})}}"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)

"""Who takes part, and the environment of each: one virtual environment with that package alone, made by uv.

The vendor's package has the name of ours, so they could not share one. Environments are kept in a folder outside the
tree and made anew when what they are to hold changes; ours holds a wheel built from this checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packages" / "signakit-flags"


class EnvironmentNotMadeError(RuntimeError):
    """uv could not make an environment; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One package that takes part.

    Attributes:
        name: What the command line and the results call it; also its adapter's module.
        title: What tables call it.
        requirement: What is installed; empty for the wheel of this checkout.
        module: What an application imports.
        core: What evaluates.
    """

    name: str
    title: str
    requirement: str
    module: str
    core: str


OURS = Contestant("ours", "ours", "", "signakit_flags", "Python, C hash")
VENDOR = Contestant("vendor", "signakit-flags 1.1.0", "signakit-flags==1.1.0", "signakit_flags", "Python")
PEERS = (
    Contestant("eppo", "eppo", "eppo-server-sdk==4.4.1", "eppo_client", "Rust"),
    Contestant("statsig", "statsig", "statsig-python-core==0.24.2", "statsig_python_core", "Rust"),
    Contestant("launchdarkly", "launchdarkly", "launchdarkly-server-sdk==9.18.2", "ldclient", "Python"),
    Contestant("growthbook", "growthbook", "growthbook==4.0.0", "growthbook", "Python"),
    Contestant("configcat", "configcat", "configcat-client==10.0.1", "configcatclient", "Python"),
)
CONTESTANTS = (OURS, VENDOR, *PEERS)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a contestant runs.

    Attributes:
        contestant: Whose it is.
        python: Its interpreter.
        versions: Everything installed, as ``name==version``.
    """

    contestant: Contestant
    python: Path
    versions: tuple[str, ...]


def cache_folder() -> Path:
    """Return the folder for environments when none is given: below the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "signakit-benchmarks"


def prepare(contestant: Contestant, folder: Path, note: Callable[[str], None]) -> Environment:
    """Return the environment of a contestant, made if it is not there.

    Args:
        contestant: Whose.
        folder: Where environments are kept.
        note: Told what takes long.

    Raises:
        EnvironmentNotMadeError: It could not be made.
    """
    tag = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = folder / tag / contestant.name
    wanted = {"python": sys.version, "requirement": contestant.requirement or _source_digest()}
    stamp = home / "stamp.json"
    python = home / "bin" / "python"
    if not (stamp.exists() and json.loads(stamp.read_text()) == wanted and python.exists()):
        note(f"making the environment of {contestant.title}")
        shutil.rmtree(home, ignore_errors=True)
        _uv("venv", "--quiet", "--python", sys.executable, str(home))
        requirement = contestant.requirement or str(_build_wheel(home))
        _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), requirement)
        stamp.write_text(json.dumps(wanted))
    listed = _uv("pip", "list", "--quiet", "--format", "json", "--python", str(python))
    versions = tuple(f"{item['name']}=={item['version']}" for item in json.loads(listed))
    if contestant is OURS:
        versions = (_source_digest(), *versions)
    return Environment(contestant, python, versions)


def _build_wheel(home: Path) -> Path:
    folder = home / "wheel"
    _uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(PACKAGE))
    (wheel,) = folder.glob("*.whl")
    return wheel


def _source_digest() -> str:
    digest = hashlib.sha256((PACKAGE / "pyproject.toml").read_bytes())
    for path in sorted((PACKAGE / "src").rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return f"source sha256:{digest.hexdigest()[:16]}"


def _uv(*arguments: str) -> str:
    # uv looks for a project upwards from here and would take up settings of this workspace.
    done = subprocess.run(
        [os.environ.get("UV", "uv"), *arguments], cwd=PACKAGE.anchor, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise EnvironmentNotMadeError(f"uv {arguments[0]} failed:\n{done.stderr}")
    return done.stdout

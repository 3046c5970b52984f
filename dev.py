"""Run this project's commands with nothing but Python and pip.

    python3 dev.py demo               see flags decide and events arrive, in the browser
    python3 dev.py quickstart         run examples/quickstart.py
    python3 dev.py test [ARG ...]     run the tests; arguments go to pytest
    python3 dev.py run COMMAND ...    run any command in the project's environment
    python3 dev.py UV-COMMAND ...     anything else goes to uv: sync, lock, build, ...

Dependencies are installed into .venv, as uv.lock says. uv itself is the one on PATH if it is recent enough; otherwise
pip installs it once into .tools, next to this file. The interpreter is the one that runs this file.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the one file that older interpreters are asked to run
    sys.exit("dev.py: this project needs Python 3.11 or newer; this is Python " + sys.version.split()[0])

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
COMMANDS = {
    # Only what users of the packages get. uv adds the development tools to the same environment at the first `test`.
    "demo": ["run", "--quiet", "--locked", "--no-dev", "signakit", "demo"],
    "quickstart": ["run", "--quiet", "--locked", "--no-dev", "python", "examples/quickstart.py"],
    "test": ["run", "--locked", "pytest"],
}


def main(arguments: list[str]) -> NoReturn:
    """Replace this process by the uv command that `arguments` stand for."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(__doc__)
        sys.exit(0 if arguments else 2)
    os.chdir(ROOT)
    command, *rest = arguments
    uv = find_uv() or install_uv()
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    if command != "pip":  # `uv pip` shall change .venv, not the interpreter that .venv was made from
        environment["UV_PYTHON"] = sys.executable
    if command in COMMANDS and not Path(os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv")).exists():
        say("installing the dependencies (the first time only)")
    execute([uv, *COMMANDS.get(command, [command]), *rest], environment)


def find_uv() -> str | None:
    """Return a uv that is recent enough for uv.lock, from PATH or else from an earlier `install_uv`."""
    for path in (shutil.which("uv"), shutil.which("uv", path=os.pathsep.join([f"{TOOLS}/bin", f"{TOOLS}/Scripts"]))):
        if path and uv_version(path) >= lowest_uv():
            return path
    return None


def install_uv() -> str:
    """Install uv with pip into .tools, where neither a virtual environment nor a system-wide Python is touched."""
    if importlib.util.find_spec("pip") is None:
        fail("this Python has no pip. Install pip (on Debian: apt-get install python3-pip), or put uv on PATH.")
    say("installing uv into .tools (the first time only)")
    requirement = "uv>=" + ".".join(map(str, lowest_uv()))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--upgrade", "--only-binary", "uv"]
    quiet = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run([*pip, "--target", str(TOOLS), requirement], env=os.environ | quiet, check=False)
    uv = find_uv()
    if done.returncode or uv is None:
        fail(f"pip could not install {requirement}; it says why above. Is there a network? Otherwise put uv on PATH.")
    return uv


def lowest_uv() -> tuple[int, ...]:
    """Return the lowest version of uv that the workspace accepts."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return version_in(settings["tool"]["uv"].get("required-version", "0.9"))


def uv_version(path: str) -> tuple[int, ...]:
    """Return the version of the uv at `path`, or an empty tuple when it does not run."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ()
    return version_in(done.stdout)


def version_in(text: str) -> tuple[int, ...]:
    """Return the first version number in `text`, or an empty tuple, which is lower than any version."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def execute(command: list[str], environment: dict[str, str]) -> NoReturn:
    """Become `command`, so that signals and the exit status are its own; on Windows, run it and exit as it does."""
    if os.name == "nt":
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(command[0], command, environment)


def say(message: str) -> None:
    """Print a message of this file's own, apart from the output of the command."""
    print(f"dev.py: {message}", file=sys.stderr, flush=True)


def fail(message: str) -> NoReturn:
    """Print a message and exit."""
    say(message)
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Says what machine and what Python this is. No path, no name of the machine."""

from __future__ import annotations

import os
import platform
import sysconfig
from pathlib import Path


def describe() -> dict[str, str]:
    """Return what a reader needs to judge the figures, by heading."""
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "System": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "Python build": _build(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _build() -> str:
    """Return how the interpreter was compiled, as far as it knows."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("PY_CFLAGS", "PY_CORE_CFLAGS", "LDFLAGS"))
    levels = [flag for flag in flags.split() if flag in {"-O0", "-O1", "-O2", "-O3", "-Os", "-Og"}]
    return ", ".join(
        (
            f"PGO {_yes('--enable-optimizations' in options or '-fprofile-use' in flags)}",
            f"LTO {_yes('--with-lto' in options or '-flto' in flags)}",
            levels[-1] if levels else "no -O known",
            f"shared library {_yes(sysconfig.get_config_var('Py_ENABLE_SHARED'))}",
            f"debug {_yes(sysconfig.get_config_var('Py_DEBUG'))}",
            f"free-threaded {_yes(sysconfig.get_config_var('Py_GIL_DISABLED'))}",
        )
    )


def _yes(value: object) -> str:
    return "yes" if value else "no"

"""For PyInstaller, which asks the entry point ``pyinstaller40`` for folders of hooks. Nothing here runs otherwise."""

from __future__ import annotations

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folder of the hooks."""
    return [str(Path(__file__).parent)]

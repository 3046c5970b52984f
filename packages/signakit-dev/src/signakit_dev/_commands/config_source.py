"""Where a command takes the flags from: a file, or the CDN by an SDK key."""

import os
from pathlib import Path

import typer

from .loaded_config import LoadedConfig
from .options import DEFAULT_FILE, concealed
from .output import CommandError


def load(config: Path | None, sdk_key: str | None) -> LoadedConfig:
    """Read the file, or fetch with the key: the one that was given, else the environment's key, else ``signakit.json``.

    The file may be a pipe, such as ``/dev/stdin``: it is read once, for a person who can stop the command.

    Raises:
        typer.BadParameter: Both were given, or nothing is there to take, or the key is malformed.
        CommandError: The file cannot be read, or nothing could be fetched.
    """
    if config is not None and sdk_key is not None:
        raise typer.BadParameter("give either --config or --sdk-key", param_hint="--config")
    key = sdk_key if sdk_key is not None else concealed(os.environ.get("SIGNAKIT_SDK_KEY"))
    if config is None and key:
        from .cdn_fetch import fetch  # imports httpx, which would double the time of `signakit --help`

        return fetch(key)
    from signakit_flags.integration import read_regular  # as above

    path = config or DEFAULT_FILE
    try:
        return LoadedConfig(str(path), read_regular(path, or_pipe=True))
    except FileNotFoundError:
        raise typer.BadParameter(
            f"there is no {path} here, and no SIGNAKIT_SDK_KEY in the environment: give --config or --sdk-key",
            param_hint="--config",
        ) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None

"""Where a command takes the flags from: a file, or the CDN by an SDK key."""

import difflib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from signakit_flags import SignaKitClient

from .output import CommandError

LONGEST = 4_000
"""Digits; Python reads integers of up to 4,300."""
DEFAULT_FILE = Path("signakit.json")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Take the flags from this JSON file. Without it and without an SDK key: signakit.json.",
    ),
]
SdkKey = Annotated[
    str | None,
    typer.Option(
        "--sdk-key",
        metavar="KEY",
        help="Fetch the flags with this key instead. Without it: the environment's SIGNAKIT_SDK_KEY. "
        "SIGNAKIT_EMULATOR_URL and SIGNAKIT_CDN_URL say from where, as they do for an application.",
    ),
]


@dataclass(frozen=True, slots=True)
class Source:
    """A config as it came.

    Attributes:
        name: The path of the file, or the address that it was fetched from.
        body: The JSON.
        etag: The CDN's ETag, if it sent one.
        version: The config's version, if it has one.
    """

    name: str
    body: bytes
    etag: str | None = None
    version: int | None = None

    def client(self) -> SignaKitClient:
        """Return a client that decides these flags and sends nothing.

        Raises:
            CommandError: They cannot be read.
        """
        try:
            return SignaKitClient.offline(self.body)
        except ValueError as error:
            hint = None if self.name.startswith("http") else f"signakit validate {self.name} lists what is wrong."
            raise CommandError(f"{self.name} is not a config: {error}", hint=hint) from None

    def flags(self) -> list[dict[str, Any]]:
        """Return the flags as they stand there; those that are no objects with a key are left out."""
        return [flag for flag in self.field("flags") if isinstance(flag, dict) and isinstance(flag.get("key"), str)]

    def field(self, name: str) -> Any:
        """Return a field of the config as it stands there; None where there is none."""
        return json.loads(self.body.removeprefix(b"\xef\xbb\xbf"), parse_int=_whole).get(name)

    def flag(self, key: str) -> dict[str, Any]:
        """Return one flag: of two with the same key the first, as the SDK does.

        Raises:
            CommandError: There is none with this key; it names those with nearly the same.
        """
        flags = self.flags()
        for flag in flags:
            if flag["key"] == key:
                return flag
        near = difflib.get_close_matches(key, [flag["key"] for flag in flags])
        if near:
            hint = f"Did you mean {' or '.join(near)}?"
        else:
            hint = f"There are: {', '.join(flag['key'] for flag in flags)}." if flags else "It has no flags at all."
        raise CommandError(f"no flag {key!r} in {self.name}", hint=hint, near=near)


def _whole(digits: str) -> int | float:
    """Read an integer; Python refuses one of thousands of digits, and the SDK takes it for the infinity that it is."""
    return int(digits) if len(digits) <= LONGEST else float(digits)


def load(config: Path | None, sdk_key: str | None) -> Source:
    """Read the file, or fetch with the key: the one that was given, else the environment's key, else ``signakit.json``.

    Raises:
        typer.BadParameter: Both were given, or nothing is there to take, or the key is malformed.
        CommandError: The file cannot be read, or nothing could be fetched.
    """
    if config is not None and sdk_key is not None:
        raise typer.BadParameter("give either --config or --sdk-key", param_hint="--config")
    key = sdk_key if sdk_key is not None else os.environ.get("SIGNAKIT_SDK_KEY")
    if config is None and key:
        from .cdn import fetch  # imports httpx, which would double the time of `signakit --help`

        return fetch(key)
    path = config or DEFAULT_FILE
    try:
        return Source(str(path), path.read_bytes())
    except FileNotFoundError:
        raise typer.BadParameter(
            f"there is no {path} here, and no SIGNAKIT_SDK_KEY in the environment: give --config or --sdk-key",
            param_hint="--config",
        ) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None

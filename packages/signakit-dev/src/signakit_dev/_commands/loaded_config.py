"""A config that a command has loaded, from a file or from the CDN."""

import json
from dataclasses import dataclass, field
from typing import Any

from signakit_dev._project.reading import BOM
from signakit_flags import SignaKitClient

from .output import CommandError

LONGEST = 4_000
"""Digits; Python reads integers of up to 4,300."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config as it came.

    Attributes:
        name: The path of the file, or the address that it was fetched from.
        body: The JSON.
        etag: The CDN's ETag, if it sent one.
        version: The config's version, if it has one.
    """

    name: str
    body: bytes = field(repr=False)  # it names the SDK key
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
        """Return the flags as they stand there; those that are not objects with a key are left out."""
        return [flag for flag in self.field("flags") if isinstance(flag, dict) and isinstance(flag.get("key"), str)]

    def field(self, name: str) -> Any:
        """Return a field of the config as it stands there; None where there is none."""
        return json.loads(self.body.removeprefix(BOM), parse_int=_whole).get(name)

    def flag(self, key: str) -> dict[str, Any]:
        """Return one flag: of two with the same key the first, as the SDK does.

        Raises:
            CommandError: There is none with this key; it names those with nearly the same.
        """
        flags = self.flags()
        for flag in flags:
            if flag["key"] == key:
                return flag
        import difflib  # needed for a misspelt name only

        near = difflib.get_close_matches(key, [flag["key"] for flag in flags])
        if near:
            hint = f"Did you mean {' or '.join(near)}?"
        else:
            hint = f"There are: {', '.join(flag['key'] for flag in flags)}." if flags else "It has no flags at all."
        raise CommandError(f"no flag {key!r} in {self.name}", hint=hint, near=near)


def _whole(digits: str) -> int | float:
    """Read an integer; Python refuses one of thousands of digits, and the SDK takes it for the infinity that it is."""
    return int(digits) if len(digits) <= LONGEST else float(digits)

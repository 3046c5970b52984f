"""``signakit status``: how the emulator, or the CDN, is doing."""

import typer
from .output import AsJson, command


@command
def status(*, as_json: AsJson = False) -> None:
    """To come."""

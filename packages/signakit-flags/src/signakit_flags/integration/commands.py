"""The commands ``list``, ``decide`` and ``status`` of a framework's command line. They send no exposure.

The framework parses the arguments, and turns the two errors into its own::

    try:
        Commands(integration, print, timeout=10).decide("ada", [], dict(map(parse_attribute, ["plan=pro"])))
    except FlagsUnavailableError as error:
        sys.exit(str(error))
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .base import Integration

_NOT_MADE = "there is no client yet; the application makes it when it starts"


class FlagsUnavailableError(Exception):
    """Flags are off, or there is no config. The message says why."""


class Commands:
    """The commands for one integration. Making them loads the config.

    Args:
        integration: The flags of the application.
        write: Called with a text to print, without a newline at its end.
        timeout: Seconds to wait for the config.
        as_json: Print JSON.

    Raises:
        FlagsUnavailableError: The settings do not allow a client, or the application has not made it yet.
    """

    def __init__(
        self,
        integration: Integration[Any],
        write: Callable[[str], object],
        *,
        timeout: float,
        as_json: bool = False,
    ) -> None:
        client = integration.existing_client()
        if client is None:
            reasons = [problem.message for problem in integration.options.problems if problem.fatal]
            raise FlagsUnavailableError(f"flags are off: {'; '.join(reasons) or _NOT_MADE}")
        self._client = client
        self._write = write
        self._as_json = as_json
        self._reason: str | None = "the network is left alone under test"
        if integration.may_load():
            self._reason = client.on_ready_sync(timeout).reason

    def list_flags(self) -> None:
        """Print the keys of all flags that are not archived.

        Raises:
            FlagsUnavailableError: There is no config.
        """
        self._require_config()
        keys = self._client.flag_keys()
        self._write(json.dumps(keys) if self._as_json else "\n".join(keys))

    def decide(self, user_id: str, flag_keys: Iterable[str], attributes: Mapping[str, Any]) -> None:
        """Print what a user gets, and why.

        Args:
            user_id: The user's id.
            flag_keys: The flags to decide; none of them means all flags.
            attributes: The user's attributes.

        Raises:
            FlagsUnavailableError: There is no config.
        """
        self._require_config()
        user = self._client.create_user_context(user_id, attributes)
        assert user is not None  # there is a config
        explanations = [user.explain(key) for key in list(flag_keys) or self._client.flag_keys()]
        if not self._as_json:
            for explanation in explanations:
                self._write(str(explanation))
            return
        decisions = {explanation.flag_key: explanation.decision for explanation in explanations}
        self._write(
            json.dumps({key: None if decision is None else asdict(decision) for key, decision in decisions.items()})
        )

    def status(self) -> None:
        """Print where the config came from, how old it is, and what is queued.

        Raises:
            FlagsUnavailableError: There is no config. The status is printed all the same.
        """
        status = asdict(self._client.status())
        lines = (f"{name:20} {value}" for name, value in status.items())
        self._write(json.dumps(status) if self._as_json else "\n".join(lines))
        self._require_config()

    def _require_config(self) -> None:
        if not self._client.is_ready:
            raise FlagsUnavailableError(f"no config: {self._reason}")


def parse_attribute(text: str) -> tuple[str, Any]:
    """Return the name and the value of an attribute that is written ``NAME=VALUE``. The value is JSON, else text.

    Raises:
        ValueError: ``text`` has no name, or no equals sign.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"an attribute is written NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value

"""``manage.py signakit list | decide | status``: looks at flags without counting anybody into an experiment."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from signakit_django.conf import conf

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from signakit_flags import Decision, SignaKitClient


class Command(BaseCommand):
    """Lists the flags, decides them for a user, or shows the state of the client. Sends no exposure."""

    help = "List flags, decide them for a user, or show the state of the client. Sends no exposure."
    requires_system_checks: list[str] = []  # noqa: RUF012  # Django's; it is here that one looks when a check fails

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the three verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the keys of all flags that are not archived")
        decide = verbs.add_parser("decide", help="what a user gets, and why")
        decide.add_argument("user_id")
        decide.add_argument("flag_key", nargs="*", help="these flags; without any, all")
        decide.add_argument(
            "-a",
            "--attribute",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="an attribute of the user; the value is JSON, else text",
        )
        status = verbs.add_parser("status", help="where the config came from, how old it is, what is queued")
        for verb in (listing, decide, status):
            verb.add_argument("--json", action="store_true", help="print JSON")
            verb.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="wait for the config")

    def handle(self, *, verb: str, timeout: float, **options: Any) -> None:
        """Run one of them.

        Raises:
            CommandError: Flags are off, or there is no config; ``status`` prints all the same.
        """
        problems = [problem.message for problem in conf.options.problems if problem.kind != "unknown"]
        client = conf.integration.client()
        if client is None:
            raise CommandError(f"flags are off: {'; '.join(problems)}")
        reason: str | None = "the network is left alone under test"
        if conf.integration.may_load():
            reason = client.on_ready_sync(timeout).reason
        if verb == "status":
            self._status(client, as_json=options["json"])
        if not client.is_ready:
            raise CommandError(f"no config: {reason}")
        if verb == "list":
            self._list(client, as_json=options["json"])
        if verb == "decide":
            self._decide(client, options)

    def _status(self, client: SignaKitClient, *, as_json: bool) -> None:
        status = asdict(client.status())
        if as_json:
            self.stdout.write(json.dumps(status))
            return
        for name, value in status.items():
            self.stdout.write(f"{name:20} {value}")

    def _list(self, client: SignaKitClient, *, as_json: bool) -> None:
        keys = client.flag_keys()
        self.stdout.write(json.dumps(keys) if as_json else "\n".join(keys))

    def _decide(self, client: SignaKitClient, options: dict[str, Any]) -> None:
        attributes = dict(_attribute(text) for text in options["attribute"])
        user = client.create_user_context(options["user_id"], attributes)
        assert user is not None  # it is ready
        keys = options["flag_key"] or client.flag_keys()
        explanations = [user.explain(key) for key in keys]
        if options["json"]:
            decided = {explanation.flag_key: _as_json(explanation.decision) for explanation in explanations}
            self.stdout.write(json.dumps(decided))
            return
        for explanation in explanations:
            self.stdout.write(str(explanation))


def _attribute(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"an attribute is written NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _as_json(decision: Decision | None) -> dict[str, Any] | None:
    return None if decision is None else asdict(decision)

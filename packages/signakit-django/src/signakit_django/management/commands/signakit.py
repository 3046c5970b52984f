"""``manage.py signakit list | decide | status``: the arguments of ``signakit_flags.integration.Commands``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from signakit_django.conf import conf
from signakit_flags.integration import Commands, FlagsUnavailableError, parse_attribute

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Lists the flags, decides them for a user, or shows the state of the client. Sends no exposure."""

    help = "List flags, decide them for a user, or show the state of the client. Sends no exposure."
    requires_system_checks: tuple[str, ...] = ()  # this is where you look when a check fails

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
        try:
            attributes = dict(map(parse_attribute, options.get("attribute", ())))
        except ValueError as error:
            raise CommandError(str(error)) from error
        try:
            commands = Commands(conf.integration, self.stdout.write, timeout=timeout, as_json=options["json"])
            if verb == "list":
                commands.list_flags()
            elif verb == "decide":
                commands.decide(options["user_id"], options["flag_key"], attributes)
            else:
                commands.status()
        except FlagsUnavailableError as error:
            raise CommandError(str(error)) from error

"""The same site as it is run by servers and commands: what differs comes from the environment."""

from __future__ import annotations

import os

import click

from signakit_flags.integration import Identity

from . import create_app, signakit


def by_query(request):
    """Say who asks by the address, and which process serves them."""
    user = request.args.get("user")
    return None if user is None else Identity(user, {"pid": os.getpid()})


app = create_app(
    SIGNAKIT_POLLING_INTERVAL=float(os.environ.get("SITE_POLLING_INTERVAL", "0.2")),
    SIGNAKIT_READY_TIMEOUT=float(os.environ.get("SITE_READY_TIMEOUT", "10")),
    SIGNAKIT_IDENTIFY=by_query,
)


@app.cli.command("note")
def note():
    """A command that asks no flag; the client is there, nevertheless."""
    click.echo(repr(signakit.client))


@app.cli.command("decide-for")
@click.argument("user")
def decide_for(user):
    flags = signakit.flags_for(user)
    click.echo(f"{flags.variation('switch')} {flags.variation('exp')}")

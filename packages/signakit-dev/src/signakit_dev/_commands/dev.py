"""``signakit dev``: the emulator."""

import os
from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_FILE, JsonOption, fault_of
from .output import command, print_json, say


@command
def dev(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", dir_okay=False, help="The project; created with a sample if it is absent."),
    ] = DEFAULT_FILE,
    *,
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The port; 0 takes any that is free.")] = 4747,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let --host be an address that other machines can reach.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name of it besides localhost, like that of a container."),
    ] = None,
    config_fault: Annotated[
        str | None, typer.Option("--config-fault", metavar="FAULT", help="What goes wrong when a config is fetched.")
    ] = None,
    events_fault: Annotated[
        str | None, typer.Option("--events-fault", metavar="FAULT", help="What goes wrong when events are posted.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the emulator: SignaKit on this machine, with a live page.

    Serves the flags of FILE until Ctrl-C, and watches it: what you save is live at once. Takes the events of your
    application, and shows them. Prints the environment that an
    application needs to talk to it, with any SDK key that is well-formed.

    A FAULT is one of latency=SECONDS, hang, refuse, status=503,retry_after=2, garbage, truncated; with times=3 it ends
    after three requests.
    """
    # A web server is imported only where one is started.
    from signakit_dev._serving.server import ServerOptions

    from .run_emulator import create_sample, sdk_key_in, serve

    faults = {
        "config": fault_of("--config-fault", config_fault),
        "events": fault_of("--events-fault", events_fault),
    }
    created = create_sample(file)

    def started(url: str) -> None:
        announce(url, sdk_key_in(file), file=file, created=created, as_json=as_json)

    options = ServerOptions(
        path=file,
        host=host,
        port=port,
        allow_remote=allow_remote,
        allowed_hosts=tuple(allow_host or ()),
        faults={where: fault for where, fault in faults.items() if fault is not None},
    )
    serve(options, command=f"signakit dev {file}", on_started=started)


# As the shell of the system takes them, pasted whole.
ASSIGN, REMARK = ("set ", "rem") if os.name == "nt" else ("export ", "#")


def announce(url: str, key: str, *, file: Path, created: bool, as_json: bool) -> None:
    """Print the environment for an application, and where the page is."""
    if as_json:
        print_json({"sdk_key": key, "emulator_url": url, "page": f"{url}/", "file": str(file), "created": created})
        return
    say(f"Serving {file}{', created with a sample' if created else ''}. Ctrl-C stops it. For your application:")
    print(f"{ASSIGN}SIGNAKIT_SDK_KEY={key}")
    print(f"{ASSIGN}SIGNAKIT_EMULATOR_URL={url}")
    print(f"{REMARK} the page: {url}/", flush=True)

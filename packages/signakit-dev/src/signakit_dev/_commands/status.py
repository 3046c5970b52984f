"""``signakit status``: how the emulator is doing, or the CDN."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.table import Table

from signakit_dev._emulator.faults import fault_from
from signakit_dev._project.names import ARCHIVED

from .loaded_config import LoadedConfig
from .options import JsonOption, concealed
from .output import CommandError, command, counted, print_json, printable, show

DEFAULT_URL = "http://127.0.0.1:4747"
TIMEOUT = 5.0
NUMBERS = {"exposures", "rules"}
STATE = {"config", "flags", "events", "faults"}


@command
def status(
    *,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help=f"Ask this emulator; without options, {DEFAULT_URL}.")
    ] = None,
    sdk_key: Annotated[
        str | None,
        typer.Option("--sdk-key", metavar="KEY", parser=concealed, help="Ask the CDN for the config of this key."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an emulator serves and counts, or what the CDN has.

    Without options it asks whom an application in this environment would ask: the emulator of SIGNAKIT_EMULATOR_URL,
    else the CDN with SIGNAKIT_SDK_KEY, else the emulator of this machine. The exit code is 1 when nobody answers.
    """
    if url is not None and sdk_key is not None:
        raise typer.BadParameter("give either --url or --sdk-key", param_hint="--url")
    url = url or (os.environ.get("SIGNAKIT_EMULATOR_URL") if sdk_key is None else None)
    key = sdk_key or (concealed(os.environ.get("SIGNAKIT_SDK_KEY")) if url is None else None)
    if key:
        from .cdn_fetch import fetch

        source = fetch(key)
        if as_json:
            print_json(cdn_status(source))
        else:
            show_cdn(cdn_status(source))
    else:
        base = (url or DEFAULT_URL).rstrip("/")
        state = ask(base)
        from signakit_flags.integration import shown_url

        if as_json:
            print_json({"emulator": shown_url(base), **state})
        else:
            show_emulator(shown_url(base), state)


# --- an emulator ------------------------------------------------------------------------------------------------------


def ask(url: str) -> dict[str, Any]:
    """Return the state of an emulator.

    Raises:
        typer.BadParameter: The URL is none.
        CommandError: Nothing answers, or not an emulator.
    """
    import httpx  # would double the time of `signakit --help`

    from signakit_flags.integration import is_loopback, shown_url

    from .http import Transport

    shown = shown_url(url)
    local = False
    try:
        local = is_loopback(urlsplit(url).hostname or "")
        with httpx.Client(transport=Transport(), timeout=TIMEOUT) as http:
            answer = http.get(f"{url}/api/state")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
        raise typer.BadParameter(f"{shown!r}: {error}", param_hint="--url") from None
    except httpx.HTTPError as error:
        reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        hint = "signakit dev starts one." if local else None
        raise CommandError(f"no emulator answers at {shown}: {reason}", hint=hint, url=shown) from None
    try:
        state = answer.json()
    except ValueError:
        state = None
    if answer.is_error or not isinstance(state, dict) or not state.keys() >= STATE:
        raise CommandError(f"what answers at {shown} is not an emulator (HTTP {answer.status_code})", url=shown)
    return state


def show_emulator(url: str, state: dict[str, Any]) -> None:
    """Print the state of an emulator."""
    config, events = state["config"], state["events"]
    where = config["path"] or "a project in memory"
    show(f"Emulator at {url}: {where}, version {config['version']}", style="bold")
    for problem in config["problems"]:
        show(f"not served: {problem['text']}", style="red")
    exposures: dict[str, int] = {}
    for row in events["exposures"]:
        exposures[row["flag"]] = exposures.get(row["flag"], 0) + row["count"]
    show(
        table(
            ("flag", "state", "exposures", "what it does"),
            (
                (flag["key"], condition(flag), f"{exposures.get(flag['key'], 0):,}", words(flag))
                for flag in state["flags"]
            ),
        )
    )
    shown = ", ".join(
        [
            counted(sum(exposures.values()), "exposure"),
            *(f"{row['count']:,} {row['event']}" for row in events["conversions"]),
        ]
    )
    show(f"events: {events['total']:,} taken ({shown}), {events['refused']:,} refused")
    for kind, fault in state["faults"].items():
        if fault is not None:
            show(f"fault of {kind}: {fault_from(fault)}", style="yellow")


def words(flag: dict[str, Any]) -> str:
    """Return what the rules of a flag do, in the emulator's words."""
    return "; ".join(target["words"] for target in [*flag["rules"], flag["default"]])


# --- the CDN ----------------------------------------------------------------------------------------------------------


def cdn_status(source: LoadedConfig) -> dict[str, Any]:
    """Return what is known of a config that was fetched."""
    generated = source.field("generatedAt")
    return {
        "cdn": source.name,
        "version": source.version,
        "etag": source.etag,
        "generated_at": generated,
        "age": age(generated),
        "flags": [
            {
                "key": flag["key"],
                "running": flag.get("running") is True,
                "archived": flag.get("status") == ARCHIVED,
                "rules": len(flag.get("rules") or ()),
            }
            for flag in source.flags()
        ],
    }


def age(generated: object) -> float | None:
    """Return the seconds since an ISO time; None where it is none."""
    if not isinstance(generated, str):
        return None
    try:
        then = datetime.fromisoformat(generated)
    except ValueError:
        return None
    return (datetime.now(UTC) - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()


def show_cdn(found: dict[str, Any]) -> None:
    """Print what is known of a config."""
    show(f"Config at {found['cdn']}", style="bold")
    old = "" if found["age"] is None else f", generated {in_words(found['age'])} ago"
    etag = found["etag"] or "none"
    show(f"version {found['version']}, ETag {etag}{old}")
    rows = ((flag["key"], condition(flag), str(flag["rules"])) for flag in found["flags"])
    show(table(("flag", "state", "rules"), rows))


def in_words(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


# --- both -------------------------------------------------------------------------------------------------------------


def condition(flag: dict[str, Any]) -> str:
    """Return the state of a flag in one word."""
    return "archived" if flag["archived"] else "running" if flag["running"] else "stopped"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """Return a table of text."""
    grid = Table(box=None, pad_edge=False)
    for heading in headings:
        grid.add_column(heading, justify="right" if heading in NUMBERS else "left")
    for row in rows:
        grid.add_row(*(escape(printable(cell)) for cell in row))
    return grid

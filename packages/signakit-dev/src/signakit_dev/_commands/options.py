"""The options that several commands have, and how their values are read."""

from pathlib import Path
from typing import Annotated, Any

import typer

from signakit_dev._emulator.faults import Fault, parse_fault
from signakit_dev._project.attributes import parse_assignments

DEFAULT_FILE = Path("signakit.json")

FAULT_HELP = (
    "latency=SECONDS, hang, refuse, status=503,retry_after=2, garbage or truncated; ,times=3 ends it after three."
)


def concealed(sdk_key: str | None) -> str | None:
    """Return an SDK key whose ``repr()`` is redacted: a traceback may show the local variables of each frame."""
    from signakit_flags.integration import conceal  # would lengthen `signakit --help`

    return conceal(sdk_key)


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text, also for errors.")]

AttributeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attr",
        metavar="NAME=TEXT",
        help="An attribute of the user; give it once for each. NAME=TEXT is text: plan=pro. NAME:=JSON is any other "
        'value: age:=30, beta:=true, \'roles:=["admin","editor"]\'. The name $userAgent takes the User-Agent.',
    ),
]

ConfigFileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Take the flags from this JSON file. Without it and without an SDK key: signakit.json.",
    ),
]

SdkKeyOption = Annotated[
    str | None,
    typer.Option(
        "--sdk-key",
        metavar="KEY",
        parser=concealed,
        help="Fetch the flags with this key instead. Without it: the environment's SIGNAKIT_SDK_KEY. "
        "SIGNAKIT_EMULATOR_URL and SIGNAKIT_CDN_URL say from where, as they do for an application.",
    ),
]


def attributes_of(assignments: list[str] | None) -> dict[str, Any]:
    """Return the attributes that the values of ``--attr`` stand for.

    Raises:
        typer.BadParameter: One of them is not an assignment, or what follows ``:=`` is not JSON.
    """
    try:
        return parse_assignments(assignments or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--attr") from None


def fault_of(option: str, text: str | None) -> Fault | None:
    """Return the fault that the value of ``option`` stands for; None without a value.

    Raises:
        typer.BadParameter: It is not a fault.
    """
    if text is None:
        return None
    try:
        return parse_fault(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}. {FAULT_HELP}", param_hint=option) from None

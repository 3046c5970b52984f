"""``--attr``: the attributes of a user, on the command line."""

from typing import Annotated, Any

import typer

from signakit_dev._project.attributes import parse_assignments

Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attr",
        metavar="NAME=TEXT",
        help="An attribute of the user; give it once for each. NAME=TEXT is text: plan=pro. NAME:=JSON is any other "
        'value: age:=30, beta:=true, \'roles:=["admin","editor"]\'. The name $userAgent takes the User-Agent.',
    ),
]


def attributes_of(assignments: list[str] | None) -> dict[str, Any]:
    """Return the attributes that the values of ``--attr`` stand for.

    Raises:
        typer.BadParameter: One of them is no assignment, or what follows ``:=`` is no JSON.
    """
    try:
        return parse_assignments(assignments or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--attr") from None

"""``--attr``: the attributes of a user, on the command line."""

import json
from typing import Annotated, Any

import typer

Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attr",
        metavar="NAME=TEXT",
        help="An attribute of the user; give it once for each. NAME=TEXT is text: plan=pro. NAME:=JSON is any other "
        'value: age:=30, beta:=true, \'roles:=["admin","editor"]\'. The name $userAgent takes the User-Agent.',
    ),
]


def parse_attributes(assignments: list[str] | None) -> dict[str, Any]:
    """Return the attributes that the values of ``--attr`` stand for; of two with one name the last holds.

    Raises:
        typer.BadParameter: One of them is no assignment, or what follows ``:=`` is no JSON.
    """
    attributes: dict[str, Any] = {}
    for assignment in assignments or ():
        name, equals, text = assignment.partition("=")
        if not equals or name in {"", ":"}:
            raise typer.BadParameter(f"{assignment!r} is neither NAME=TEXT nor NAME:=JSON", param_hint="--attr")
        if name.endswith(":"):
            name = name[:-1]
            try:
                attributes[name] = json.loads(text)
            except ValueError as error:
                raise typer.BadParameter(
                    f"{text!r}, the value of {name}, is not JSON ({error}); for text write {name}={text}",
                    param_hint="--attr",
                ) from None
        else:
            attributes[name] = text
    return attributes

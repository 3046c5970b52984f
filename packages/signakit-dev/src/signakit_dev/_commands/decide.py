"""``signakit decide``: what one user gets for one flag, and why."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from signakit_flags import Explanation

from .config_source import load
from .options import AttributeOption, ConfigFileOption, JsonOption, SdkKeyOption, attributes_of
from .output import command, print_json, printable, show


@command
def decide(
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="The flag's key.")],
    *,
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user's id.")],
    attr: AttributeOption = None,
    config: ConfigFileOption = None,
    sdk_key: SdkKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide one flag for one user, and explain why.

    Lists every rule that was tried, with the buckets (0 to 9999) that the user falls into. Sends no exposure. The exit
    code is 1 when there is no such flag, or no config.

    Example: signakit decide new-checkout --user ada --attr plan=pro --attr age:=30
    """
    attributes = attributes_of(attr)
    source = load(config, sdk_key)
    with source.client() as client:
        source.flag(flag)
        context = client.create_user_context(user, attributes)
        assert context is not None, "an offline client is ready"
        explanation = context.explain(flag)
    if as_json:
        print_json({"source": source.name, **asdict(explanation)})
    else:
        show(report(explanation))


def report(explanation: Explanation) -> Text:
    """Return the explanation as ``str()`` has it, with the variables of the variation, in colour."""
    verdict, *steps = printable(str(explanation)).splitlines()
    text = Text(verdict, style="bold")
    for line in steps:
        text.append(f"\n{line}", style="not bold green" if line.startswith("  yes") else "not bold dim")
    decision = explanation.decision
    for name, value in decision.variables.items() if decision is not None else ():
        text.append(printable(f"\n  variable {name}: {json.dumps(value, ensure_ascii=False)}"), style="not bold")
    return text

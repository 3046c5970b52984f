"""``signakit decide``: what one user gets for one flag, and why."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from signakit_flags import Explanation

from .attributes import Attributes, parse_attributes
from .output import AsJson, command, print_json, to_stdout
from .source import ConfigFile, SdkKey, load


@command
def decide(
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="The flag's key.")],
    *,
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user's id.")],
    attr: Attributes = None,
    config: ConfigFile = None,
    sdk_key: SdkKey = None,
    as_json: AsJson = False,
) -> None:
    """Decide one flag for one user, and explain why. Sends no exposure.

    Every rule that was tried is listed, with the buckets (0 to 9999) that the user falls into. The exit code is 1 when
    there is no such flag, or no config.

        signakit decide new-checkout --user ada --attr plan=pro --attr age:=30
    """
    attributes = parse_attributes(attr)
    source = load(config, sdk_key)
    with source.client() as client:
        source.flag(flag)
        context = client.create_user_context(user, attributes)
        assert context is not None, "an offline client is ready"
        explanation = context.explain(flag)
    if as_json:
        print_json({"source": source.name, **as_dict(explanation)})
    else:
        to_stdout().print(report(explanation))


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON has it."""
    return asdict(explanation)


def report(explanation: Explanation) -> Text:
    """Return the explanation as ``str()`` has it, with the variables of the variation, in colour."""
    verdict, *steps = str(explanation).splitlines()
    text = Text(verdict, style="bold")
    for line, step in zip(steps, explanation.steps, strict=True):
        text.append("\n")
        text.append(line, style="not bold green" if step.passed else "not bold dim")
    decision = explanation.decision
    for name, value in decision.variables.items() if decision is not None else ():
        text.append(f"\n  variable {name} = {value!r}", style="not bold")
    return text

"""Checks that all contestants did the same work: what they decided, before anything is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import workload

if TYPE_CHECKING:
    from .session import Result, Session

TOLERANCE = 0.05
"""How far a share may be from what the project asks for, of those who are eligible: vendors hash differently."""

FLAGS = (100, 1_000)
FEWEST_USERS = 4_000
"""With fewer users the shares would be off by chance."""


class DisagreementError(RuntimeError):
    """A contestant decided something else, so its times mean nothing."""


def check(session: Session, name: str) -> dict[str, Result]:
    """Return what a contestant decided, by number of flags; raise if it is not what the project asks for."""
    users = max(session.effort.users, FEWEST_USERS)
    found = {str(flags): session.ask(name, "check", flags=flags, users=users) for flags in FLAGS}
    for result in found.values():
        _compare_counts(name, result["counts"], users)
    return found


def compare_digests(found: dict[str, dict[str, Any]]) -> None:
    """Raise unless ours and 1.1.0 agree in every decision; where one is missing there is nothing to compare."""
    if "ours" in found and "vendor" in found:
        for flags in FLAGS:
            ours, vendor = found["ours"][str(flags)], found["vendor"][str(flags)]
            if ours != vendor:
                raise DisagreementError(f"ours and 1.1.0 decide differently at {flags} flags: {ours} and {vendor}")


def _compare_counts(name: str, counts: dict[str, int], users: int) -> None:
    people = [workload.attributes_of(number) for number in range(users)]
    pro = sum(person["plan"] == workload.TARGET_PLAN for person in people)
    near = sum(
        person["plan"] == workload.TARGET_PLAN and person["country"] in workload.TARGET_COUNTRIES for person in people
    )
    expected = {"targeted: on": (near * workload.TARGET_PERCENTAGE / 100, near)}
    for number, percentage in enumerate(workload.AB_PERCENTAGES):
        expected[f"A/B: {workload.override_variables(number)['title']}"] = (pro * percentage / 100, pro)
    expected[f"A/B: {workload.DEFAULT_VARIABLES['title']}"] = (users - pro, 0)
    for key, (wanted, eligible) in expected.items():
        if abs(counts.get(key, 0) - wanted) > TOLERANCE * eligible:
            raise DisagreementError(f"{name}: {key} for {counts.get(key, 0)} users, not about {wanted:g}: {counts}")

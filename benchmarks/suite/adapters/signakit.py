"""What the two implementations of ``signakit_flags`` have in common: the same names, so the same loops."""

from __future__ import annotations

from ..workload import signakit_config
from . import Adapter

TYPE_CHECKING = False  # as the type checkers know it, without the import
if TYPE_CHECKING:
    from typing import Any

    from ..workload import FlagSpec, Request
    from . import Outcome


class SignaKitAdapter(Adapter):
    """Either of them; clients differ in how they are made."""

    offers = Adapter.offers | {"all", "context", "exposure", "events", "exit"}

    def native(self, specs: list[FlagSpec], *, exposing: bool = False) -> bytes:
        """Return the config as the service publishes it. Whether exposures are sent is a matter of the client."""
        del exposing
        import json  # noqa: PLC0415  # not where memory is measured

        return json.dumps(signakit_config(specs)).encode()

    def decide(self, client: Any, requests: list[Request]) -> None:
        """Make a context and decide three flags."""
        create_user_context = client.create_user_context
        for request in requests:
            user = create_user_context(request.user_id, request.attributes)
            user.decide(request.on_off)
            user.decide(request.targeted)
            user.decide(request.ab)

    def decide_all(self, client: Any, requests: list[Request]) -> None:
        """Make a context and decide all flags."""
        create_user_context = client.create_user_context
        for request in requests:
            create_user_context(request.user_id, request.attributes).decide_all()

    def contexts(self, client: Any, users: list[tuple[str, dict[str, Any]]]) -> None:
        """Make contexts."""
        create_user_context = client.create_user_context
        for user_id, attributes in users:
            create_user_context(user_id, attributes)

    def outcomes(self, client: Any, requests: list[Request]) -> list[Outcome]:
        """Return what each request gets."""
        outcomes = []
        for request in requests:
            user = client.create_user_context(request.user_id, request.attributes)
            title = user.decide(request.ab).variables["title"]
            outcomes.append((user.decide(request.on_off).enabled, user.decide(request.targeted).enabled, title))
        return outcomes

    def decisions(self, client: Any, requests: list[Request]) -> list[str]:
        """Return every field of every decision; for every hundredth user, of all flags."""
        import json  # noqa: PLC0415  # not where memory is measured

        fields = ("flag_key", "variation_key", "enabled", "rule_key", "rule_type", "variables")
        decisions = []
        for number, request in enumerate(requests):
            user = client.create_user_context(request.user_id, request.attributes)
            decided = [user.decide(key) for key in (request.on_off, request.targeted, request.ab)]
            if number % 100 == 0:
                decided += [decision for _, decision in sorted(user.decide_all().items())]
            decisions += [
                json.dumps([getattr(decision, field) for field in fields], sort_keys=True) for decision in decided
            ]
        return decisions

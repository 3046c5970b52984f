"""A config, compiled once so that a decision costs little (PROTOCOL section 4).

Every decision a flag can give is built once and handed out as it is. A hash is taken only where it can change the
answer: not at 100 % traffic, and not where one range holds every bucket.

At load time each flag is checked; it is compiled when it is first asked for, in some 20 us. A project of 10,000 flags
then loads ten times as fast and takes half the memory, and a process that uses fifty of them never pays for the rest.
A flag that takes long, as by a huge allowlist, is compiled at load time, too: no decision should wait for it.

A ruleset gives the same answers at any time, so any thread may ask it. Two threads that come first at the same time
compile a flag twice, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING, Any, TypeAlias

from mmh3 import mmh3_32_uintdigest as murmur3_32

from .._frozen import ReadOnlyDict, freeze
from .._names import BUCKETS, OFF, TARGETED
from .._types import Decision
from .._values import plain_attribute
from .audience import compile_audiences
from .bucketing import bucket
from .config import Decoding
from .selection import Selection
from .slices import Budget, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from .audience import CompiledAudiences, Predicate
    from .config import Allocation, Config, Flag, Rule
    from .problems import Problems
    from .slices import Slices

_ENTRIES = 10_000
"""Entries of allowlists that are compiled in one slice."""

_RULE = 40
"""What compiling a rule costs, in entries of an allowlist."""

_Share: TypeAlias = "Callable[[Any], Any]"


class Outcome:
    """One decision a flag can give, and whether it exposes.

    Attributes:
        decision: What the user gets; the same object for every user.
        exposure: Identity of the exposure, equal for equal (flag, variation, rule) also after a reload; None where
            none is sent: targeted rules, and flags that are not running (PROTOCOL section 8).
        exposed: The users that it was sent for lately, or None before the first of them.

    ``exposed`` changes while the ruleset is in use, and it is the reason why a ruleset serves one client: it is a dict
    of that client's exposure filter, put here when the exposure is first sent. A decision only looks whether its user
    is in it. To find the dict in the filter by ``exposure``, each time, was measured: a decision that has an exposure
    takes 5 to 15 % more instructions.
    """

    __slots__ = ("decision", "exposed", "exposure")

    def __init__(self, decision: Decision, *, exposes: bool) -> None:
        self.decision: Decision = decision
        self.exposure: int | None = (
            hash((decision.flag_key, decision.variation_key, decision.rule_key)) if exposes else None
        )
        self.exposed: Container[object] | None = None


class Split:
    """An allocation: the first range that holds the bucket names the outcome.

    Attributes:
        prefix: What is hashed before the user id.
        ranges: (start, end, outcome), both ends inclusive.
        whole: The outcome of every user, when the first range holds all buckets; else None.
    """

    __slots__ = ("prefix", "ranges", "whole")

    def __init__(
        self, prefix: str, allocation: Allocation, outcome_of: Callable[[str], Outcome], share: _Share
    ) -> None:
        self.prefix: str = prefix
        self.ranges: tuple[tuple[float, float, Outcome], ...] = tuple(
            (share(_near(item.start)), share(_near(item.end)), outcome_of(item.variation)) for item in allocation.ranges
        )
        first = self.ranges[0] if self.ranges else None
        self.whole: Outcome | None = first[2] if first and first[0] <= 0 and first[1] >= BUCKETS - 1 else None

    def outcome(self, user_id: str) -> Outcome | None:
        """Return the outcome of a user, or None when no range holds the bucket."""
        if self.whole is not None or not self.ranges:
            return self.whole
        number = bucket(self.prefix, user_id)
        for start, end, outcome in self.ranges:
            if start <= number <= end:
                return outcome
        return None


_FlatRule: TypeAlias = tuple[
    "dict[str, Outcome] | None",
    "tuple[tuple[str, frozenset[str]], ...]",
    "Predicate | None",
    str | None,
    int,
    Outcome | None,
    str,
    tuple[tuple[float, float, Outcome], ...],
]
"""What a decision needs of one rule: the allowlist, the audiences' texts and rest, what is hashed for the traffic (None
for everybody) and the threshold, the outcome of everybody, what is hashed for a variation, the ranges."""

_NO_USER: tuple[tuple[str, frozenset[str]], ...] = (("", frozenset()),)
"""Texts of an audience that no user is in."""


class CompiledRule:
    """One rule.

    Attributes:
        key: The rule's key, or None.
        allowlist: Outcome by user id, or None when there is no such list.
        audiences: Who the rule is for; None is everybody.
        prefix: What is hashed before the user id for the traffic bucket.
        threshold: Traffic buckets below it take part; ``BUCKETS`` or more is everybody.
        split: The variations.
    """

    __slots__ = ("allowlist", "audiences", "key", "prefix", "split", "threshold")

    def __init__(
        self,
        salt: str,
        rule: Rule,
        allowlist: dict[str, Outcome] | None,
        audiences: CompiledAudiences | None,
        outcome_of: Callable[[str], Outcome],
        share: _Share,
    ) -> None:
        self.key: str | None = rule.rule_key
        self.allowlist: dict[str, Outcome] | None = allowlist
        self.audiences: CompiledAudiences | None = audiences
        if audiences is not None:
            audiences.texts = share(audiences.texts)
        self.prefix: str = f"{salt}:traffic:"
        self.threshold: int = _threshold(rule.traffic_percentage)
        self.split: Split = Split(f"{salt}:variation:", rule.variation_allocation, outcome_of, share)

    def flat(self) -> _FlatRule:
        """Return what a decision needs of the rule."""
        texts, rest = ((), None) if self.audiences is None else (self.audiences.texts, self.audiences.rest)
        split = self.split
        if not split.ranges:
            texts = _NO_USER  # only the allowlist gives anything
        traffic = self.prefix if self.threshold < BUCKETS else None
        return self.allowlist, texts, rest, traffic, self.threshold, split.whole, split.prefix, split.ranges


class CompiledFlag:
    """One flag that is not archived.

    Attributes:
        key: The flag's key.
        running: False gives ``fallback`` to everyone.
        rules: The rules, in order.
        default: The flag's own allocation.
        fallback: Variation ``off``: when nothing else holds, or the flag is not running.
        fixed: The outcome of every user, when neither user nor attributes can change it; else None.
    """

    __slots__ = ("_everybody", "_flat_rules", "default", "fallback", "fixed", "key", "rules", "running")

    def __init__(
        self,
        flag: Flag,
        rules: tuple[CompiledRule, ...],
        variables: Callable[[str], ReadOnlyDict],
        share: _Share,
    ) -> None:
        self.key: str = flag.key
        self.running: bool = bool(flag.running)
        self.rules: tuple[CompiledRule, ...] = rules
        default_outcome = _outcomes(flag.key, None, None, variables)
        self.default: Split = Split(f"{flag.salt}:default:", flag.allocation, default_outcome, share)
        self.fallback: Outcome = default_outcome(OFF)
        if not self.running:
            # The same decision as by default, but it exposes nothing.
            self.fallback = Outcome(self.fallback.decision, exposes=False)
        self._flat_rules = tuple(rule.flat() for rule in self.rules) if self.running else ()
        self._everybody = self.default.whole if self.running and self.default.ranges else self.fallback
        self.fixed: Outcome | None = None if self._flat_rules else self._everybody

    def outcome(self, user_id: str, attributes: dict[str, Any]) -> Outcome:
        """Return what a user gets. Of ``attributes``, the context's own copy, it makes plain what it looks at."""
        # The four steps of section 4.3 in line, down to `bucket`: a decision costs a third less than with a method of
        # the rule, of its audiences and of its split. And over one tuple a rule: a closure is no faster, and its cells
        # lie all over the memory, which costs a request in a project of 1,000 flags twice as much.
        for allowlist, texts, rest, traffic, threshold, whole, variation, ranges in self._flat_rules:
            if allowlist is not None and user_id in allowlist:
                return allowlist[user_id]
            for name, wanted in texts:  # as CompiledAudiences.match
                actual = attributes.get(name)
                if type(actual) is not str:
                    if actual is None:
                        break
                    actual = plain_attribute(attributes, name, actual)
                    if type(actual) is not str:
                        break
                if actual not in wanted:
                    break
            else:
                if rest is not None and not rest(attributes):
                    continue
                if traffic is not None:
                    hashed = (traffic + user_id).encode("utf-8", "surrogatepass")
                    if murmur3_32(hashed) % BUCKETS >= threshold:
                        continue
                if whole is not None:
                    return whole
                number = murmur3_32((variation + user_id).encode("utf-8", "surrogatepass")) % BUCKETS
                for start, end, outcome in ranges:
                    if start <= number <= end:
                        return outcome
        return self._everybody or self.default.outcome(user_id) or self.fallback


@dataclass(slots=True, eq=False)
class Ruleset:
    """Everything that can be asked of one config.

    Attributes:
        flags: The flags that are not archived, by key, in the order of the config.
        compiled: Those of them that were asked for, compiled; ``get`` it here first, then from ``flag``.
        archived: Keys of archived flags.
        version: The config's version, or None.
        problems: The flags left out and the unknown operators; the reader of the ruleset logs them.
    """

    flags: dict[str, Flag]
    archived: frozenset[str]
    version: int | None
    problems: Problems
    compiled: dict[str, CompiledFlag] = field(default_factory=dict)
    _all: list[tuple[str, CompiledFlag]] | None = None
    _shared: dict[Any, Any] = field(default_factory=dict)

    def _share(self, value: Any) -> Any:
        """Return the one of all equal values that the flags of this ruleset have in common.

        Many flags ask for the same attributes and have the same ranges. In a project of 1,000 flags a decision takes
        longer to get to what it reads than to read it, unless another flag's has just been there.
        """
        return self._shared.setdefault(value, value)

    def flag(self, key: str) -> CompiledFlag | None:
        """Return a flag, compiled; None when there is none of this key or it is archived."""
        compiled = self.compiled.get(key)
        if compiled is None and key in self.flags:
            compiled = self.compiled[key] = finish(_compile(self.flags[key], self._share))
        return compiled

    def compile_in_slices(self, flag: Flag) -> Slices[None]:
        """Compile a flag of this ruleset now, in slices."""
        self.compiled[flag.key] = yield from _compile(flag, self._share)

    def variables(self, key: str, variation: str) -> dict[str, Any]:
        """Return the variables that a variation of a flag has, whichever rule gives it; none where there is no flag."""
        flag = self.flags.get(key)
        return _NO_VARIABLES if flag is None else _variables(flag)(variation)

    def compile_all(self) -> list[tuple[str, CompiledFlag]]:
        """Return all flags, compiled, with their keys, in the order of the config. Do not change the list."""
        if self._all is None:
            self._all = [
                (key, self.compiled.get(key) or finish(_compile(flag, self._share))) for key, flag in self.flags.items()
            ]
            self.compiled.update(self._all)
        return self._all


def load_ruleset(body: bytes | memoryview) -> Slices[Ruleset]:
    """Make the body of a config response a ruleset, in slices.

    Flags that cannot be used are left out, and named in ``problems``.

    Raises:
        ConfigError: The config cannot be used at all, see ``Decoding.groups``.
    """
    decoding = Decoding(body)
    selection = Selection(decoding.problems, len(body))
    first = True
    for group in decoding.groups():
        if not first:
            yield
        first = False
        # Right behind the decoding, while the flags are in the caches of the processor.
        for flag in group or ():
            selection.add(flag)
    ruleset = _ruleset(selection, decoding.version)
    for flag in selection.heavy:
        yield
        yield from ruleset.compile_in_slices(flag)
    return ruleset


def compile_ruleset(config: Config) -> Ruleset:
    """Make a decoded config a ruleset, all of it at once; as ``load_ruleset``."""
    selection = Selection(config.problems, config.size)
    for flag in config.flags:
        selection.add(flag)
    return _ruleset(selection, config.version)


def _ruleset(selection: Selection, version: int | None) -> Ruleset:
    selection.problems.close()
    return Ruleset(selection.flags, frozenset(selection.archived), version, selection.problems)


def _compile(flag: Flag, share: _Share) -> Slices[CompiledFlag]:
    """Compile a flag that was checked, in slices: one without a huge rule is compiled in the first."""
    variables = _variables(flag)
    rules = []
    budget = Budget(_ENTRIES)
    for rule in flag.rules or ():
        outcome_of = _outcomes(flag.key, rule.rule_key, rule.rule_type, variables)
        allowlist = (yield from _allowlist(rule, outcome_of, budget)) if rule.allowlist else None
        audiences = (yield from compile_audiences(rule, budget)) if rule.audiences else None
        rules.append(CompiledRule(flag.salt, rule, allowlist, audiences, outcome_of, share))
        if budget.spend(_RULE):
            yield
    return CompiledFlag(flag, tuple(rules), variables, share)


def _threshold(percentage: float) -> int:
    if percentage >= 100:
        return BUCKETS
    # In just this order, in doubles: 0.57 % is 56 buckets of 10,000 with it, as in the vendor's SDKs.
    return floor((max(percentage, 0.0) / 100) * BUCKETS)


def _near(bucket_number: float) -> float:
    """Return the end of a range, no further from the buckets than one.

    Many huge integers have one hash, and a dict of them takes a time that grows with their square.
    """
    return min(max(bucket_number, -1), BUCKETS)


def _allowlist(rule: Rule, outcome_of: Callable[[str], Outcome], budget: Budget) -> Slices[dict[str, Outcome] | None]:
    """Return the outcome of each user id in the allowlist of a rule; of several for one the first counts."""
    listed: dict[str, Outcome] = {}
    for entry in rule.allowlist or ():
        user_id, variation = entry.user_id, entry.variation
        if user_id is not None and variation is not None:
            text = user_id if type(user_id) is str else _text_of(user_id)
            if text is not None and text not in listed:
                listed[text] = outcome_of(variation)
        if budget.spend(1):
            yield
    return listed or None


def _text_of(user_id: str | float) -> str | None:
    try:
        return str(user_id)
    except ValueError:  # an integer of more digits than this interpreter makes text of
        return None


def _outcomes(
    flag_key: str, rule_key: str | None, rule_type: str | None, variables: Callable[[str], ReadOnlyDict]
) -> Callable[[str], Outcome]:
    made: dict[str, Outcome] = {}

    def outcome_of(variation: str) -> Outcome:
        if variation not in made:
            decision = Decision(flag_key, variation, variation != OFF, rule_key, rule_type, variables(variation))
            made[variation] = Outcome(decision, exposes=rule_type != TARGETED)
        return made[variation]

    return outcome_of


_NO_VARIABLES = ReadOnlyDict()


def _variables(flag: Flag) -> Callable[[str], ReadOnlyDict]:
    if not flag.variables:
        return lambda _variation: _NO_VARIABLES
    # Of several variables with one name the last counts, of several variations with one key the first.
    defaults = {variable.key: freeze(variable.default_value) for variable in flag.variables}
    overrides: dict[str, dict[str, Any]] = {}
    for variation in flag.variations or ():
        if variation.key is not None and variation.key not in overrides:
            overrides[variation.key] = {
                name: freeze(value) for name, value in (variation.variables or {}).items() if name in defaults
            }
    made: dict[str, ReadOnlyDict] = {}

    def variables_of(variation: str) -> ReadOnlyDict:
        if variation not in made:
            made[variation] = ReadOnlyDict(defaults | overrides.get(variation, {}))
        return made[variation]

    return variables_of

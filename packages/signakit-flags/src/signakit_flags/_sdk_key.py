"""Parsing, redaction and concealment of the SDK key (PROTOCOL section 1).

Error trackers store the ``repr()`` of the local variables of each frame. So a key is concealed in the first statement
of each function that takes one, before any statement that can raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

from ._names import DEVELOPMENT, PRODUCTION

_STARTS = ("sk_dev_", "sk_prod_")
_ENVIRONMENTS = {"dev": DEVELOPMENT, "prod": PRODUCTION}
_PART = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")
_EXPECTED = "expected sk_{dev|prod}_{orgId}_{projectId}_{random}, each part of A-Z a-z 0-9 and -"


class Secret(str):
    """Text that is written and sent as it is, while its ``repr()`` is redacted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redact(self))


class NotText:
    """Stands in for a key that is not text, so that its ``repr()`` cannot show it.

    Attributes:
        kind: Its type.
        advice: What to pass instead, or an empty text.
    """

    __slots__ = ("advice", "kind")

    def __init__(self, key: object) -> None:
        self.kind: str = type(key).__name__
        self.advice: str = ""
        if isinstance(key, (bytes, bytearray)):
            self.advice = ": pass what its .decode() returns"
        elif hasattr(type(key), "get_secret_value"):  # as pydantic's SecretStr has
            self.advice = ": pass what its .get_secret_value() returns"

    def __repr__(self) -> str:
        return f"<{self.kind}>"


@overload
def conceal_key(sdk_key: str) -> str: ...
@overload
def conceal_key(sdk_key: None) -> None: ...
@overload
def conceal_key(sdk_key: Any) -> Any: ...
def conceal_key(sdk_key: Any) -> Any:
    """Return a key that is equal to ``sdk_key``, still a ``str``, and whose ``repr()`` is redacted.

    A value that is not text is replaced by a ``NotText``, None by itself.
    """
    if sdk_key is None or isinstance(sdk_key, (Secret, NotText)):
        return sdk_key
    return Secret(sdk_key) if isinstance(sdk_key, str) else NotText(sdk_key)


@dataclass(frozen=True, slots=True)
class SdkKey:
    """The parts of a well-formed SDK key.

    Attributes:
        text: The whole key, without surrounding white space. A secret: never log it, see ``redact``. Its ``repr()`` is
            redacted.
        environment: ``"development"`` or ``"production"``.
        org_id: The organisation.
        project_id: The project.
    """

    text: str
    environment: str
    org_id: str
    project_id: str

    def __repr__(self) -> str:
        return f"SdkKey({redact(self.text)!r})"


def parse_sdk_key(sdk_key: str | None) -> SdkKey:
    """Parse an SDK key.

    White space around the key is ignored, since files that hold secrets end in a newline. Within a part only
    ``A-Z a-z 0-9 -`` are allowed, so that a key can change neither the path of a URL nor a header.

    Raises:
        ValueError: The key is None, empty, not text or malformed; the message shows what was expected and the key
            redacted.
    """
    key: Any = conceal_key(sdk_key)
    del sdk_key
    if isinstance(key, NotText):
        problem = f"SignaKit SDK key must be a str, not {key.kind}{key.advice}"
        raise ValueError(problem)  # noqa: TRY004  # create_instance() returns None for any key that cannot be used
    if key is None or not key.strip():
        got = "NoneType" if key is None else "an empty key"
        raise ValueError(f"SignaKit SDK key missing (got {got}): {_EXPECTED}")
    found = _parsed(key.strip())
    if found is None:
        raise ValueError(f"malformed SignaKit SDK key {redact(key)!r}: {_EXPECTED}")
    return found


def _parsed(text: str) -> SdkKey | None:
    """Return the key, or None where it is malformed. Raises nothing, since its local variables show the key."""
    parts = text.split("_")
    well_formed = (
        len(parts) >= 5
        and parts[0] == "sk"
        and parts[1] in _ENVIRONMENTS
        and bool(parts[2])
        and bool(parts[3])
        and all(_PART.issuperset(part) for part in parts)
    )
    return SdkKey(Secret(text), _ENVIRONMENTS[parts[1]], parts[2], parts[3]) if well_formed else None


def redact(sdk_key: str) -> str:
    """Return the key with all but its kind and environment hidden: ``"sk_dev_***"``.

    A text that does not begin like a key is hidden whole: it may be another system's secret, pasted by mistake.
    """
    for prefix in _STARTS:
        if sdk_key.strip().startswith(prefix):
            return f"{prefix}***"
    return "***"

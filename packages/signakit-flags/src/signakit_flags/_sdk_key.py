"""Parsing and redaction of the SDK key (PROTOCOL section 1)."""

from __future__ import annotations

from dataclasses import dataclass

from ._names import DEVELOPMENT, PRODUCTION

_ENVIRONMENTS = {"dev": DEVELOPMENT, "prod": PRODUCTION}
_PART = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")
_EXPECTED = "expected sk_{dev|prod}_{orgId}_{projectId}_{random}, each part of A-Z a-z 0-9 and -"


@dataclass(frozen=True, slots=True)
class SdkKey:
    """The parts of a well-formed SDK key.

    Attributes:
        text: The whole key, without surrounding white space. A secret: never log it, see ``redact``.
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
        ValueError: The key is None, empty or malformed; the message shows what was expected and the key redacted.
    """
    if not isinstance(sdk_key, str) or not sdk_key.strip():
        got = "an empty key" if isinstance(sdk_key, str) else type(sdk_key).__name__
        raise ValueError(f"SignaKit SDK key missing (got {got}): {_EXPECTED}")
    text = sdk_key.strip()
    parts = text.split("_")
    well_formed = (
        len(parts) >= 5
        and parts[0] == "sk"
        and parts[1] in _ENVIRONMENTS
        and bool(parts[2])
        and bool(parts[3])
        and all(_PART.issuperset(part) for part in parts)
    )
    if not well_formed:
        raise ValueError(f"malformed SignaKit SDK key {redact(text)!r}: {_EXPECTED}")
    return SdkKey(text, _ENVIRONMENTS[parts[1]], parts[2], parts[3])


def redact(sdk_key: str) -> str:
    """Return the key with all but its kind and environment hidden: ``"sk_dev_***"``.

    A text that does not begin like a key is hidden whole: it may be another system's secret, pasted by mistake.
    """
    for prefix in ("sk_dev_", "sk_prod_"):
        if sdk_key.strip().startswith(prefix):
            return f"{prefix}***"
    return "***"

"""The bodies of requests to the page and to the JSON endpoints: a form or a JSON object, of at most 64 KiB."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .._emulator.bounded_body import BodyTooLongError, read_body
from .errors import BadRequestError

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_EDIT_BODY = 64 * 1024
"""Bytes of a form or of a JSON object."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of a field that is sent twice, the last value.

    Raises:
        BadRequestError: The body is too long, or is not UTF-8.
    """
    try:
        return dict(parse_qsl((await _read(request)).decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise BadRequestError("the form is not UTF-8") from None


async def read_object(request: Request, known: set[str]) -> dict[str, Any]:
    """Return a JSON object.

    Args:
        request: The request.
        known: The fields that the object may have.

    Raises:
        BadRequestError: The body is too long, is not a JSON object, or has an unknown field.
    """
    try:
        body = json.loads(await _read(request))
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    body = as_object("the body", body)
    unknown = body.keys() - known
    if unknown:
        raise BadRequestError(f"unknown: {', '.join(sorted(unknown))[:200]!r}; known are {', '.join(sorted(known))}")
    return body


def as_object(name: str, value: Any) -> dict[str, Any]:
    """Return ``value`` if it is an object; raise ``BadRequestError`` with its name if it is not."""
    if not isinstance(value, dict):
        raise BadRequestError(f"{name} must be an object")
    return value


async def _read(request: Request) -> bytes:
    try:
        return await read_body(request, limit=MAX_EDIT_BODY)
    except BodyTooLongError as error:
        raise BadRequestError(str(error)) from None

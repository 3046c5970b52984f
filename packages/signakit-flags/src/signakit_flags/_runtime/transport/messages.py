"""Requests of httpx out of ours, and answers of ours out of what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._secrets import without_secrets
from ..._version import __version__
from ..flow import Failure, Response, usable_etag
from .bodies import RefusedError
from .network_refusal import ForbiddenError
from .variables import VariableError

if TYPE_CHECKING:
    import httpx

    from ..flow import Request

_USER_AGENT = f"signakit-flags-python/{__version__}"
_MAX_REASON = 200


class RequestBuilder:
    """Makes requests of httpx out of ours.

    For a client that was injected it asks that client, whose headers, cookies and parameters belong into them. For one
    of our own it knows all there is to add, which costs a third.
    """

    def __init__(self, injected: httpx.Client | httpx.AsyncClient | None) -> None:
        self._injected = injected
        self._urls: dict[str, httpx.URL] = {}  # those of the config and of the events, parsed once

    def build(self, request: Request, timeout: float) -> httpx.Request:
        """Return a request."""
        # Only gzip: the one encoding whose expansion we bound.
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip", **request.headers}
        if self._injected is not None:
            return self._injected.build_request(
                request.method, request.url, headers=headers, content=request.body, timeout=timeout
            )
        import httpx

        url = self._urls.get(request.url)
        if url is None:
            url = self._urls[request.url] = httpx.URL(request.url)
        return httpx.Request(
            request.method,
            url,
            headers={"Accept": "*/*", **headers},
            content=request.body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)},
        )


def response_of(response: httpx.Response, body: bytes | memoryview) -> Response:
    """Return our answer for a complete one of httpx."""
    headers = response.headers
    etag = usable_etag(headers.get("etag"))
    return Response(response.status_code, etag, headers.get("retry-after"), body, headers.get("content-type"))


def failure_of(error: BaseException, timeout: float, remark: str = "") -> Failure:
    """Return our answer for an exception in a request that had ``timeout`` seconds, with a remark behind the reason."""
    if isinstance(error, ForbiddenError):
        return Failure(without_secrets(str(error)), final=True)
    if isinstance(error, (RefusedError, VariableError)):
        return Failure(str(error))
    return Failure(_reason(error, timeout) + remark)


def _reason(error: BaseException, timeout: float) -> str:
    import httpx

    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return f"no answer within {timeout:g} s"
    # httpx and what stands in for it in tests name the URL of a request, with the password in it.
    return without_secrets(f"{type(error).__name__}: {error}")[:_MAX_REASON]

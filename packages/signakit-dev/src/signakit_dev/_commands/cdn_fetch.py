"""Fetching a config with an SDK key."""

from __future__ import annotations

import contextlib
import gzip
import logging
from typing import TYPE_CHECKING

import httpx
import typer

from signakit_flags import SignaKitClient
from signakit_flags.integration import shown_url

from .http import Transport
from .loaded_config import LoadedConfig
from .output import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


def fetch(sdk_key: str) -> LoadedConfig:
    """Fetch the config with a key, by a client of the SDK: what it accepts is what an application would get.

    Raises:
        typer.BadParameter: The key is malformed.
        CommandError: Nothing could be fetched.
    """
    recorder = _Recorder()
    with httpx.Client(transport=Transport(), event_hooks={"response": [recorder.attach]}) as http:
        try:
            client = SignaKitClient(sdk_key, sync_client=http, polling_interval=0)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--sdk-key") from None
        try:
            with _quietly():
                result = client.on_ready_sync()
            status = client.status()
        finally:
            client.close(timeout=0)
    if not result.success:
        where = f" from {recorder.url}" if recorder.url else ""
        raise CommandError(f"no config could be fetched{where}: {result.reason}", url=recorder.url)
    return LoadedConfig(recorder.url, recorder.body(), status.etag, status.version)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence the SDK's log: what it says of a failed fetch, the command says itself."""
    logger = logging.getLogger("signakit_flags")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Recorder(httpx.SyncByteStream):
    """Keeps the bytes of an answer as they pass by: the SDK has no public face for the config as it came.

    Reading stays with the SDK, so that its limits hold here too.
    """

    url = ""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._encoding = ""

    def attach(self, response: httpx.Response) -> None:
        """Stand between the response and its reader."""
        assert isinstance(response.stream, httpx.SyncByteStream)
        self.url = shown_url(str(response.url))
        self._encoding = response.headers.get("content-encoding", "")
        self._chunks.clear()
        self._stream = response.stream
        response.stream = self

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._chunks.append(chunk)
            yield chunk

    def close(self) -> None:
        """Close the real stream."""
        self._stream.close()

    def body(self) -> bytes:
        """Return the body of the last answer, unpacked; the SDK has read it within its limit before."""
        packed = b"".join(self._chunks)
        return gzip.decompress(packed) if "gzip" in self._encoding.lower() else packed

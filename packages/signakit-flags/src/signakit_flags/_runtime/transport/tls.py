"""The TLS context of a client: which certificates it trusts, and where and when it is made.

Making one reads a file of certificates, which takes 30 to 100 ms of CPU. So there is one for both faces. It is made
when an https URL is first connected to, and never on an event loop. A child that is forked uses its parent's.

State: ``_context`` is set once, under ``process.no_fork``, and read without. A child that is forked while a thread is
inside OpenSSL inherits OpenSSL's own locks as they are, and may wait in it for ever; so a fork waits for the context.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..._files import is_fifo, open_regular
from .. import process
from ..short_thread import off_loop
from .variables import VariableError, shown_path

if TYPE_CHECKING:
    import ssl

_KEY_LOG = "SSLKEYLOGFILE"
_CERTIFICATES = "a PEM file of certificates"


class TlsContext:
    """Makes the context of one client at its first use, with the certificates that the environment named before.

    Attributes:
        variable: The variable that names the trusted certificates, with its value; None for those of certifi.
    """

    def __init__(self) -> None:
        self._file: str | None = os.environ.get("SSL_CERT_FILE") or None
        self._folder: str | None = None if self._file else os.environ.get("SSL_CERT_DIR") or None
        self.variable: str | None = None
        if self._file:
            self.variable = f"SSL_CERT_FILE={shown_path(self._file)}"
        elif self._folder:
            self.variable = f"SSL_CERT_DIR={shown_path(self._folder)}"
        self._context: ssl.SSLContext | None = None

    def make(self, timeout: float | None) -> ssl.SSLContext:
        """Return the context; the first call makes it, in the calling thread.

        Args:
            timeout: Seconds to wait for another thread that imports or makes a context; None waits without an end.

        Raises:
            VariableError: A variable of the environment names something that cannot be used. A later call tries again.
            TimeoutError: The other thread took longer.
        """
        if self._context is not None:
            return self._context
        if not process.no_fork.acquire(timeout=-1 if timeout is None else timeout):
            raise TimeoutError
        try:
            if self._context is None:
                self._context = self._new()
            return self._context
        finally:
            process.no_fork.release()

    async def make_off_loop(self, timeout: float) -> ssl.SSLContext:
        """Return the context; the first call makes it in a thread that ends with it. Raises as ``make``."""
        if self._context is not None:
            return self._context
        return await off_loop(partial(self.make, timeout), "signakit-tls")

    def _new(self) -> ssl.SSLContext:
        import ssl

        file, source = self._file, self.variable
        if source is None:
            import certifi

            file = certifi.where()
            source = f"the file of certifi, {shown_path(file)},"
        if self._folder is not None and not any(map(os.path.isdir, self._folder.split(os.pathsep))):
            # OpenSSL takes any path, and finds no certificate in it later.
            raise VariableError(_unusable(source, "it is not a folder", "a folder of certificates"))
        if file is not None:
            try:
                # OpenSSL would wait for a writer to a FIFO, with the lock that every fork needs.
                open_regular(file).close()
            except OSError as wrong:
                raise VariableError(_unusable(source, _why(file, wrong), _CERTIFICATES)) from wrong
        key_log = os.environ.get(_KEY_LOG)
        if key_log is not None and is_fifo(key_log):
            why = "it is a FIFO"  # as above, for a reader
            raise VariableError(_unusable(f"{_KEY_LOG}={shown_path(key_log)}", why, "a file that can be written"))
        try:
            return ssl.create_default_context(cafile=file, capath=self._folder)
        except (OSError, ValueError) as error:
            # OpenSSL names neither the file nor what it is for.
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file, self._folder)
            except (OSError, ValueError) as wrong:
                raise VariableError(_unusable(source, _why(file, wrong), _CERTIFICATES)) from wrong
            path = os.environ.get(_KEY_LOG)
            if path is None:
                raise
            name = f"{_KEY_LOG}={shown_path(path)}"
            raise VariableError(_unusable(name, _why(path, error), "a file that can be written")) from error


def _unusable(name: str, why: str, expected: str) -> str:
    return f"{name} cannot be used: {why}. It must name {expected}"


def _why(path: str | None, error: Exception) -> str:
    import ssl
    from pathlib import Path

    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    with suppress(OSError, ValueError):
        if path is not None and Path(path).is_dir():
            return "it is a folder"
    if isinstance(error, ssl.SSLError):
        return "it has no certificate that can be read"
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"it {why}" if why.startswith("is ") else why  # of `_files`

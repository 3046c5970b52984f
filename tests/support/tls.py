"""Certificates of an authority that no system knows: a server has one, a client trusts it by ``SSL_CERT_FILE``."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """Makes certificates for servers on loopback, and for ``cdn.test`` behind a proxy.

    Attributes:
        context: That of such a server.
    """

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate = self._authority.issue_cert("127.0.0.1", "localhost", "cdn.test")
        self._certificate.configure_cert(self.context)

    def write(self, path: Path) -> Path:
        """Write what a client has to trust to a file, and return its path."""
        self._authority.cert_pem.write_to_path(path)
        return path

    def write_server(self, folder: Path) -> tuple[Path, Path]:
        """Write what a server of another program needs, and return the paths of its certificate and of its key."""
        certificate, key = folder / "server.pem", folder / "server.key"
        for number, part in enumerate(self._certificate.cert_chain_pems):
            part.write_to_path(certificate, append=number > 0)
        self._certificate.private_key_pem.write_to_path(key)
        return certificate, key

"""``NO_PROXY``: the hosts that are reached without a proxy. Pure; ``proxies`` reads the variable.

Each tool has a reading of its own. This one takes what any of curl, requests, Go and httpx understands:

=======================================================  =============================================================
entry                                                    what it exempts
=======================================================  =============================================================
``*``                                                    every host
``example.com``, ``.example.com``, ``*.example.com``     that name, and all names under it
``10.0.0.1``, ``fd00::1``, ``[fd00::1]``                 that address
``10.0.0.0/8``, ``10.0.0.0/255.0.0.0``, ``fd00::/8``     the addresses of that range
any of them with ``:8080`` behind, IPv6 in brackets      the same at that port alone
any of them with ``https://`` in front                   the same for URLs of that scheme alone
=======================================================  =============================================================

A name is never looked up, so an address exempts no name.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from ..._secrets import hide_url

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

_SEPARATORS = re.compile(r"[,\s]+")
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_PORT = re.compile(r"[0-9]{1,5}")
_SCHEMES = {"http", "https", "all"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Exemption(NamedTuple):
    """An entry. Each part that is not None has to fit; without any it exempts every host."""

    scheme: str | None = None
    domain: str | None = None
    network: _Network | None = None
    port: int | None = None

    def covers(self, url: str) -> bool:
        """Return whether ``url``, which is an http(s) URL, is reached without a proxy."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        addresses = _addresses(host)
        if self.scheme is not None and self.scheme != parts.scheme:
            return False
        if self.port is not None and self.port != (parts.port or _DEFAULT_PORTS.get(parts.scheme)):
            return False
        if self.network is not None:
            return any(address in self.network for address in addresses)
        if self.domain is not None:
            return not addresses and (host == self.domain or host.endswith(f".{self.domain}"))
        return True


def parse(setting: str) -> tuple[list[Exemption], list[str]]:
    """Return the exemptions of a value of ``NO_PROXY``, and the entries that cannot be read."""
    exemptions, unreadable = [], []
    for entry in filter(None, _SEPARATORS.split(setting)):
        try:
            exemptions.append(parse_entry(entry))
        except ValueError:
            unreadable.append(hide_url(entry))  # it may be a URL with a password
    return exemptions, unreadable


def parse_entry(entry: str) -> Exemption:
    """Return the exemption that one entry stands for.

    Raises:
        ValueError: It has none of the forms above.
    """
    scheme, separator, rest = entry.lower().rpartition("://")
    if separator:
        if scheme not in _SCHEMES:
            raise ValueError(f"unknown scheme: {scheme}")
        rest = rest.removesuffix("/")
    host, port = _split(rest)
    only = None if scheme in {"", "all"} else scheme
    if host == "*":
        return Exemption(only, port=port)
    network = _network(host)
    if network is not None:
        return Exemption(only, network=network, port=port)
    name = host.removeprefix("*").removeprefix(".") if host.startswith(("*.", ".")) else host
    name = name.rstrip(".")
    if not name.isascii():
        name = name.encode("idna").decode()
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a host name: {name}")
    return Exemption(only, domain=name, port=port)


def _split(text: str) -> tuple[str, int | None]:
    """Return the host and the port of an entry."""
    port = ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        range_of, colon, port = rest.partition(":")
        if not bracket or (range_of and not range_of.startswith("/")) or ":" not in host:
            raise ValueError(f"brackets without an IPv6 address: {text}")
        host += range_of
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
    else:
        host, colon = text, ""
    if not colon:
        return host, None
    if not _PORT.fullmatch(port) or not 0 < int(port) <= 65_535:
        raise ValueError(f"not a port: {port}")
    return host, int(port)


def _network(host: str) -> _Network | None:
    """Return the addresses that ``host`` stands for, or None where it is a name."""
    try:
        # An address within a range stands for the range: people write their own address with the length of its network.
        network = ip_network(host.partition("%")[0], strict=False)
    except ValueError:
        if "/" in host or ":" in host:
            raise
        return None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        inner = network.network_address.ipv4_mapped
        if inner is not None:
            return IPv4Network((inner, network.prefixlen - 96))
    return network


def _addresses(host: str) -> list[_Address]:
    """Return the address that ``host`` is, also as IPv4 where it is IPv4 within IPv6; none where it is a name."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return []
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return [address, address.ipv4_mapped]
    return [address]

"""Which network addresses may be asked: public ones, and nothing that the machine can reach privately.

An address comes from strangers: a search reply, a list of URLs, a redirect. It is checked at three places, since
each alone leaves a gap. `checked_url` refuses what can be told from the text, before anything is asked.
`PublicResolver` drops the private addresses of a name. `guarded_socket` looks at the very address that is about to
be connected to, so nothing that happens between a check and the connection (a name that now resolves to another
address, say) can matter.

Special ranges: https://www.iana.org/assignments/iana-ipv4-special-registry and `iana-ipv6-special-registry`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Special ranges that `ipaddress.is_global` lets through in some version of Python or for some of their addresses.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4",
         "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "64:ff9b:1::/48"),
    )
)  # fmt: skip
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))

# Scheme with authority, path, query and fragment, as RFC 3986 (appendix B) cuts an address.
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.ASCII | re.DOTALL)
_AROUND = "".join(map(chr, range(33)))
_LINE_BREAKS = re.compile(r"[\t\r\n]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LEFT_ALONE = "%!$&'()*+,;=:@/?[]|"
"""Characters of path and query, beside letters, digits and `-._~`, that browsers send as they stand."""

_LOOKUPS_AT_A_TIME = 32
"""Threads that resolve names; a dead name holds one for seconds, so the few default threads would not do."""


class RefusedAddress(OSError):
    """The address is not one that may be asked; an `OSError` because connecting is where it strikes."""


def may_ask(address: Address, *, allow_loopback: bool = False) -> bool:
    """Whether an address is public, so that asking it cannot reach anything that only this machine can reach."""
    if allow_loopback and any(address in network for network in _LOOPBACK):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            # What a network without IPv4 makes of every public IPv4 address (RFC 6052).
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return may_ask(inner)
        if address.scope_id is not None or address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL)


def literal_address(host: str) -> Address | None:
    """The address that a URL's host is, in any spelling that the system takes for one; None for a name.

    `2130706433`, `0x7f.1` and `0177.0.0.1` all mean 127.0.0.1 to the C library.
    """
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, ValueError):
        return None


def checked_url(text: str | URL, *, allow_loopback: bool = False) -> URL:
    """Parse a URL that may be asked; a literal address gets its plain spelling, and the fragment goes.

    Path and query travel as they are written, since hosts sign and compare them so: only what no request can hold
    (spaces, letters beyond ASCII, a percent sign that begins no escape) is escaped, and dot segments are resolved.
    Raises `RefusedAddress` with a reason that does not repeat the URL, which may hold a key.
    """
    parts = _PARTS.fullmatch(_cleaned(str(text)))
    if parts is None:
        raise RefusedAddress("is not an http or https address")
    try:
        url = URL(parts[1])
        scheme, host = url.scheme, url.raw_host
        # Reading the port parses it.
        has_port = url.port is not None
    except (ValueError, TypeError) as error:
        raise RefusedAddress("is not a web address") from error
    if scheme not in ("http", "https"):
        raise RefusedAddress("is not an http or https address")
    if url.raw_user is not None or url.raw_password is not None:
        raise RefusedAddress("holds a user name or password")
    if not host or not host.strip(".") or not has_port:
        raise RefusedAddress("names no host")
    address = literal_address(host)
    if address is not None:
        if not may_ask(address, allow_loopback=allow_loopback):
            raise _refusal([address])
        url = url.with_host(str(address))
    return _as_written(url, _without_dots(escaped(parts[2])) or "/", escaped(parts[3] or ""))


def followed_url(base: URL, location: str, *, allow_loopback: bool = False) -> URL:
    """Where a `Location` header leads from `base`, checked as `checked_url` does.

    Raises `RefusedAddress`, and `ValueError` where it is no address at all.
    """
    location, _, _ = _cleaned(location).partition("#")
    # The base as a plain URL, should its path hold the question mark of an empty query.
    target = str(URL(str(base), encoded=True).join(URL(escaped(location), encoded=True)))
    # yarl drops the question mark of an empty query.
    is_bare = location.find("?") == len(location) - 1 and location != ""
    return checked_url(f"{target}?" if is_bare else target, allow_loopback=allow_loopback)


def _cleaned(text: str) -> str:
    """Without what may stand around an address, or break its line, and is no part of it to any browser."""
    return _LINE_BREAKS.sub("", text.strip(_AROUND))


def escaped(text: str) -> str:
    """Path or query with escapes for what no request can hold; escapes that are there stay as they are."""
    # A header's bytes that are no UTF-8 come as lone surrogates, and go as the bytes they were.
    return quote(_BARE_PERCENT.sub("%25", text), safe=_LEFT_ALONE, errors="surrogateescape")


def _as_written(url: URL, path: str, query: str) -> URL:
    """The scheme and host of `url` with an escaped path and query (with its question mark)."""
    # An empty query would be dropped, so its question mark travels as part of the path.
    path, query = (path + query, "") if query == "?" else (path, query[1:])
    return URL.build(scheme=url.scheme, authority=url.raw_authority, path=path, query_string=query, encoded=True)


def _without_dots(path: str) -> str:
    """The path with its segments `.` and `..` resolved (RFC 3986, section 5.2.4)."""
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]
        elif segment != ".":
            kept.append(segment)
    return "/".join([*kept, ""] if segments[-1] in (".", "..") else kept)


def _refusal(addresses: Iterable[Address | None]) -> RefusedAddress:
    """What is wrong with addresses none of which may be asked."""
    if any(address in network for address in addresses if address is not None for network in _LOOPBACK):
        return RefusedAddress("leads to this machine itself, which only --allow-loopback permits")
    return RefusedAddress("leads to a private or special network")


class PublicResolver(AbstractResolver):
    """Resolves names to those of their addresses that may be asked."""

    def __init__(self, *, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_A_TIME, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises `RefusedAddress` when none of the name's addresses may be asked, `OSError` if it has none."""
        lookup = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, lookup)
        allowed = [one for one in found if is_allowed_sockaddr(one[4], allow_loopback=self._allow_loopback)]
        if not allowed:
            raise _refusal(literal_address(str(one[4][0])) for one in found)
        return [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=port,
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found_family, _, protocol, _, sockaddr in allowed
        ]

    async def close(self) -> None:
        """End the threads without waiting for lookups that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_allowed_sockaddr(sockaddr: tuple[Any, ...], *, allow_loopback: bool) -> bool:
    """Whether the address of a socket address may be asked."""
    try:
        address = ipaddress.ip_address(sockaddr[0])
    except ValueError:
        return False
    # The fourth item is the zone of an IPv6 address; only link-local addresses have one.
    has_zone = len(sockaddr) > 3 and bool(sockaddr[3])
    return not has_zone and may_ask(address, allow_loopback=allow_loopback)


def guarded_socket(info: tuple[Any, ...], *, allow_loopback: bool) -> socket.socket:
    """Make the socket for a connection to `info` (as `getaddrinfo` gives it), or raise `RefusedAddress`."""
    family, kind, protocol, _, sockaddr = info
    if not is_allowed_sockaddr(sockaddr, allow_loopback=allow_loopback):
        raise _refusal([literal_address(str(sockaddr[0]))])
    return socket.socket(family, kind, protocol)

"""Where a hook may lead: its URL, and what its name resolves to, are checked when it is added and at each use.

    https://receiver.example/hook       a public address
    https://receiver.internal/hook      a private one: only if the hook was added with --private
    http://127.0.0.1:8000/hook          plain http on the loopback alone

Whoever holds the receiver's DNS could otherwise make this host post to services that trust it, such as a cloud's
metadata: the address is looked up here, judged, and connected to as it was judged.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

import httpx
import idna

from ..errors import BadRequest

MAX_URL_CHARS: Final = 2_048
#: Set for a request whose hook may lead to a private address.
PRIVATE: Final = "latchstring_private"

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?P<fragment>#.*)?\Z", re.IGNORECASE
)
#: Hosts whose connections are kept, and addresses of a name that are tried.
_MOST_HOSTS: Final = 200
_MOST_TRIED: Final = 4
#: The addresses that carriers share between their customers (RFC 6598), which Python does not call private.
_SHARED: Final = IPv4Network("100.64.0.0/10")
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address: TypeAlias = IPv4Address | IPv6Address
#: Finds every address of a host; raises OSError if it has none.
Resolve: TypeAlias = Callable[[str], Awaitable[list[Address]]]


class HookAddressError(httpx.TransportError):
    """The receiver's name leads to an address that its hook may not lead to."""


def check(url: str) -> str:
    """The host of a URL that a hook may have: a name, or an address without brackets.

    Raises BadRequest (`bad_hook_url`), with what was expected: an absolute URL of visible ASCII characters, https, or
    http on the loopback; no user name, password, fragment or zone; a port from 1 to 65535.
    """
    if len(url) > MAX_URL_CHARS:
        raise _bad(f"expected at most {MAX_URL_CHARS} characters")
    if not all("\x21" <= char <= "\x7e" for char in url) or "\\" in url:
        raise _bad("expected visible ASCII characters; write the host in its ASCII form (xn--…), the rest as %XX")
    parts = _URL.match(url)
    if parts is None or parts["scheme"].lower() not in ("https", "http"):
        raise _bad("expected an absolute https:// URL")
    if "@" in parts["authority"]:
        raise _bad("expected a URL without user name and password: they would be logged")
    if parts["fragment"] is not None:
        raise _bad("expected a URL without a fragment: it is never sent")
    host = _host_and_port(parts["authority"])
    if parts["scheme"].lower() == "http" and not _is_loopback(host):
        raise _bad("expected https:// (plain http only on the loopback)")
    try:
        # The client that posts must read it as it was read here.
        read = httpx.URL(url)
        if _plain(read.raw_host.decode()) != host:
            raise _bad("expected a host that every client reads alike")
    except BadRequest:
        raise
    except Exception as error:
        raise _bad("expected an absolute https:// URL") from error
    return host


async def check_resolved(url: str, *, private: bool, resolve: Resolve | None = None) -> None:
    """Raises BadRequest if the URL's host is, or resolves to, an address that its hook may not lead to.

    A name that does not resolve now is let pass: it is looked up again at each use.
    """
    host = check(url)
    try:
        found = await (resolve or addresses_of)(host)
    except OSError:
        return
    for address in found:
        problem = _problem(address, host, private=private)
        if problem:
            raise _bad(problem)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects only where a hook may lead, to the very address that was judged; TLS still expects the name.

    Proxies are not used, whatever the environment names: a proxy would look the name up again.
    """

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or addresses_of
        self._context = httpx.create_ssl_context()
        #: By host: a connection is kept for the name that its certificate was checked for.
        self._inner: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises HookAddressError, httpx.ConnectError (also where the name does not resolve), and as httpx does."""
        host = _plain(request.url.raw_host.decode())
        private = bool(request.extensions.get(PRIVATE, False))
        try:
            found = await self._resolve(host)
        except OSError as error:
            raise httpx.ConnectError("the name does not resolve", request=request) from error
        for address in found:
            problem = _problem(address, host, private=private)
            if problem:
                raise HookAddressError(problem, request=request)
        if not _is_address(host):
            request.extensions = {**request.extensions, "sni_hostname": host}
        for address in found[: _MOST_TRIED - 1]:
            try:
                return await self._send(request, host, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == found[-1]:
                    raise
        return await self._send(request, host, found[-1])

    async def aclose(self) -> None:
        """Close every connection."""
        for inner in self._inner.values():
            await inner.aclose()

    async def _send(self, request: httpx.Request, host: str, address: Address) -> httpx.Response:
        request.url = request.url.copy_with(host=str(address))
        if host not in self._inner:
            if len(self._inner) >= _MOST_HOSTS:
                await self._inner.pop(next(iter(self._inner))).aclose()
            self._inner[host] = httpx.AsyncHTTPTransport(verify=self._context)
        return await self._inner[host].handle_async_request(request)


def _host_and_port(authority: str) -> str:
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
        if "%" in host:
            raise _bad("expected an IPv6 address without a zone: it means another network on each host")
        if not _is_address(host) or ":" not in host:
            raise _bad("expected an IPv6 address in brackets")
        host = str(ip_address(host))
    else:
        host, colon, port = authority.partition(":")
        port, host = colon + port, host.lower().removesuffix(".")
        _check_name(host)
    if port and not (port[0] == ":" and port[1:].isdigit() and 1 <= int(port[1:6] or 0) <= 65_535 and len(port) <= 6):
        raise _bad("expected a port from 1 to 65535")
    return host


def _check_name(host: str) -> None:
    labels = host.split(".")
    if not 0 < len(host) <= 253 or not all(_LABEL.match(label) for label in labels):
        raise _bad("expected the name of a host")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        # Resolvers take "2130706433" and "0x7f.1" for addresses.
        if not _is_address(host):
            raise _bad("expected an IPv4 address of four numbers")
        return
    try:
        for label in labels:
            if label.startswith("xn--"):
                idna.ulabel(label)
    except (idna.IDNAError, UnicodeError) as error:
        raise _bad("expected a name whose xn-- labels can be read (RFC 5891)") from error


async def addresses_of(host: str) -> list[Address]:
    """Every address of a host, in the resolver's order. Raises OSError: it has none."""
    if _is_address(host):
        return [ip_address(host)]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(str(error)) from error
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise OSError("no address")
    return addresses


def _problem(address: Address, host: str, *, private: bool) -> str:
    """Why a hook may not lead there; empty if it may."""
    plain = _embedded(address) if isinstance(address, IPv6Address) else address
    is_private = plain.is_private or plain.is_loopback or plain in _SHARED
    is_reserved = plain.is_reserved and not plain.is_loopback
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified or is_reserved:
        return "its host is a link-local, multicast or reserved address: no hook may lead there"
    if is_private and not private and not (plain.is_loopback and _is_loopback(host)):
        return "its host is, or resolves to, a private address; if that is meant, add the hook with --private"
    return ""


def _embedded(address: IPv6Address) -> Address:
    """The IPv4 address that a translator would send it on to, or itself."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _plain(host: str) -> str:
    """A host as it is compared: an address in its short form, a name in small letters without a final dot."""
    host = host.strip("[]").lower().removesuffix(".")
    return str(ip_address(host)) if _is_address(host) else host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _is_loopback(host: str) -> bool:
    return ip_address(host).is_loopback if _is_address(host) else host == "localhost"


def _bad(detail: str) -> BadRequest:
    return BadRequest("bad_hook_url", detail)

"""Who really calls and what was really asked, behind reverse proxies: trusted peers and X-Forwarded-*.

Only a peer the operator named is believed, and only these headers, in exactly this spelling: X-Forwarded-For, and for a
forward-auth sub-request X-Forwarded-Method, -Uri, -Host, -Proto. X-Real-IP, Forwarded, X-Forwarded-Prefix, -Port and
`X_Forwarded_*` never say anything. The server below must leave the peer alone (uvicorn: `proxy_headers=False`).
"""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from socket import AF_INET, inet_pton
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote

from .problems import MiddlewareError

Headers: TypeAlias = list[tuple[bytes, bytes]]
_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

#: How a peer on a Unix socket is called; it has no address.
UNIX: Final = "unix:"
#: Longer targets are refused; nginx takes 8 KiB for a whole request line unless told otherwise.
MAX_TARGET_BYTES: Final = 16_384
#: No address is longer, with brackets and port.
MAX_ADDRESS_CHARS: Final = 64
#: A name of 255 bytes and a port.
MAX_HOST_BYTES: Final = 261
#: Addresses remembered; then all are forgotten, which bounds the memory at no cost a request.
MAX_SEEN: Final = 4_096
#: Hops of X-Forwarded-For that are looked at; what lies further left is junk.
MAX_HOPS: Final = 32

_STRANGE_UNIX: Final = (UNIX, False)
_METHOD: Final = re.compile(rb"[A-Z]+(?:-[A-Z]+)*")
_TARGET: Final = re.compile(rb"/[!-\"$-~\x80-\xff]*|\*")
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
    rb"|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?"
)
_HOP: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::([0-9]{1,5}))?|([0-9.]{7,15})(?::([0-9]{1,5}))?")
#: Everything that is visible ASCII passes through; only bytes from 0x80 up are percent-encoded.
_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))

_ORIGINAL: Final = frozenset({b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto"})


class ForwardedError(MiddlewareError):
    """A trusted proxy passed on something no proxy should; 400, and `code` says what."""

    def __init__(self, code: str) -> None:
        super().__init__(400, code, "Bad request", "the forwarded request is malformed")


class OriginalRequest(NamedTuple):
    """The request a proxy asks about.

    `target` is the raw origin-form target, percent-encoding untouched and visible ASCII only. `host` is in lower case,
    with its port if it was sent. `scheme` is "http" or "https".
    """

    method: str
    target: str
    host: str
    scheme: str
    client_address: str


class TrustedProxies:
    """The peers whose word is taken: addresses, networks, and "unix:" for any peer on a Unix socket."""

    __slots__ = ("_ipv4", "_networks", "_seen", "_unix")

    def __init__(self, networks: Iterable[_Network], *, unix: bool = False) -> None:
        self._networks = tuple(networks)
        self._ipv4 = [(int(n.network_address), int(n.netmask)) for n in self._networks if isinstance(n, IPv4Network)]
        self._unix = unix
        #: Canonical spelling and verdict by address as spelled: the same few proxies and the clients of the moment come
        #: again and again, and parsing is dear (`original_request`: 2.3 us instead of 7.3).
        self._seen: dict[str, tuple[str, bool] | None] = {}

    @classmethod
    def parse(cls, text: str) -> "TrustedProxies":
        """From a list such as "127.0.0.1,::1,10.0.0.0/8,unix:"; empty trusts nobody.

        Raises ValueError that names all bad items at once. A network of everybody (0.0.0.0/0, ::/0, "*") is one: then
        any client could say who it is.
        """
        networks: list[_Network] = []
        bad: list[str] = []
        unix = False
        for item in filter(None, map(str.strip, text.split(","))):
            if item == UNIX:
                unix = True
                continue
            try:
                networks.append(_network(item))
            except ValueError as error:
                bad.append(f"{item!r} ({error})")
        if bad:
            raise ValueError(f'expected addresses, networks or "unix:", separated by commas; got {", ".join(bad)}')
        return cls(networks, unix=unix)

    def trusts(self, peer: str) -> bool:
        """Whether `peer` is one of them; IPv4 inside IPv6 (`::ffff:10.0.0.1`) counts as IPv4, junk as a stranger."""
        known = self._known(peer)
        return known is not None and known[1]

    def _known(self, text: str) -> tuple[str, bool] | None:
        """The canonical spelling of an address and whether it is trusted; None for junk."""
        try:
            return self._seen[text]
        except KeyError:
            pass
        known: tuple[str, bool] | None = None
        if text == UNIX:
            known = (UNIX, self._unix)
        else:
            known = self._known_ipv4(text)
            address = _hop_address(text) if known is None else None
            if address is not None:
                # An address is never inside a network of the other version.
                known = (str(address), any(address in network for network in self._networks))
        if len(text) <= MAX_ADDRESS_CHARS:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen[text] = known
        return known

    def _known_ipv4(self, text: str) -> tuple[str, bool] | None:
        """As `_known` for an IPv4 address in its one canonical spelling: 1 us instead of 8; None for all others."""
        try:
            packed = inet_pton(AF_INET, text)
        except (OSError, ValueError):
            return None
        number = int.from_bytes(packed, "big")
        return text, any(number & mask == network for network, mask in self._ipv4)

    def client_address(self, peer: str, headers: Headers) -> str:
        """The address of the client, in canonical spelling, as far back as trusted hops vouch for it.

        X-Forwarded-For (all of its headers, joined) is walked from the right, past trusted hops, to the first address
        that is not. A hop that is no address stops the walk at the one who said it. "unix:" if nothing better is known.
        """
        return self._walk(peer, b",".join([value for name, value in headers if name == b"x-forwarded-for"]))

    def _walk(self, peer: str, said: bytes) -> str:
        known = self._known(peer)
        if known is None:
            return peer
        client, trusted = known
        if not trusted or not said:
            return client
        for element in reversed(said.rsplit(b",", MAX_HOPS)):
            known = self._known(element.strip(b" \t").decode("latin-1"))
            # A Unix socket that is not trusted has no business in the list.
            if known is None or known == _STRANGE_UNIX:
                break
            client, trusted = known
            if not trusted:
                break
        return client

    def original_request(self, peer: str, headers: Headers) -> OriginalRequest | None:
        """The request that a trusted proxy asks about; None if the peer is not trusted or does not ask.

        It asks if it sends X-Forwarded-Method or X-Forwarded-Uri; then all four must be there. Raises ForwardedError
        with `code` forwarded_duplicate, forwarded_incomplete, forwarded_method, forwarded_target, forwarded_host,
        forwarded_scheme or forwarded_hop_by_hop (Connection names one of them: somebody wants it dropped on the way).
        """
        if not self.trusts(peer):
            return None
        found: dict[bytes, bytes] = {}
        said = b""
        for name, value in headers:
            if name in _ORIGINAL:
                if name in found:
                    raise ForwardedError("forwarded_duplicate")
                found[name] = value
            elif name == b"x-forwarded-for":
                said = said + b"," + value if said else value
            elif name == b"connection" and b"x-forwarded" in value.lower():
                raise ForwardedError("forwarded_hop_by_hop")
        method = found.get(b"x-forwarded-method")
        target = found.get(b"x-forwarded-uri")
        if method is None and target is None:
            return None
        host = found.get(b"x-forwarded-host")
        scheme = found.get(b"x-forwarded-proto")
        if method is None or target is None or host is None or scheme is None:
            raise ForwardedError("forwarded_incomplete")
        return OriginalRequest(_method(method), _target(target), _host(host), _scheme(scheme), self._walk(peer, said))


def _network(text: str) -> _Network:
    if "%" in text:
        raise ValueError("has a zone")
    network = ip_network(text)
    if network.prefixlen == 0:
        raise ValueError("trusts everybody")
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            if network.prefixlen == 96:
                raise ValueError("trusts everybody")
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _parsed(text: str) -> _Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _address(text: str) -> _Address | None:
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _hop_address(hop: str) -> _Address | None:
    """The address in one element of X-Forwarded-For; some proxies add the port, and then brackets around IPv6."""
    match = _HOP.fullmatch(hop)
    if match is None:
        return None if "%" in hop else _address(hop)
    six, six_port, four, four_port = match.groups()
    if int(six_port or four_port or 0) > 65_535 or (six and ":" not in six):
        return None
    return _address(six or four)


def _method(raw: bytes) -> str:
    # Only the capitals of registered methods: a "get" that is not GET would be safe for one rule and not for another.
    if len(raw) > 32 or _METHOD.fullmatch(raw) is None:
        raise ForwardedError("forwarded_method")
    return raw.decode("ascii")


def _target(raw: bytes) -> str:
    # Absolute form, fragments, spaces and control characters never leave a sound proxy; the path is judged by others.
    if len(raw) > MAX_TARGET_BYTES or _TARGET.fullmatch(raw) is None:
        raise ForwardedError("forwarded_target")
    return raw.decode("ascii") if raw.isascii() else quote(raw, safe=_VISIBLE)


def _host(raw: bytes) -> str:
    match = _HOST.fullmatch(raw) if len(raw) <= MAX_HOST_BYTES else None
    if match is None or int(match[2] or 0) > 65_535:
        raise ForwardedError("forwarded_host")
    if match[1] is not None and not isinstance(_parsed(match[1].decode("ascii")), IPv6Address):
        raise ForwardedError("forwarded_host")
    return raw.decode("ascii").lower()


def _scheme(raw: bytes) -> str:
    scheme = raw.lower()
    if scheme == b"https":
        return "https"
    if scheme == b"http":
        return "http"
    raise ForwardedError("forwarded_scheme")

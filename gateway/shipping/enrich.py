"""What a request tells about its sender: device kind, machine or person, language, and a shortened address.

The full address and the user agent end here: neither goes on to the warehouse.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from latchstring_middleware.forwarded import TrustedProxies

from ..beacons.payload import RawHit
from ..devices.names import describe
from .decode import header

#: A request id longer than this is none of our proxy's.
MAX_HIT_ID_BYTES: Final = 128


class Sender(NamedTuple):
    """What is kept of the one who sent a hit."""

    hit_id: str | None
    device_kind: str
    os: str
    client: str
    language: str
    address_prefix: str
    #: Why this is no person looking: "bot", "prefetch" or "head"; None for all others.
    machine: str | None
    gpc: bool
    dnt: bool


@lru_cache(maxsize=16_384)
def truncated(address: str) -> str:
    """The network of an address: /24 for IPv4, /48 for IPv6; empty for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    return str(ip_network((parsed.packed, 24 if parsed.version == 4 else 48), strict=False))


@lru_cache(maxsize=4_096)
def _language(accept: bytes) -> str:
    first = accept[:64].decode("latin-1").split(",", 1)[0].split(";", 1)[0].strip()
    return first if first.replace("-", "").isalnum() and first.isascii() and len(first) <= 35 else ""


def sender_of(hit: RawHit, trusted: TrustedProxies) -> Sender:
    """The sender of a hit. Request id and X-Forwarded-For are believed only if a trusted proxy brought them."""
    hit_id = None
    proxied = trusted.trusts(hit.peer)
    if proxied and (said := header(hit, b"x-latch-hit")) and len(said) <= MAX_HIT_ID_BYTES and said.isascii():
        hit_id = said.decode("ascii")
    agent = describe(header(hit, b"user-agent").decode("latin-1"))
    return Sender(
        hit_id,
        agent.kind,
        agent.os,
        agent.client,
        _language(header(hit, b"accept-language")),
        truncated(trusted.client_address(hit.peer, hit.headers)),
        _machine(hit, agent.kind),
        header(hit, b"sec-gpc") == b"1",
        header(hit, b"dnt") == b"1",
    )


def _machine(hit: RawHit, kind: str) -> str | None:
    if header(hit, b"sec-purpose").startswith(b"prefetch") or header(hit, b"purpose") in (b"prefetch", b"preview"):
        return "prefetch"
    if kind == "bot":
        return "bot"
    return "head" if hit.method == b"HEAD" else None


def without_address(hit: RawHit, trusted: TrustedProxies) -> RawHit:
    """The hit as a dead letter may keep it: the client's shortened address as peer, no X-Forwarded-For, no cookie."""
    return RawHit(
        hit.format,
        hit.source,
        hit.received_at_ms,
        truncated(trusted.client_address(hit.peer, hit.headers)),
        hit.method,
        hit.target,
        [(name, value) for name, value in hit.headers if name not in (b"x-forwarded-for", b"cookie")],
        hit.body,
        hit.body_bytes,
    )

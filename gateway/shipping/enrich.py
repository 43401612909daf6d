"""What a request tells about its sender: device kind, machine or person, language, and a shortened address.

The full address and the user agent end here: neither goes on to the warehouse.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from latchstring_middleware.forwarded import TrustedProxies

from ..beacons.payload import RawHit
from ..devices.names import describe
from .event import header

#: A request id longer than this is none of our proxy's.
MAX_HIT_ID_BYTES: Final = 128


class Sender(NamedTuple):
    """What is kept of the one who sent a hit. Fields with a column of the same name are told in columns.py."""

    device_kind: str
    os: str
    client: str
    language: str
    address_prefix: str
    gpc: bool
    dnt: bool
    country: str | None
    asn: int | None
    provider: str | None
    #: The request id that a trusted proxy gave it.
    hit_id: str | None
    #: Why this is no person looking, as far as the request's head says.
    machine: str | None


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
        device_kind=agent.kind,
        os=agent.os,
        client=agent.client,
        language=_language(header(hit, b"accept-language")),
        address_prefix=truncated(trusted.client_address(hit.peer, hit.headers)),
        gpc=header(hit, b"sec-gpc") == b"1",
        dnt=header(hit, b"dnt") == b"1",
        country=None,
        asn=None,
        provider=None,
        hit_id=hit_id,
        machine=_machine(hit, agent.kind),
    )


def _machine(hit: RawHit, kind: str) -> str | None:
    purpose = header(hit, b"sec-purpose")
    if purpose.startswith(b"prefetch"):
        return "prerender" if b"prerender" in purpose else "prefetch"
    if header(hit, b"purpose") in (b"prefetch", b"preview"):
        return "prefetch"
    if kind == "bot":
        return "bot"
    return "head" if hit.method == b"HEAD" else None


def without_address(hit: RawHit, trusted: TrustedProxies, alone: bytes = b"") -> RawHit:
    """The hit as a dead letter may keep it: the client's shortened address as peer, no X-Forwarded-For, no cookie.

    `alone` takes the body's place where only one event of it was refused.
    """
    return RawHit(
        hit.format,
        hit.source,
        hit.received_at_ms,
        truncated(trusted.client_address(hit.peer, hit.headers)),
        hit.method,
        hit.target,
        [(name, value) for name, value in hit.headers if name not in (b"x-forwarded-for", b"cookie")],
        alone or hit.body,
        len(alone) or hit.body_bytes,
    )

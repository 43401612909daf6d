"""Visitors as the collector meets them: their cookies, their banners' TCF strings, and where they are."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.policy import PeoplePolicy
from latchstring_gateway.shipping.pseudonyms import Pseudonyms
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import Choices, VisitorToken

RING = KeyRing.from_json(dump([RingKey("tEst01", KeyState.ACTIVE, 0, 0, bytes(range(32)))]), ManualClock())
CODEC = Codec(RING)
PSEUDONYMS = Pseudonyms(bytes(range(32)))

Header = tuple[bytes, bytes]


def choices(*, analytics: bool, sharing: bool = False) -> bytes:
    """The pair of a choices cookie."""
    return b"__Host-choices=" + CODEC.seal(Choices(analytics, sharing, "1", 0))


def visitor(name: bytes) -> bytes:
    """The pair of a visitor cookie."""
    return b"__Host-visitor=" + CODEC.seal(VisitorToken(name.ljust(16, b"."), 0))


def cookies(*pairs: bytes) -> Header:
    """The header that carries them."""
    return b"cookie", b"; ".join(pairs)


def who_agreed(name: bytes) -> list[Header]:
    """The headers of a visitor who has agreed to analytics."""
    return [cookies(choices(analytics=True), visitor(name))]


def tcf(agreed: Iterable[int], *, version: int = 2) -> str:
    """The core of a TCF string: that version, zeroes about the banner, these purposes, no vendors."""
    bits = version << (240 - 6)
    for number in agreed:
        bits |= 1 << (240 - 152 - number)
    return urlsafe_b64encode(bits.to_bytes(30, "big")).decode()


def people(**options: Any) -> PeoplePolicy:
    """A policy on the keys above."""
    return PeoplePolicy(RING, PSEUDONYMS, **options)


def place_file(path: Path, places: Mapping[str, Any]) -> Path:
    """A MaxMind DB of these networks."""
    writer = MMDBWriter(6, ipv4_compatible=True, database_type="Test")
    for network, record in places.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path

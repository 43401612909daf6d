"""Visitors as the collector meets them: their cookies, their banners' TCF strings, and where they are."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from harness.evidence import breaks
from harness.hits import NOW_MS, TRUSTED
from latchstring_gateway.clock import Clock, ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.ids import new_id
from latchstring_gateway.shipping.erasures import Erased, Erasure, Erasures, subjects
from latchstring_gateway.shipping.policy import PeoplePolicy
from latchstring_gateway.shipping.pseudonyms import Pseudonyms
from latchstring_gateway.shipping.run import Shipper
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


def forgetting_shipper(data_dir: Path, clock: Clock) -> Shipper:
    """A shipper that knows people, and who was erased."""
    policy = people(erased=None if breaks("forgets-who-was-erased") else Erased(Erasures(data_dir / "warehouse")))
    return Shipper(data_dir, clock, TRUSTED, policies=policy.now)


def erasing_house(data_dir: Path, clock: Clock, **options: Any) -> House:
    """Housekeeping that erases them."""
    return House(data_dir, clock, pseudonyms=PSEUDONYMS, **options)


def ask_to_erase(
    data_dir: Path,
    *,
    users: Iterable[str] = (),
    visitors: Iterable[bytes] = (),
    trackers: Iterable[str] = (),
    recipients: Iterable[str] = (),
    at_ms: int = NOW_MS,
) -> str:
    """Request an erasure; gives its id. Visitors by the names that `visitor` takes."""
    asked = Erasure(
        id=new_id(),
        requested_at_ms=at_ms,
        subjects=subjects(
            PSEUDONYMS,
            users=users,
            visitors=[name.ljust(16, b".") for name in visitors],
            trackers=trackers,
            recipients=recipients,
        ),
    )
    Erasures(data_dir / "warehouse").write(asked)
    return asked.id


def files_with(directory: Path, text: str) -> list[Path]:
    """Files below a directory that hold a text; Parquet is compressed, so it is read."""
    found = []
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if data[:4] == b"PAR1":
                data = str(pq.read_table(path).to_pylist()).encode()
            if text.encode() in data:
                found.append(path)
    return found


def place_file(path: Path, places: Mapping[str, Any]) -> Path:
    """A MaxMind DB of these networks."""
    writer = MMDBWriter(6, ipv4_compatible=True, database_type="Test")
    for network, record in places.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path

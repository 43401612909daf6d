"""Claims to the index of what was counted: the key of a hit or event, its print, and the place that wants to count."""

import hashlib
import struct
from typing import Final, Literal, NamedTuple, TypeAlias

#: Copied for each key, which takes half the time of making one anew.
_HIT: Final = hashlib.blake2b(digest_size=16, person=b"hit")
_EVENT: Final = hashlib.blake2b(digest_size=16, person=b"event")
_ONE: Final = struct.Struct("<q")
_TWO: Final = struct.Struct("<qq")


class Claim(NamedTuple):
    """A key, the place that wants to count it, and the print of what stands there."""

    key: int
    offset: int
    #: Which event of the hit; -1 for the hit itself.
    unit: int
    print: int
    at_ms: int


class Owner(NamedTuple):
    """Where the one that counts stands."""

    segment: str
    at_ms: int
    offset: int
    unit: int


#: "duplicate": the same was counted. "conflict": something else was counted under the same event id.
Verdict: TypeAlias = Literal["duplicate", "conflict"]


def hit_claim(hit_id: str, *, at_ms: int, offset: int) -> Claim:
    """The claim of a hit to the request id that a proxy gave it."""
    hashed = _HIT.copy()
    hashed.update(hit_id.encode())
    key, print_ = _TWO.unpack(hashed.digest())
    return Claim(key, offset, -1, print_, at_ms)


def event_claim(event_id: str, fingerprint: bytes, *, at_ms: int, offset: int, unit: int) -> Claim:
    """The claim of an event to its own id; of two with the same key, those with the same print say the same."""
    hashed = _EVENT.copy()
    hashed.update(event_id.encode())
    key, rest = _TWO.unpack(hashed.digest())
    # The rest of the id's hash keeps apart, should ever two ids have one key, events that say the same under both.
    return Claim(key, offset, unit, rest ^ _ONE.unpack_from(fingerprint)[0], at_ms)


def other_claim(claim: Claim) -> Claim:
    """The same claim, by the key for events whose own id is another event's already."""
    said = _TWO.pack(claim.key, claim.print)
    return claim._replace(key=_ONE.unpack(hashlib.blake2b(said, digest_size=8, person=b"other").digest())[0])

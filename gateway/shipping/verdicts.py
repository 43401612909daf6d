"""What will become of each event of a body, told to a sender who asks; by the same reader as the shipper's.

    {"events": [{"verdict": "good"}, {"verdict": "bad", "code": "bad_page"}, {"verdict": "duplicate"}]}

A good event's `dropped` names by code what of it could not be read and was left out: ["bad_referrer"].
`duplicate` is said of a copy within the body: whether an event came before in another one is the shipper's knowledge.
`conflict` is true for an event that has another one's id and says something else; it counts.
"""

import msgspec

from ..beacons.payload import RawHit
from .decode import units
from .event import Event, Rejected


class _Told(msgspec.Struct, omit_defaults=True):
    verdict: str
    code: str = ""
    conflict: bool = False
    dropped: list[str] = []


class _Answer(msgspec.Struct):
    events: list[_Told]


def verdicts(hit: RawHit) -> bytes:
    """The answer in JSON, an entry for each event in order; never raises, whatever the hit holds."""
    told: list[_Told] = []
    said: dict[str, set[bytes]] = {}
    for unit in units(hit):
        if isinstance(unit, Rejected):
            told.append(_Told("bad", unit.reason))
            continue
        before = said.setdefault(unit.event_id, set()) if unit.event_id is not None else set()
        verdict = "duplicate" if unit.fingerprint in before else "good"
        dropped = unit.dropped.split(" ") if unit.dropped else []
        told.append(_Told(verdict, conflict=_conflicts(unit, before), dropped=dropped))
        before.add(unit.fingerprint)
    return msgspec.json.encode(_Answer(told))


def _conflicts(event: Event, before: set[bytes]) -> bool:
    return bool(before) and event.fingerprint not in before

"""What stands in mails: a signed link that was followed is a click, a signed pixel that was fetched an open.

Their tokens were opened at the door; the body of the hit says what they said (beacons/payload.MailHit). Who fetched it
is judged here (mail_fetch.py).
"""

import hashlib
from typing import Final

import msgspec

from ..beacons.payload import LINK, OPEN, MailHit, RawHit
from .enrich import Sender
from .event import Event, Rejected, Unit
from .mail_fetch import who_fetched

SOURCES: Final = frozenset({LINK, OPEN})
_TYPES: Final = {LINK: "click", OPEN: "open"}

_decode: Final = msgspec.json.Decoder(MailHit).decode


def units(hit: RawHit) -> list[Unit]:
    """The one event of such a hit. When the mail was sent stands in its properties, for reports of how soon."""
    try:
        said = _decode(hit.body)
    except ValueError:
        return [Rejected("not_a_mail_hit")]
    event = Event(
        type=_TYPES[hit.source],
        page=None,
        host=None,
        event_id=None,
        occurred_at=None,
        properties=msgspec.json.encode({"mailed_at_ms": said.sent_at_ms}).decode(),
        fingerprint=hashlib.blake2b(hit.body, digest_size=16).digest(),
        campaign=said.campaign,
        link=said.link or None,
        message=said.message or None,
        recipient=said.recipient or None,
    )
    return [event]


def attributed(unit: Unit, hit: RawHit, sender: Sender) -> Unit:
    """The event with who fetched it, as far as the request and its sender tell."""
    if isinstance(unit, Rejected):
        return unit
    fetched = who_fetched(hit, sender, _decode(hit.body).sent_at_ms)
    # What the head says plainly (head, prefetch, prerender) is told so; a bot is whoever looks at mails for others.
    plain = sender.machine if sender.machine != "bot" else None
    machine = fetched.by if fetched.by in ("privacy_proxy", "scanner") else None
    return unit._replace(fetched_by=fetched.by, rule=fetched.rule, machine=plain or machine)

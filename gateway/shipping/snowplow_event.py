"""From the parameters of Snowplow's tracker protocol to an event: which are columns, and what becomes of the rest.

e        what happened: pv view, pp viewing, se structured:category:action, tr transaction, ti transaction_item,
         ue as its schema says
eid      UUID of the event; a retry carries the same
dtm stm  when it happened and when it was sent, by the sender's clock; ttm when it happened, by a clock that is right
url      the page; page, host and campaign (utm_campaign) are taken from it
aid p    the app, the platform
sid uid duid nuid tnuid   session, user, visitor: for the policy to keep or drop
ua       agent of whom a server speaks of: tells his device, and is dropped; ip, his address, is dropped as it is

All others are properties, as they were sent; `ue` and `co` are those of ue_pr or ue_px and co or cx, decoded.
"""

import hashlib
import re
from typing import Any, Final, TypeAlias

import msgspec

from ..beacons.payload import NETWORK_USER, RawHit
from .event import Event, RefusalError, header
from .numbers import instant_ms
from .own_fields import FIELDS, LABEL
from .page_address import CONTROL, PageAddress, page_address
from .properties import note, written
from .query import parameters
from .self_describing import SelfDescribing, read_base64, read_json, self_describing
from .snowplow_schemas import Meaning, meaning_of, person_in, viewing_in, without_person

Parameters: TypeAlias = dict[str, str]

MAX_PROPERTIES_BYTES: Final = 64 * 1024

_TYPES: Final = {
    "pv": "view",
    "pp": "viewing",
    "se": "structured",
    "tr": "transaction",
    "ti": "transaction_item",
}
#: Those whose value stands in a column, and those that must not stand in any.
_NO_PROPERTIES: Final = frozenset(
    "e eid dtm stm ttm aid p sid uid duid nuid tnuid ip ua fp mac ue_pr ue_px co cx".split()  # noqa: SIM905 - shorter to read
)
#: A retry says the same but for these.
_NOT_IN_FINGERPRINT: Final = frozenset({"eid", "stm", "nuid", "cv"})
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NO_LABEL: Final = re.compile(r"[^A-Za-z0-9_.\-]+")
_MAX_TEXT: Final = 255
_NO_PAGE: Final = PageAddress(None, "")
#: Of what a funnel may ask for.
_MAX_TYPE: Final = 64


def event_of(fields: Parameters, hit: RawHit, dropped: list[str]) -> Event:
    """The event; RefusalError if these parameters are none: for their type, or a page view's page.

    What else cannot be read is left out; `dropped` says so by code, besides what it says already.
    """
    kind = fields.get("e")
    if kind != "ue" and kind not in _TYPES:
        raise RefusalError("no_type" if kind is None else "unknown_type")
    about = _about(fields) if kind == "ue" else None
    contexts = _contexts(fields, dropped)
    means = Meaning(_plain_type(fields)) if about is None else meaning_of(about, contexts)
    where = _page(fields, hit, dropped, must=kind == "pv")
    session, visitor = person_in(contexts)
    true_time = _time(fields, "ttm", dropped)
    screen = means.page is not None
    event = Event(
        type=means.type,
        page=means.page if screen else where.page or None,
        host=where.host,
        event_id=_event_id(fields, dropped),
        occurred_at=_time(fields, "dtm", dropped) if true_time is None else true_time,
        properties=_properties(fields, about, contexts, dropped),
        fingerprint=_fingerprint(fields),
        # By a clock that is right there is nothing to correct.
        sent_at=_time(fields, "stm", dropped) if true_time is None else None,
        app=_text(fields, "aid", dropped) or where.app,
        platform=_platform(fields, dropped),
        session=_text(fields, "sid", dropped) or session,
        user=_text(fields, "uid", dropped),
        campaign=_campaign(fields, dropped),
        referrer_host=_referrer_host(fields, dropped),
        link=means.link,
        media=means.media,
        play_state=means.play_state,
        position_ms=means.position_ms,
        playback_rate=means.playback_rate,
        viewing=viewing_in(contexts),
        scheme=where.scheme,
        page_raw=None if screen else where.raw,
        visitor=_visitor(fields, visitor, hit, dropped),
        agent=fields.get("ua") or None,
    )
    return event._replace(dropped=" ".join(sorted(dropped))) if dropped else event


def _plain_type(fields: Parameters) -> str:
    """The type of an event without a schema; a structured one's tells category and action, as reports ask for types."""
    kind = _TYPES[fields["e"]]
    if kind != "structured":
        return kind
    words = [_NO_LABEL.sub("_", fields[name]) for name in ("se_ca", "se_ac") if fields.get(name)]
    return ":".join([kind, *words])[:_MAX_TYPE]


def _about(fields: Parameters) -> SelfDescribing:
    """What a self-describing event says."""
    outer = _described(fields, "ue_pr", "ue_px", "bad_event")
    if outer is None:
        raise RefusalError("no_event")
    if outer.name != "unstruct_event":
        raise RefusalError("bad_event")
    return self_describing(outer.data, "bad_event")


def _contexts(fields: Parameters, dropped: list[str]) -> list[SelfDescribing]:
    """What an event carries along, each context good or left out by itself."""
    found: list[SelfDescribing] = []
    for names in (("co", ""), ("", "cx")):
        try:
            outer = _described(fields, *names, "bad_contexts")
            if outer is None:
                continue
            if outer.name != "contexts" or not isinstance(outer.data, list):
                raise RefusalError("bad_contexts")
        except RefusalError as refusal:
            note(dropped, str(refusal))
            continue
        for context in outer.data:
            try:
                found.append(self_describing(context, "bad_contexts"))
            except RefusalError as refusal:
                note(dropped, str(refusal))
    return found


def _described(fields: Parameters, plain: str, coded: str, refusal: str) -> SelfDescribing | None:
    """The JSON under the first of two names, or in base64 under the other; decoded once and once only."""
    if text := fields.get(plain):
        return self_describing(read_json(text.encode(), refusal), refusal)
    if text := fields.get(coded):
        return self_describing(read_json(read_base64(text, refusal), refusal), refusal)
    return None


def _event_id(fields: Parameters, dropped: list[str]) -> str | None:
    event_id = fields.get("eid", "").lower()
    if event_id and _UUID.fullmatch(event_id) is None:
        note(dropped, "bad_id")
        return None
    return event_id or None


def _time(fields: Parameters, name: str, dropped: list[str]) -> int | None:
    text = fields.get(name)
    if not text:
        return None
    at = instant_ms(text)
    if at is None:
        note(dropped, "bad_time")
    return at


def _text(fields: Parameters, name: str, dropped: list[str]) -> str | None:
    text = fields.get(name)
    if not text:
        return None
    if len(text) > _MAX_TEXT or CONTROL.search(text):
        note(dropped, f"bad_{name}")
        return None
    return text


def _platform(fields: Parameters, dropped: list[str]) -> str | None:
    platform = fields.get("p")
    if not platform:
        return None
    if LABEL.fullmatch(platform) is None:
        note(dropped, "bad_platform")
        return None
    return platform


def _visitor(fields: Parameters, told: str | None, hit: RawHit, dropped: list[str]) -> str | None:
    """The steadiest pseudonym there is: the tracker's own, then what a server says, then our cookie's."""
    said = _text(fields, "duid", dropped) or told or _text(fields, "tnuid", dropped) or _text(fields, "nuid", dropped)
    # A server may pass our whole cookie on: the id, and behind it the seal.
    if said and said[36:37] == "." and _UUID.fullmatch(said[:36].lower()):
        return said[:36]
    return said or header(hit, NETWORK_USER).decode("ascii", "replace") or None


def _page(fields: Parameters, hit: RawHit, dropped: list[str], *, must: bool) -> PageAddress:
    """Where the page is, as far as it is one; where it must be, the Referer's if no other is told."""
    said = fields.get("url") or (header(hit, b"referer").decode("utf-8", "replace") if must else "")
    if not said:
        if must:
            raise RefusalError("no_page")
        return _NO_PAGE
    try:
        return page_address(said)
    except RefusalError:
        if must:
            raise
        note(dropped, "bad_page")
        return _NO_PAGE


def _column(name: str, said: str | None, dropped: list[str]) -> str | None:
    """The value, as the column of our own wire's field `name` takes it."""
    if not said:
        return None
    value: str | None = FIELDS[name][1](said)
    if value is None:
        note(dropped, f"bad_{name}")
    return value


def _referrer_host(fields: Parameters, dropped: list[str]) -> str | None:
    return _column("referrer", fields.get("refr"), dropped)


def _campaign(fields: Parameters, dropped: list[str]) -> str | None:
    query = fields.get("url", "").partition("#")[0].partition("?")[2]
    if "utm_campaign=" not in query:
        return None
    return _column("campaign", parameters(query.encode()).get("utm_campaign"), dropped)


def _properties(
    fields: Parameters, about: SelfDescribing | None, contexts: list[SelfDescribing], dropped: list[str]
) -> str | None:
    kept: dict[str, Any] = {name: value for name, value in fields.items() if name not in _NO_PROPERTIES}
    if about is not None:
        kept["ue"] = without_person(about).plain()
    if contexts:
        kept["co"] = [without_person(context).plain() for context in contexts]
    return written(kept, MAX_PROPERTIES_BYTES, dropped).decode() or None


def _fingerprint(fields: Parameters) -> bytes:
    said = sorted(field for field in fields.items() if field[0] not in _NOT_IN_FINGERPRINT)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=16).digest()

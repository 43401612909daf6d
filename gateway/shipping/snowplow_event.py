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
from .event import MAX_TIME_MS, Event, RefusalError, header
from .own_fields import CONTROL, FIELDS, LABEL
from .own_wire import host_and_path
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
_TIME: Final = re.compile(r"[0-9]{1,13}")
_NO_LABEL: Final = re.compile(r"[^A-Za-z0-9_.\-]+")
_MAX_TEXT: Final = 255
#: Of what a funnel may ask for.
_MAX_TYPE: Final = 64


def event_of(fields: Parameters, hit: RawHit) -> Event:
    """The event; RefusalError if these parameters are none."""
    kind = fields.get("e")
    if kind != "ue" and kind not in _TYPES:
        raise RefusalError("no_type" if kind is None else "unknown_type")
    about = _about(fields) if kind == "ue" else None
    contexts = _contexts(fields)
    means = Meaning(_plain_type(fields)) if about is None else meaning_of(about, contexts)
    host, page = _page(fields, hit, must=kind == "pv")
    session, visitor = person_in(contexts)
    true_time = _time(fields, "ttm")
    return Event(
        type=means.type,
        page=page if means.page is None else means.page,
        host=host,
        event_id=_event_id(fields),
        occurred_at=_time(fields, "dtm") if true_time is None else true_time,
        properties=_properties(fields, about, contexts),
        fingerprint=_fingerprint(fields),
        # By a clock that is right there is nothing to correct.
        sent_at=_time(fields, "stm") if true_time is None else None,
        app=_text(fields, "aid"),
        platform=_platform(fields),
        session=_text(fields, "sid") or session,
        user=_text(fields, "uid"),
        campaign=_campaign(fields),
        referrer_host=_referrer_host(fields),
        link=means.link,
        media=means.media,
        play_state=means.play_state,
        position_ms=means.position_ms,
        playback_rate=means.playback_rate,
        viewing=viewing_in(contexts),
        visitor=_visitor(fields, visitor, hit),
        agent=fields.get("ua") or None,
    )


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


def _contexts(fields: Parameters) -> list[SelfDescribing]:
    """What an event carries along."""
    found: list[SelfDescribing] = []
    for outer in (_described(fields, "co", "", "bad_contexts"), _described(fields, "", "cx", "bad_contexts")):
        if outer is None:
            continue
        if outer.name != "contexts" or not isinstance(outer.data, list):
            raise RefusalError("bad_contexts")
        found += [self_describing(context, "bad_contexts") for context in outer.data]
    return found


def _described(fields: Parameters, plain: str, coded: str, refusal: str) -> SelfDescribing | None:
    """The JSON under the first of two names, or in base64 under the other; decoded once and once only."""
    if text := fields.get(plain):
        return self_describing(read_json(text.encode(), refusal), refusal)
    if text := fields.get(coded):
        return self_describing(read_json(read_base64(text, refusal), refusal), refusal)
    return None


def _event_id(fields: Parameters) -> str | None:
    event_id = fields.get("eid", "").lower()
    if event_id and _UUID.fullmatch(event_id) is None:
        raise RefusalError("bad_id")
    return event_id or None


def _time(fields: Parameters, name: str) -> int | None:
    text = fields.get(name)
    if not text:
        return None
    if _TIME.fullmatch(text) is None or int(text) > MAX_TIME_MS:
        raise RefusalError("bad_time")
    return int(text)


def _text(fields: Parameters, name: str) -> str | None:
    text = fields.get(name)
    if not text:
        return None
    if len(text) > _MAX_TEXT or CONTROL.search(text):
        raise RefusalError(f"bad_{name}")
    return text


def _platform(fields: Parameters) -> str | None:
    platform = fields.get("p")
    if not platform:
        return None
    if LABEL.fullmatch(platform) is None:
        raise RefusalError("bad_platform")
    return platform


def _visitor(fields: Parameters, told: str | None, hit: RawHit) -> str | None:
    """The steadiest pseudonym there is: the tracker's own, then what a server says, then our cookie's."""
    said = _text(fields, "duid") or told or _text(fields, "tnuid") or _text(fields, "nuid")
    # A server may pass our whole cookie on: the id, and behind it the seal.
    if said and said[36:37] == "." and _UUID.fullmatch(said[:36].lower()):
        return said[:36]
    return said or header(hit, NETWORK_USER).decode("ascii") or None


def _page(fields: Parameters, hit: RawHit, *, must: bool) -> tuple[str | None, str | None]:
    """Host and path of the page, as far as it is one; where it must be, the Referer's if no other is told."""
    said = fields.get("url") or (header(hit, b"referer").decode("utf-8", "replace") if must else "")
    if not said:
        if must:
            raise RefusalError("no_page")
        return None, None
    try:
        return host_and_path(said)
    except RefusalError:
        if must:
            raise
        return None, None


def _referrer_host(fields: Parameters) -> str | None:
    referrer: str | None = FIELDS["referrer"][1](fields.get("refr"))
    return referrer


def _campaign(fields: Parameters) -> str | None:
    query = fields.get("url", "").partition("#")[0].partition("?")[2]
    if "utm_campaign=" not in query:
        return None
    try:
        campaign: str | None = FIELDS["campaign"][1](parameters(query.encode()).get("utm_campaign"))
    except RefusalError:
        return None
    return campaign


def _properties(fields: Parameters, about: SelfDescribing | None, contexts: list[SelfDescribing]) -> str | None:
    kept: dict[str, Any] = {name: value for name, value in fields.items() if name not in _NO_PROPERTIES}
    if about is not None:
        kept["ue"] = without_person(about).plain()
    if contexts:
        kept["co"] = [without_person(context).plain() for context in contexts]
    if not kept:
        return None
    try:
        text = msgspec.json.encode(kept, order="deterministic")
    except (ValueError, OverflowError, RecursionError):
        # What the reader takes the writer need not: it has limits of its own for depth and for whole numbers.
        raise RefusalError("bad_properties") from None
    if len(text) > MAX_PROPERTIES_BYTES:
        raise RefusalError("properties_too_long")
    return text.decode()


def _fingerprint(fields: Parameters) -> bytes:
    said = sorted(field for field in fields.items() if field[0] not in _NOT_IN_FINGERPRINT)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=16).digest()

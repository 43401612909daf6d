"""Our own wire: a pixel is one event, told by its query; a batch is one event per JSON object. The names of both:

e, type      what happened, [A-Za-z0-9][A-Za-z0-9_.:-]{0,63}; "view" unless told
p, page      path or URL of the page; the Referer's unless told; query and fragment are dropped
id           the tracker's own id of the event, 1 to 128 visible characters; a retry carries the same
t, time      when it happened by the sender's clock, milliseconds since the epoch
app, …       fields that have columns of their own: own_fields.py
all others   properties, kept as JSON
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from ..beacons.payload import RawHit
from .event import MAX_TIME_MS, Event, RefusalError, Rejected, Unit, header
from .faults import failed
from .own_fields import CONTROL, FIELDS, ID, LABEL, MAX_PATH_CHARS, PATH_END, URL, columns_of
from .query import parameters

MAX_PROPERTIES_BYTES: Final = 16 * 1024
MAX_EVENTS: Final = 1_000

_BODY_TYPES: Final = frozenset(
    {"", "application/json", "text/plain", "application/x-ndjson", "application/ndjson", "application/jsonl"}
)
#: Longer pages are not remembered.
_MAX_KNOWN: Final = 256
_KNOWN: Final = frozenset({"e", "type", "p", "page", "id", "t", "time"}) | FIELDS.keys()


def pixel(hit: RawHit) -> list[Unit]:
    """The one event of a pixel."""
    try:
        return [_event(_query(hit.target.partition(b"?")[2]), hit)]
    except RefusalError as refusal:
        return [Rejected(str(refusal))]


def _query(query: bytes) -> dict[str, Any]:
    """The parameters, times as numbers."""
    fields: dict[str, Any] = dict(parameters(query))
    for key in ("t", "time"):
        if key in fields:
            if not (fields[key].isascii() and fields[key].isdigit() and len(fields[key]) <= 13):
                raise RefusalError("bad_time")
            fields[key] = int(fields[key])
    return fields


def batch(hit: RawHit) -> list[Unit]:
    """The events of a batch: one object, an array of them, or one per line."""
    return _each(hit, _judge)


def bodies(hit: RawHit) -> list[bytes]:
    """For each unit of a batch a body that brings it alone; empty for what has none."""
    return [unit.alone for unit in _each(hit, _apart) if isinstance(unit, Rejected)]


def _each(hit: RawHit, judge: Callable[[Any, RawHit], Unit]) -> list[Unit]:
    if hit.body_bytes > len(hit.body):
        return [Rejected("body_too_long")]
    content_type = header(hit, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    body = hit.body
    if content_type not in _BODY_TYPES:
        return [Rejected("wrong_content_type")]
    if not body.strip():
        return [Rejected("empty_body")]
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _lines(body, hit, judge)
    if not isinstance(said, list):
        return [judge(said, hit)]
    if not said:
        return [Rejected("no_events")]
    if len(said) > MAX_EVENTS:
        return [Rejected("too_many_events")]
    return [judge(item, hit) for item in said]


def _lines(body: bytes, hit: RawHit, judge: Callable[[Any, RawHit], Unit]) -> list[Unit]:
    """NDJSON: a bad line spoils no other. A body that is one line is simply bad JSON."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_EVENTS:
        return [Rejected("too_many_events")]
    found: list[Unit] = []
    for line in lines:
        try:
            found.append(judge(msgspec.json.decode(line), hit))
        except (ValueError, RecursionError):
            found.append(Rejected("not_json", line))
    if all(isinstance(unit, Rejected) and unit.reason == "not_json" for unit in found):
        return [Rejected("not_json")]
    return found


def _judge(said: Any, hit: RawHit) -> Unit:
    try:
        if not isinstance(said, dict):
            raise RefusalError("not_an_object")
        return _event(said, hit)
    except RefusalError as refusal:
        return Rejected(str(refusal), _alone(said))
    except Exception as error:
        return failed("decode", error, _alone(said))


def _apart(said: Any, _hit: RawHit) -> Unit:
    return Rejected("", _alone(said))


def _alone(said: Any) -> bytes:
    """A value of a batch as a body of its own; an array stands in one, since as a body it would be several events."""
    try:
        return msgspec.json.encode([said] if isinstance(said, list) else said)
    except (ValueError, OverflowError, RecursionError):
        # What the reader takes the writer need not: it has limits of its own for depth and for whole numbers.
        return msgspec.json.encode(ascii(said)) if isinstance(said, int) else b'"too deep to be written again"'


def _event(fields: dict[str, Any], hit: RawHit) -> Event:
    kind = fields.get("type", fields.get("e", "view"))
    if kind != "view" and not (isinstance(kind, str) and LABEL.fullmatch(kind)):
        raise RefusalError("bad_type")
    event_id = fields.get("id")
    if event_id is not None and not (isinstance(event_id, str) and ID.fullmatch(event_id)):
        raise RefusalError("bad_id")
    at = fields.get("time", fields.get("t"))
    if at is not None and (isinstance(at, bool) or not isinstance(at, int) or not 0 <= at <= MAX_TIME_MS):
        raise RefusalError("bad_time")
    host, page = _page(fields.get("page", fields.get("p")), hit)
    rest = {name: value for name, value in fields.items() if name not in _KNOWN}
    try:
        properties = msgspec.json.encode(rest, order="deterministic") if rest else b""
    except (ValueError, OverflowError, RecursionError):
        # What the reader takes the writer need not: it has limits of its own for depth and for whole numbers.
        raise RefusalError("bad_properties") from None
    if len(properties) > MAX_PROPERTIES_BYTES:
        raise RefusalError("properties_too_long")
    said = msgspec.json.encode((kind, page, host, at)) + properties
    if FIELDS.keys().isdisjoint(fields):
        return Event(kind, page, host, event_id, at, properties.decode() or None, _fingerprint(said))
    told = columns_of(fields)
    # When it was sent is no part of what it says: a retry is sent later, perhaps when the banner was answered.
    said += msgspec.json.encode({name: told[name] for name in told if name not in ("sent_at", "consent")})
    return Event(kind, page, host, event_id, at, properties.decode() or None, _fingerprint(said), **told)


def _fingerprint(said: bytes) -> bytes:
    return hashlib.blake2b(said, digest_size=16).digest()


def _page(said: Any, hit: RawHit) -> tuple[str | None, str]:
    """Host (if it is told) and path of the page."""
    if said is None or said == "":
        try:
            said = header(hit, b"referer").decode()
        except UnicodeDecodeError:
            said = ""
        if not said:
            raise RefusalError("no_page")
    if not isinstance(said, str):
        raise RefusalError("bad_page")
    return host_and_path(said)


def host_and_path(said: str) -> tuple[str | None, str]:
    """Host (if it is told) and path of a page; RefusalError if it is none."""
    return _known_page(said) if len(said) <= _MAX_KNOWN else _split(said)


def _split(said: str) -> tuple[str | None, str]:
    if CONTROL.search(said):
        raise RefusalError("control_characters")
    match = URL.fullmatch(said)
    if match is not None:
        host, page = match[2].lower(), match[3] or "/"
    elif said.startswith("/"):
        host, page = None, PATH_END.split(said, maxsplit=1)[0]
    else:
        raise RefusalError("bad_page")
    if len(page) > MAX_PATH_CHARS:
        raise RefusalError("page_too_long")
    return host, page


_known_page = lru_cache(maxsize=16_384)(_split)

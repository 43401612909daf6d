"""Our own wire: a pixel is one event, told by its query; a batch is one event per JSON object. The names of both:

e, type      what happened, [A-Za-z0-9][A-Za-z0-9_.:-]{0,63}; "view" unless told
p, page      path or URL of the page; the Referer's unless told; query and fragment are dropped (page_address.py)
id           the tracker's own id of the event, printable text of at most 255 bytes; a retry carries the same
t, time      when it happened by the sender's clock (numbers.py)
app, …       fields that have columns of their own: own_fields.py
all others   properties, kept as JSON

An event is refused for its type, and for its page where it needs one: a view does, a heartbeat needs page or media.
Whatever else of it cannot be read is left out by name.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from ..beacons.payload import RawHit
from . import loose_json
from .event import Event, RefusalError, Rejected, Unit, header
from .faults import failed
from .numbers import instant_ms
from .own_fields import FIELDS, LABEL, a_name, columns_of, respelled
from .page_address import PageAddress, page_address
from .properties import note, written
from .query import form_data, parameters

MAX_PROPERTIES_BYTES: Final = 16 * 1024
#: Events of one body that are judged one by one; those after it are one dead letter, to be replayed.
MAX_EVENTS: Final = 1_000

VIEW: Final = "view"
HEARTBEAT: Final = "heartbeat"

_BODY_TYPES: Final = frozenset(
    {"", "application/json", "text/plain", "application/x-ndjson", "application/ndjson", "application/jsonl"}
)
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_KNOWN: Final = frozenset({"e", "type", "p", "page", "id", "t", "time"}) | FIELDS.keys()
_NO_PAGE: Final = PageAddress(None, "")

#: What becomes of one value of a body; the text is how it stood there, empty if that is not known.
_Judge: TypeAlias = Callable[[Any, RawHit, bytes], Unit]


def pixel(hit: RawHit) -> list[Unit]:
    """The one event of a pixel."""
    return [_by_form(hit.target.partition(b"?")[2], hit)]


def _by_form(form: bytes, hit: RawHit, multipart: bytes = b"") -> Unit:
    """The event that the fields of a query or form are; `multipart` is the content type of a form in parts."""
    dropped: list[str] = []
    try:
        fields = form_data(form, multipart) if multipart else parameters(form, dropped)
        return _event(dict(fields), hit, dropped)
    except RefusalError as refusal:
        return Rejected(str(refusal))


def batch(hit: RawHit) -> list[Unit]:
    """The events of a batch: one object, an array of them, one per line, or the fields of a form.

    JSON is known by how it begins, under whatever content type: curl calls everything a form.
    """
    return _of_body(hit, _judge)


def bodies(hit: RawHit) -> list[bytes]:
    """For each unit of a batch a body that brings it alone; empty for what has none."""
    return [unit.alone for unit in _of_body(hit, _apart) if isinstance(unit, Rejected)]


def _of_body(hit: RawHit, judge: _Judge) -> list[Unit]:
    if hit.body_bytes > len(hit.body):
        return [Rejected("body_too_long")]
    body = loose_json.without_mark(hit.body)
    if not body.strip():
        return [Rejected("empty_body")]
    content_type = header(hit, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if content_type not in _BODY_TYPES and not body.lstrip().startswith((b"{", b"[")):
        if content_type == _MULTIPART:
            return [_by_form(body, hit, header(hit, b"content-type"))]
        return [_by_form(body, hit) if content_type == _FORM_TYPE else Rejected("wrong_content_type")]
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _by_item(body, hit, judge)
    if not isinstance(said, list):
        return [judge(said, hit, b"")]
    if not said:
        return [Rejected("no_events")]
    if len(said) > MAX_EVENTS:
        return _by_item(body, hit, judge)
    return [judge(item, hit, b"") for item in said]


def _by_item(body: bytes, hit: RawHit, judge: _Judge) -> list[Unit]:
    """A body that is no JSON as a whole, or too much of it: a bad item of an array spoils no other, nor a bad line."""
    items = loose_json.items(body)
    if items is not None:
        return _each(items, hit, judge, lambda rest: b"[" + b",".join(rest) + b"]")
    try:
        return [judge(loose_json.read(body), hit, b"")]
    except ValueError:
        lines = [text for line in body.split(b"\n") if (text := loose_json.without_mark(line).strip())]
        return _each(lines, hit, judge, b"\n".join)


def _each(texts: list[bytes], hit: RawHit, judge: _Judge, joined: Callable[[Iterable[bytes]], bytes]) -> list[Unit]:
    found: list[Unit] = []
    for text in texts[:MAX_EVENTS]:
        try:
            said = loose_json.read(text)
        except ValueError:
            found.append(Rejected("not_json", text))
        else:
            found.append(judge(said, hit, text))
    if all(isinstance(unit, Rejected) and unit.reason == "not_json" for unit in found):
        return [Rejected("not_json")]
    if len(texts) > MAX_EVENTS:
        found.append(Rejected("too_many_events", joined(texts[MAX_EVENTS:])))
    return found


def _judge(said: Any, hit: RawHit, text: bytes) -> Unit:
    """The event that a value is; `text` is how it stood there, if that is known."""
    try:
        if not isinstance(said, dict):
            raise RefusalError("not_an_object")
        return _event(said, hit, [])
    except RefusalError as refusal:
        return Rejected(str(refusal), _alone(said, text))
    except Exception as error:
        return failed("decode", error, _alone(said, text))


def _apart(said: Any, _hit: RawHit, text: bytes) -> Unit:
    return Rejected("", _alone(said, text))


def _alone(said: Any, text: bytes) -> bytes:
    """A value of a batch as a body of its own; an array stands in one, since as a body it would be several events."""
    if text:
        return b"[" + text + b"]" if isinstance(said, list) else text
    try:
        return msgspec.json.encode([said] if isinstance(said, list) else said)
    except (ValueError, TypeError, OverflowError, RecursionError):
        # What the reader takes the writer need not: it has limits of its own for depth and for whole numbers.
        return msgspec.json.encode(ascii(said)) if isinstance(said, int) else b'"too deep to be written again"'


def _event(fields: dict[str, Any], hit: RawHit, dropped: list[str]) -> Event:
    kind = _stated(fields, "type", "e")
    if kind is None:
        kind = VIEW
    elif kind != VIEW and not (isinstance(kind, str) and LABEL.fullmatch(kind)):
        raise RefusalError("bad_type")
    event_id = _optional(fields, "id", "id", a_name, dropped)
    at = _optional(fields, "time", "t", instant_ms, dropped)
    told = {} if FIELDS.keys().isdisjoint(fields) else columns_of(fields, dropped)
    where = _page(fields, hit, kind, told, dropped)
    page = where.page or None
    rest = {name: value for name, value in fields.items() if name not in _KNOWN}
    properties = written(rest, MAX_PROPERTIES_BYTES, dropped) if rest else b""
    # The path as it was sent: what an earlier version has read must be a copy of the same event today.
    said = msgspec.json.encode((kind, where.raw or page, where.host, at)) + properties
    if where.scheme is not None:
        said += where.scheme.encode()
    if told:
        # When it was sent is no part of what it says: a retry is sent later, perhaps when the banner was answered.
        said += msgspec.json.encode({name: told[name] for name in told if name not in ("sent_at", "consent")})
    if where.app is not None:
        told.setdefault("app", where.app)
    return Event(
        kind,
        page,
        where.host,
        event_id,
        at,
        properties.decode() or None,
        hashlib.blake2b(said, digest_size=16).digest(),
        scheme=where.scheme,
        page_raw=where.raw,
        dropped=" ".join(sorted(dropped)) if dropped else None,
        **respelled(told),
    )


def _stated(fields: dict[str, Any], name: str, short: str) -> Any:
    """The value under the long name, else under the short; None if neither is stated: null and "" say nothing."""
    said = fields.get(name)
    if said is None or said == "":
        said = fields.get(short)
    return None if said == "" else said


def _optional(fields: dict[str, Any], name: str, short: str, read: Callable[[Any], Any], dropped: list[str]) -> Any:
    said = _stated(fields, name, short)
    if said is None:
        return None
    value = read(said)
    if value is None:
        note(dropped, f"bad_{name}")
    return value


def _page(fields: dict[str, Any], hit: RawHit, kind: str, told: dict[str, Any], dropped: list[str]) -> PageAddress:
    """Where it happened. Raises RefusalError where an event needs a page and has none."""
    needed = kind == VIEW or (kind == HEARTBEAT and "media" not in told)
    said = _stated(fields, "page", "p")
    if said is None:
        said = header(hit, b"referer").decode("utf-8", "replace")
        if not said:
            if needed:
                raise RefusalError("no_page")
            return _NO_PAGE
    try:
        if not isinstance(said, str):
            raise RefusalError("bad_page")
        return page_address(said)
    except RefusalError as refusal:
        if needed:
            raise
        note(dropped, str(refusal) if str(refusal) == "page_too_long" else "bad_page")
        return _NO_PAGE

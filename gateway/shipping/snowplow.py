"""Snowplow's tracker protocol, from a hit to its events. One event is a set of parameters, in one of four forms:

GET  any path                 the query
POST /vendor/version          a JSON body {"schema": "iglu:…/payload_data/…", "data": [{…}, …]}; the query holds for all
any  /com.snowplowanalytics.iglu/v1    one self-describing event: its schema in the query or in the body
GET  /r/…                     a redirect to the parameter `u`, an event of its own unless the query is one

What the parameters mean is told in snowplow_event.py.
"""

import zlib
from binascii import b2a_base64
from typing import Any, Final

import msgspec

from ..beacons.payload import RawHit
from .event import RefusalError, Rejected, Unit, header
from .faults import failed
from .loose_json import without_mark
from .properties import note
from .query import parameters
from .self_describing import read_json, self_describing
from .snowplow_event import Parameters, event_of

IGLU_PATH: Final = b"/com.snowplowanalytics.iglu/v1"
REDIRECT_PATH: Final = b"/r/"
#: What lets a redirect lead where no list allows it.
SEAL: Final = "seal"
PAYLOAD_DATA: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
URI_REDIRECT: Final = "iglu:com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0"
UNSTRUCT_EVENT: Final = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS: Final = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"

#: Events of one body that are judged one by one; as many as fit into the longest that is kept, if each is as short as
#: trackers make them. Those after it are one dead letter, to be replayed.
MAX_EVENTS: Final = 5_000
#: The longest body, unpacked.
MAX_BODY_BYTES: Final = 1024 * 1024
#: What the query may come to, which holds for each event of a body, if it is said with each: 200 events of the longest.
_MOST_REPEATED_BYTES: Final = 4 * 1024 * 1024
#: What the writer of JSON takes.
_MAX_NUMBER: Final = 2**63
_GZIP: Final = b"\x1f\x8b"
_JSON_TYPES: Final = frozenset({b"", b"application/json", b"text/plain"})
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"


def units(hit: RawHit) -> list[Unit]:
    """The events of a hit, at least one; never raises."""
    try:
        found = events_in(hit)
    except RefusalError as refusal:
        return [Rejected(str(refusal), _unpacked(hit))]
    is_batch = _is_batch(hit)
    judged = [_judged(one, hit, is_batch=is_batch) for one in found[:MAX_EVENTS]]
    if len(found) > MAX_EVENTS:
        judged.append(Rejected("too_many_events", _alone(found[MAX_EVENTS:])))
    return judged


def bodies(hit: RawHit) -> list[bytes]:
    """For each unit of a hit a body that brings it alone; empty where the hit has but one."""
    try:
        found = events_in(hit)
    except RefusalError:
        return [_unpacked(hit)]
    if not _is_batch(hit):
        return [b""] * len(found)
    apart = [_alone([one]) for one in found[:MAX_EVENTS]]
    return [*apart, _alone(found[MAX_EVENTS:])] if len(found) > MAX_EVENTS else apart


def _is_batch(hit: RawHit) -> bool:
    return hit.method == b"POST" and not hit.target.startswith(IGLU_PATH)


def _unpacked(hit: RawHit) -> bytes:
    """A packed body unpacked, if it can be: who looks into a dead letter for somebody's name must find it there."""
    try:
        return _body(hit) if hit.body.startswith(_GZIP) else b""
    except RefusalError:
        return b""


def _judged(said: Any, hit: RawHit, *, is_batch: bool) -> Unit:
    dropped: list[str] = []
    try:
        return event_of(checked(said, dropped), hit, dropped)
    except RefusalError as refusal:
        return Rejected(str(refusal), _alone([said]) if is_batch else b"")
    except Exception as error:
        return failed("decode", error, _alone([said]) if is_batch else b"")


def _alone(events: list[Any]) -> bytes:
    """Events of a body as a body of their own."""
    try:
        return msgspec.json.encode({"schema": PAYLOAD_DATA, "data": events})
    except (ValueError, TypeError, OverflowError, RecursionError):
        # What the reader takes the writer need not: it has limits of its own for depth and for whole numbers.
        return b'"too deep to be written again"'


def checked(said: Any, dropped: list[str]) -> Parameters:
    """The parameters of one event, all of them texts; RefusalError if it is no set of them.

    One that is neither text, number nor boolean is left out; `dropped` then says `bad_parameter`.
    """
    if not isinstance(said, dict):
        raise RefusalError("not_an_object")
    fields: Parameters = {}
    for name, value in said.items():
        if isinstance(value, str):
            fields[name] = value
        elif isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _MAX_NUMBER):
            fields[name] = msgspec.json.encode(value).decode()
        elif value is not None:
            note(dropped, "bad_parameter")
    return fields


def events_in(hit: RawHit) -> list[Any]:
    """What stands for each event of a hit, at least one; RefusalError if the hit as a whole is none."""
    path, _, raw_query = hit.target.partition(b"?")
    query = parameters(raw_query)
    if hit.method == b"POST":
        body = _body(hit)
        return [_iglu(query, body, hit)] if path == IGLU_PATH else _batch(query, body, hit)
    if path == IGLU_PATH:
        return [_iglu(query, b"", hit)]
    return [_redirected(query) if path.startswith(REDIRECT_PATH) else query]


def _body(hit: RawHit) -> bytes:
    if hit.body_bytes > len(hit.body):
        raise RefusalError("body_too_long")
    body = hit.body
    # Known by how it begins, which no JSON does: so a part of it that was unpacked can stand alone under the same head.
    if body.startswith(_GZIP):
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            body = unpacking.decompress(body, MAX_BODY_BYTES + 1)
        except zlib.error:
            raise RefusalError("not_gzip") from None
        if len(body) > MAX_BODY_BYTES:
            raise RefusalError("body_too_long")
        if not unpacking.eof or unpacking.unused_data:
            raise RefusalError("not_gzip")
    body = without_mark(body)
    if not body.strip():
        raise RefusalError("empty_body")
    return body


def _content_type(hit: RawHit) -> bytes:
    return header(hit, b"content-type").partition(b";")[0].strip().lower()


def _batch(query: Parameters, body: bytes, hit: RawHit) -> list[Any]:
    if _content_type(hit) not in _JSON_TYPES and not body.lstrip().startswith(b"{"):
        if _content_type(hit) == _FORM_TYPE:
            return [{**query, **parameters(body)}]
        raise RefusalError("wrong_content_type")
    said = self_describing(read_json(body, "not_json"), "bad_payload")
    if said.name != "payload_data" or not isinstance(said.data, list):
        raise RefusalError("bad_payload")
    if not said.data:
        raise RefusalError("no_events")
    if len(hit.target) * len(said.data) > _MOST_REPEATED_BYTES:
        raise RefusalError("query_too_long")
    if not query:
        return said.data
    return [{**query, **one} if isinstance(one, dict) else one for one in said.data]


def _iglu(query: Parameters, body: bytes, hit: RawHit) -> Parameters:
    """An event whose schema stands in the query, with its data there or in the body; or in the body altogether."""
    if not body:
        schema, data = query.pop("schema", None), dict(query)
    elif _content_type(hit) == _FORM_TYPE:
        schema, data = query.get("schema"), parameters(body)
    elif _content_type(hit) in _JSON_TYPES:
        schema, data = query.get("schema"), read_json(body, "not_json")
    else:
        raise RefusalError("wrong_content_type")
    said = self_describing(data if schema is None else {"schema": schema, "data": data}, "bad_event")
    fields = {name: query[name] for name in ("aid", "nuid", "eid") if name in query}
    return fields | {"e": "ue", "p": query.get("p", "srv"), "ue_pr": _wrapped(UNSTRUCT_EVENT, said.plain())}


def _redirected(query: Parameters) -> Parameters:
    target = query.pop("u", None)
    query.pop(SEAL, None)
    if target is None:
        raise RefusalError("no_target")
    redirect = {"schema": URI_REDIRECT, "data": {"uri": target}}
    if "e" not in query:
        return {**query, "e": "ue", "p": query.get("p", "web"), "ue_pr": _wrapped(UNSTRUCT_EVENT, redirect)}
    if "co" not in query:
        return {**query, "co": _wrapped(CONTEXTS, [redirect])}
    try:
        known = self_describing(read_json(query["co"].encode(), "bad_contexts"), "bad_contexts").data
    except RefusalError:
        known = None
    if not isinstance(known, list):
        # Contexts that cannot be read stay where they are, to be named; the target goes by the other parameter.
        return {**query, "cx": b2a_base64(_wrapped(CONTEXTS, [redirect]).encode(), newline=False).decode()}
    return {**query, "co": _wrapped(CONTEXTS, [*known, redirect])}


def _wrapped(schema: str, data: Any) -> str:
    try:
        return msgspec.json.encode({"schema": schema, "data": data}).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise RefusalError("bad_event") from None

"""`GET /v1/revocations/stream`: what is revoked, as it happens, for whoever keeps connections open. Server-sent events.

    id: 1800000000123
    event: revoked
    data: {"kind":"device","device":"3q2-…","at_ms":1800000000098}

The id is a time of the store's clock until which everything has been told; `Last-Event-ID` resumes there, on any
worker, from the streams of the last 24 hours. At least once, in no order between accounts. A comment comes every few
seconds, and only while this worker knows of everything: silence means that nobody knows.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .. import logs
from ..clock import Clock
from ..errors import BadRequest, StoreAway
from ..store import keys
from .doubts import unreadable_entry
from .entry import Entry, parse
from .feed import Feed
from .listeners import Listeners

HEARTBEAT_SECONDS: Final = 5.0
#: A stream ends after this; who comes back shows the credential again.
LONGEST_SECONDS: Final = 3_600.0
#: Streams of one worker; each costs a queue.
MAX_STREAMS: Final = 64
#: Told again on resuming, should the store's clock have stepped back a little.
_OVERLAP_MS: Final = 5_000
#: A worker that was silent longer may have forgotten entries that it never told: its listeners resume from the streams.
_LONGEST_GAP_MS: Final = 60_000
_KEPT_MS: Final = 86_400_000
_PAGE: Final = 1_000

_log = logs.get("revocation")


class RevocationStream:
    """The endpoint."""

    def __init__(
        self, feed: Feed, listeners: Listeners, clock: Clock, *, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._feed = feed
        self._listeners = listeners
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds

    async def endpoint(self, request: Request) -> Response:
        """200 and a stream without end; 400 for a Last-Event-ID that is not ours, 503 where nothing is known."""
        if not self._feed.holds():
            raise StoreAway
        if len(self._listeners) >= MAX_STREAMS:
            raise StoreAway(f"this worker has {MAX_STREAMS} streams already", code="too_many_streams")
        now_ms = self._feed.registry_link.store_ms()
        since_ms = _since_ms(request.headers.get("last-event-id", ""), self._latest_ms(now_ms))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        return StreamingResponse(self._listen(since_ms, now_ms), media_type="text/event-stream", headers=headers)

    async def _listen(self, since_ms: int | None, now_ms: int) -> AsyncIterator[str]:
        last_ms = self._known_until_ms()
        # Opened before the streams are read, so that nothing falls between.
        listener = self._listeners.open()
        ends_ns = self._clock.boot_ns() + round(LONGEST_SECONDS * 1e9)
        try:
            if since_ms is None:
                yield f"retry: 1000\nid: {last_ms}\n\n"
            else:
                yield "retry: 1000\n\n"
                if not now_ms - _KEPT_MS <= since_ms <= now_ms + _LONGEST_GAP_MS:
                    # Too long ago, or told by a clock that was put back since.
                    yield _event("gap", {"since_ms": since_ms})
                async for page in self._replayed(since_ms):
                    yield page
                yield f"id: {last_ms}\n\n"
            while self._clock.boot_ns() < ends_ns:
                waiting = await listener.next(self._heartbeat_seconds)
                if listener.ended:
                    yield _event("end", {"why": listener.ended})
                    return
                until_ms = waiting[0].until_ms if waiting else self._known_until_ms()
                if until_ms - last_ms > _LONGEST_GAP_MS:
                    yield _event("end", {"why": "gap"})
                    return
                if waiting:
                    last_ms = waiting[-1].until_ms
                    yield "".join(_revoked(told.partition, told.entry, told.until_ms) for told in waiting)
                elif self._feed.holds():
                    last_ms = until_ms
                    yield f": nothing else until now\nid: {last_ms}\n\n"
            yield _event("end", {"why": "age"})
        except StoreAway:
            yield _event("end", {"why": "store_away"})
        finally:
            self._listeners.close(listener)
            _log.debug("stream_ended", why=listener.ended)

    async def _replayed(self, since_ms: int) -> AsyncIterator[str]:
        """Everything appended since, without ids: who is cut off in between resumes from where he came."""
        redis, guard = self._feed.store.redis, self._feed.store.guard
        for partition in range(keys.PARTITIONS):
            position = str(max(since_ms - _OVERLAP_MS, 0))
            while True:
                page: Any = await guard(redis.xrange(keys.revocations(partition), min=position, count=_PAGE))
                if page:
                    yield "".join(_revoked(partition, _entry(partition, fields.get("e", ""))) for _id, fields in page)
                if len(page) < _PAGE:
                    break
                position = f"({page[-1][0]}"

    def _latest_ms(self, now_ms: int) -> int:
        """The highest id that a stream can have told: its clock may have been put back since."""
        return max(now_ms, *(link.history.ahead_until_ms for link in self._feed.links)) + _LONGEST_GAP_MS

    def _known_until_ms(self) -> int:
        return self._feed.contact_store_ms


def _entry(partition: int, text: str) -> Entry:
    try:
        return parse(text)
    except ValueError:
        return unreadable_entry(partition)


def _since_ms(last_event_id: str, latest_ms: int) -> int | None:
    if not last_event_id:
        return None
    is_time = last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16
    since_ms = int(last_event_id) if is_time else -1
    if not 0 <= since_ms <= latest_ms:
        raise BadRequest("bad_last_event_id", "expected Last-Event-ID as this stream gave it")
    return since_ms


def _revoked(partition: int, entry: Entry, until_ms: int | None = None) -> str:
    # Whoever keeps connections open ends them alike.
    kind = "account" if entry.kind == "disable" else entry.kind
    named: dict[str, object] = {"partition": partition} if kind == "everybody" else {kind: entry.subject}
    return _event("revoked", {"kind": kind, **named, "at_ms": entry.at_ms}, until_ms)


def _event(name: str, data: dict[str, object], until_ms: int | None = None) -> str:
    position = "" if until_ms is None else f"id: {until_ms}\n"
    return f"{position}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"

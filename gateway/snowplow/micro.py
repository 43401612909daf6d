"""`/micro/…`: what this worker took since it started, good and bad, for whoever writes or tests a tracker's set-up.

/micro/all     {"total": 3, "good": 2, "bad": 1}
/micro/good    the good events, the last one first; POST: {"event_type": …, "schema": …, "contexts": […], "limit": …}
/micro/bad     the bad ones, with their reasons; POST: {"vendor": …, "version": …, "limit": …}
/micro/reset   all is forgotten; answers as /micro/all

It shows strangers' data to whoever asks and lives in one process: for development, and off unless
LATCHSTRING_SNOWPLOW_MICRO is set.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..api_requests import read_json
from ..beacons import payload
from ..beacons.payload import SNOWPLOW, RawHit
from ..hot_route import AppendRecord
from ..shipping.event import Event, RefusalError
from ..shipping.faults import failed
from ..shipping.snowplow import MAX_EVENTS, checked, events_in
from ..shipping.snowplow_event import event_of
from ..shipping.times import happened_at
from .canonical import EVENTS, canonical

#: Events of either kind that are remembered; then the oldest go.
MOST: Final = 2_000
_HEADERS: Final = {"cache-control": "no-store", "access-control-allow-origin": "*"}
_Limit = Annotated[int, Meta(ge=0)]


class GoodFilter(Struct, frozen=True):
    """Which good events are asked for."""

    event_type: str | None = None
    schema: str | None = None
    contexts: list[str] = []
    limit: _Limit = MOST


class BadFilter(Struct, frozen=True):
    """Which bad ones: by the two segments of their path."""

    vendor: str | None = None
    version: str | None = None
    limit: _Limit = MOST


class Micro:
    """Watches what goes into the journal."""

    def __init__(self) -> None:
        self._good: deque[dict[str, Any]] = deque(maxlen=MOST)
        self._bad: deque[dict[str, Any]] = deque(maxlen=MOST)
        self._counts = {"good": 0, "bad": 0}

    def watching(self, append: AppendRecord) -> AppendRecord:
        """The journal's `append`, which shows us what is kept."""

        def watched(data: bytes, done: Callable[[bool], object]) -> None:
            def told(kept: bool) -> None:  # noqa: FBT001 - the journal's callback
                if kept:
                    self.take(payload.decode(data))
                done(kept)

            append(data, told)

        return watched

    def take(self, hit: RawHit) -> None:
        """Judge a hit as the shipper will; hits of other wires are none of ours."""
        if hit.source != SNOWPLOW:
            return
        try:
            found = events_in(hit)
        except RefusalError as refusal:
            self._refuse(hit, None, str(refusal))
            return
        for said in found[:MAX_EVENTS]:
            dropped: list[str] = []
            try:
                parameters = checked(said, dropped)
                event = event_of(parameters, hit, dropped)
            except RefusalError as refusal:
                self._refuse(hit, said, str(refusal))
            except Exception as error:
                self._refuse(hit, said, failed("decode", error).reason)
            else:
                at_ms = happened_at(hit.received_at_ms, event.occurred_at, event.sent_at)
                self._counts["good"] += 1
                self._good.append(_good(hit, parameters, event, at_ms))
        if len(found) > MAX_EVENTS:
            self._refuse(hit, None, "too_many_events")

    def _refuse(self, hit: RawHit, said: Any, reason: str) -> None:
        self._counts["bad"] += 1
        raw = _raw(hit, said) if isinstance(said, dict) else None
        self._bad.append({"collectorPayload": _payload(hit), "rawEvent": raw, "errors": [reason]})

    def counts(self) -> dict[str, int]:
        """How many there were since the start or the last reset."""
        return {"total": sum(self._counts.values()), **self._counts}

    def good(self, wanted: GoodFilter) -> list[dict[str, Any]]:
        """The good events that are asked for, the last one first."""
        found = [
            one
            for one in reversed(self._good)
            if wanted.event_type in (None, one["eventType"])
            and wanted.schema in (None, one["schema"])
            and set(wanted.contexts) <= set(one["contexts"])
        ]
        return found[: wanted.limit]

    def bad(self, wanted: BadFilter) -> list[dict[str, Any]]:
        """The bad ones, the last one first."""
        found = [
            one
            for one in reversed(self._bad)
            if wanted.vendor in (None, one["collectorPayload"]["api"]["vendor"])
            and wanted.version in (None, one["collectorPayload"]["api"]["version"])
        ]
        return found[: wanted.limit]

    def reset(self) -> None:
        """Forget everything."""
        self._good.clear()
        self._bad.clear()
        self._counts = {"good": 0, "bad": 0}

    def routes(self) -> list[Route]:
        """See the module."""

        async def everything(request: Request) -> Response:
            if request.url.path == "/micro/reset":
                self.reset()
            return JSONResponse(self.counts(), headers=_HEADERS)

        async def good(request: Request) -> Response:
            wanted = await read_json(request, GoodFilter) if request.method == "POST" else GoodFilter()
            return JSONResponse(self.good(wanted), headers=_HEADERS)

        async def bad(request: Request) -> Response:
            wanted = await read_json(request, BadFilter) if request.method == "POST" else BadFilter()
            return JSONResponse(self.bad(wanted), headers=_HEADERS)

        methods = ["GET", "POST"]
        return [
            Route("/micro/all", everything, methods=methods),
            Route("/micro/reset", everything, methods=methods),
            Route("/micro/good", good, methods=methods),
            Route("/micro/bad", bad, methods=methods),
        ]


def _api(hit: RawHit) -> dict[str, str]:
    segments = hit.target.partition(b"?")[0].decode("latin-1").split("/")
    vendor, version = segments[1:] if len(segments) == 3 else ("com.snowplowanalytics.snowplow", "tp1")
    return {"vendor": vendor, "version": version}


def _payload(hit: RawHit) -> dict[str, Any]:
    """The request, as it was kept."""
    headers = [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in hit.headers]
    return {
        "api": _api(hit),
        "querystring": hit.target.partition(b"?")[2].decode("latin-1"),
        "body": hit.body.decode("utf-8", "replace"),
        "timestamp": hit.received_at_ms,
        "headers": headers,
    }


def _raw(hit: RawHit, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"api": _api(hit), "parameters": dict(parameters)}


def _good(hit: RawHit, parameters: dict[str, str], event: Event, at_ms: int | None) -> dict[str, Any]:
    kept = msgspec.json.decode(event.properties or "{}")
    about, contexts = kept.get("ue"), kept.get("co", [])
    told = canonical(parameters, hit.received_at_ms, at_ms)
    told |= {name: found for name, found in (("unstruct_event", about), ("contexts", contexts)) if found}
    schema = EVENTS[parameters["e"]][1] or (about["schema"] if about else "")
    good = {
        "rawEvent": _raw(hit, parameters),
        "eventType": told["event"],
        "schema": schema,
        "contexts": [context["schema"] for context in contexts],
        "event": told,
    }
    # What could not be read of it; Snowplow's own has no such member, so it is there only where there is something.
    return good | {"dropped": event.dropped.split(" ")} if event.dropped else good

"""Warehouses of given events, written as a shipper commits them."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.hits import NOW_MS
from latchstring_gateway.ids import new_id
from latchstring_gateway.shipping.columns import COLUMNS
from latchstring_gateway.shipping.commits import Commit, Commits, Count
from latchstring_gateway.shipping.parquet import EventRows
from latchstring_gateway.shipping.tally import hour_of

Event = Mapping[str, Any]

_USUAL: dict[str, Any] = {
    "offset": 0,
    "unit": 0,
    "source": "pixel",
    "type": "view",
    "page": "/",
    "device_kind": "computer",
    "os": "Linux",
    "client": "Firefox",
    "language": "en",
    "address_prefix": "203.0.113.0/24",
    "gpc": False,
    "dnt": False,
    "visitor_kind": "cookie",
    "consent": "granted",
    "conflict": False,
}


def row(event: Event) -> tuple[Any, ...]:
    """A row of the warehouse: what `event` says by column, the rest as usual. Without a visitor it has no pseudonym."""
    own = {"received_at": NOW_MS, "record_id": secrets.token_bytes(16), "fingerprint": secrets.token_bytes(16)}
    values = {**_USUAL, **own, **event}
    return tuple(values.get(column.name) for column in COLUMNS)


def commit(data_dir: Path, events: Iterable[Event], *, span: str = "", at_ms: int = NOW_MS) -> Commit:
    """Commit events as one segment; with a `span`, as one that took the place of others."""
    rows, counts = EventRows(), dict[str, Count]()
    for event in events:
        hour = hour_of(event.get("received_at", NOW_MS))
        rows.add(hour, row(event))
        count = counts.setdefault(hour, Count(event.get("source", "pixel"), hour))
        count.received += 1
        count.good += 1
    warehouse, segment = data_dir / "warehouse", new_id()
    made = Commit(
        segment=segment,
        committed_at_ms=at_ms,
        parser=1,
        records=sum(count.good for count in counts.values()),
        events=rows.write(warehouse, segment),
        dead_letters=None,
        counts=list(counts.values()),
        runs=[],
        damaged=[],
        torn_bytes=0,
        finished=True,
        rebooted=False,
        last_received_at_ms=at_ms,
        span=span,
    )
    Commits(warehouse).add(made)
    return made

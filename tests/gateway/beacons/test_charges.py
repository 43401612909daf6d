"""What a body may bring is counted at the door, by nobody's word but its own."""

import gzip

import pytest

from harness.hits import batch, snowplow
from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.charges import MAX_EVENTS, events_in
from latchstring_gateway.shipping.decode import units

_EVENT = b'{"e":"pv","url":"https://a.example/","co":"{\\"a\\":{\\"b\\":{}}}"}'
_TRACKER = b'{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[%b]}'


def _tracker(events: int) -> bytes:
    return _TRACKER % b",".join([_EVENT] * events)


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", 1),
        (b"p=/a&x={{{", 3),
        (b'{"page":"/","x":{"y":{"z":{}}}}', 1),
        (b'[{"page":"/"},{"page":"/","x":{}},7]', 3),
        (b'\xef\xbb\xbf[{"page":"/"},{"page":"/"}]', 2),
        (b' \n[{"page":"/"},{"page":"/"}]', 2),
        (b'{"page":"/"}\n{"page":"/"}\n{"page":"/"}', 3),
        (b'[{"page":"/","x":NaN},{"page":"/"}]', 2),
        (_tracker(10), 10),
        (_tracker(10).replace(b'"data"', b'"d\\u0061ta"'), 10),
        (gzip.compress(_tracker(5_000)), 5_000),
        (gzip.compress(_tracker(7))[:-9], 7),
        (gzip.compress(b"{" * 2_000_000), 1),
        (b"\x1f\x8bno gzip {{{{", 1),
        (b"{" * 100_000, MAX_EVENTS),
        (b"[" * 100_000 + b"{{", 2),
    ],
    ids=range(16),
)
def test_a_body_costs_what_it_may_bring(body: bytes, events: int) -> None:
    """At least one, also where it is no JSON; a bomb is one dead letter."""
    assert events_in(body) == events


@pytest.mark.parametrize("events", [1, 2, 50])
def test_the_door_counts_at_least_what_the_shipper_will(events: int) -> None:
    """So nobody is charged less than they cost."""
    for record in (
        batch(b"[" + b",".join([b'{"page":"/","x":{"y":{}}}'] * events) + b"]"),
        batch(b"\n".join([b'{"page":"/","x":{"y":{}}}'] * events), content_type=b"application/x-ndjson"),
        snowplow(b"/com.snowplowanalytics.snowplow/tp2", _tracker(events)),
        snowplow(b"/com.snowplowanalytics.snowplow/tp2", gzip.compress(_tracker(events))),
    ):
        hit = payload.decode(record)
        assert events_in(hit.body) >= len(units(hit)) == events

"""A segment is judged in pieces of so many events, however few records bring them."""

import pytest

from harness.hits import batch, snowplow
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.decode import units
from latchstring_gateway.shipping.opened import Opened
from latchstring_gateway.shipping.pieces import pieces


def _opened(record: bytes) -> Opened:
    raw = payload.decode(record)
    return Opened(bytes(16), 0, raw.received_at_ms, units(raw), raw, None)


def test_a_piece_is_full_by_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """381 bytes of gzip carry 5,000 events, and 20,000 records made a piece: 400 such POSTs took 2.7 GB."""
    monkeypatch.setattr("latchstring_gateway.shipping.pieces.MOST_EVENTS", 100)
    one, many = _opened(batch(b'{"page":"/"}')), _opened(batch(b"[" + b",".join([b'{"page":"/"}'] * 60) + b"]"))

    found = list(pieces([one, many, many, one, many, one, one]))

    assert [[len(hit.units) for hit in piece] for piece in found] == [[1, 60, 60], [1, 60, 1, 1]]


def test_a_piece_is_full_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the query counts with each event that it holds for."""
    monkeypatch.setattr("latchstring_gateway.shipping.pieces.MOST_BYTES", 10_000)
    events = b",".join([b'{"e":"pv","url":"https://a.example/"}'] * 5)
    body = b'{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[' + events + b"]}"
    long = _opened(snowplow(b"/com.snowplowanalytics.snowplow/tp2?x=" + b"x" * 3_000, body))

    assert [len(piece) for piece in pieces([long, long, long])] == [1, 1, 1]
    assert list(pieces([])) == []

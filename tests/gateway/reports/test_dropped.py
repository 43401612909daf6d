"""Fields that were left out of events that count, counted by source and code."""

from pathlib import Path

from prometheus_client import REGISTRY

from harness.hits import NOW_MS, TRUSTED, batch, pixel, snowplow, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.dropped import Dropped, dropped_fields
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.run import Shipper


def test_what_was_left_out_is_counted_by_source_and_code(tmp_path: Path) -> None:
    """In the warehouse and in the metric; the events themselves count, and the ledger adds up."""
    bad = {"source": "batch", "code": "bad_referrer"}
    before = REGISTRY.get_sample_value("latchstring_fields_dropped_total", bad) or 0
    body = b'[{"page":"/a","referrer":"ftp://x/"},{"page":"/b","referrer":"ftp://x/","id":[1]},{"page":"/c"}]'
    write_segment(tmp_path, [batch(body), pixel(b"p=/a&t=never"), snowplow(b"/i?e=se&eid=none")])

    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()

    assert dropped_fields(tmp_path, days=1, now_ms=NOW_MS) == [
        Dropped("batch", "bad_referrer", 2),
        Dropped("batch", "bad_id", 1),
        Dropped("pixel", "bad_time", 1),
        Dropped("snowplow", "bad_id", 1),
    ]
    assert dropped_fields(tmp_path, days=1, now_ms=NOW_MS + 86_400_000) == []
    assert (ledger(tmp_path).total.good, ledger(tmp_path).problems) == (5, [])
    assert REGISTRY.get_sample_value("latchstring_fields_dropped_total", bad) == before + 2

"""The ledger's sums as metrics."""

from pathlib import Path

from harness.hits import TRUSTED, batch, pixel, write_segment
from latchstring_gateway import metrics
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.ledger_metrics import LedgerMetrics
from latchstring_gateway.shipping.catalogue import Records
from latchstring_gateway.shipping.event import Event
from latchstring_gateway.shipping.keeping import Excluded, Kept, Ruling, kept_letter, nameless
from latchstring_gateway.shipping.run import Shipper


def _no_secrets(event: Event) -> Kept | Excluded:
    return Excluded("secret") if event.page == "/secret" else nameless(event)


def _told(source: str) -> dict[str, float]:
    outcomes = ("received", "good", "bad", "duplicate", "excluded")
    return {outcome: metrics.LEDGER.labels(source, outcome)._value.get() for outcome in outcomes}


def test_sums_of_all_that_is_committed_are_told(tmp_path: Path) -> None:
    """By source and outcome, and what a policy excluded by its reason."""
    write_segment(tmp_path, [pixel(hit_id=b"h"), pixel(hit_id=b"h"), pixel(b"p=/secret"), batch(b'[{"p":"/a"},1]')])
    with Shipper(
        tmp_path, ManualClock(), TRUSTED, policies=lambda: lambda *_: Ruling(_no_secrets, kept_letter)
    ) as shipper:
        shipper.ship_once()

    LedgerMetrics(Records(tmp_path / "warehouse")).publish()

    assert _told("pixel") == {"received": 3, "good": 1, "bad": 0, "duplicate": 1, "excluded": 1}
    assert _told("batch") == {"received": 2, "good": 1, "bad": 1, "duplicate": 0, "excluded": 0}
    assert metrics.EXCLUDED.labels("secret")._value.get() == 1
    assert (metrics.LEDGER_DIFFERENCE._value.get(), metrics.LEDGER_DAMAGED._value.get()) == (0, 0)


def test_a_ledger_that_does_not_add_up_is_told(tmp_path: Path) -> None:
    """A commit record that lost a count, and a segment with a hole in it."""
    path = write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b"), pixel(b"p=/c")])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    (record,) = (tmp_path / "warehouse" / "commits").iterdir()
    record.write_bytes(record.read_bytes().replace(b'"good":2', b'"good":1'))

    LedgerMetrics(Records(tmp_path / "warehouse")).publish()

    assert metrics.LEDGER_DIFFERENCE._value.get() == 1
    assert metrics.LEDGER_DAMAGED._value.get() > 0

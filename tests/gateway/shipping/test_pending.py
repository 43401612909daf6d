"""What waits in the journal is counted in the shipper's own units."""

import os
import secrets
from pathlib import Path

from harness.hits import HOUR, NOW_MS, batch, pixel, write_segment
from latchstring_gateway.beacons.segment_file import Disk, Segments
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.commits import Count
from latchstring_gateway.shipping.pending import oldest_pending_ms, pending_counts


def test_pending_counts_events_not_requests(tmp_path: Path) -> None:
    """A batch of two waits as two, garbage as one."""
    path = write_segment(tmp_path, [pixel(), batch(b'[{"page":"/a"},7]'), b"no hit"])

    pending = pending_counts(tmp_path / "journal")

    assert pending.segments == {
        path.name.partition(".")[0]: [
            Count("batch", HOUR, pending=2),
            Count("pixel", HOUR, pending=1),
            Count("unknown", HOUR, pending=1),
        ]
    }
    assert oldest_pending_ms(tmp_path / "journal") == NOW_MS


def test_open_segment_is_counted_and_an_empty_one_holds_up_nothing(tmp_path: Path) -> None:
    """What a worker writes right now is pending; that it has begun a segment is not news."""
    journal = tmp_path / "journal"
    segments = Segments(journal, ManualClock(), Disk(), b"journal!", durable=False, random_bytes=secrets.token_bytes)
    assert oldest_pending_ms(journal) is None
    empty = segments.make()
    assert oldest_pending_ms(journal) is None
    full = segments.write_again([(0, [pixel()])])

    assert oldest_pending_ms(journal) == NOW_MS
    assert sum(count.pending for counts in pending_counts(journal).segments.values() for count in counts) == 1
    for segment in (empty, full):
        os.close(segment.descriptor)


def test_no_journal_means_nothing_pending(tmp_path: Path) -> None:
    """Before the first start there is nothing to count."""
    assert pending_counts(tmp_path / "journal").segments == {}
    assert oldest_pending_ms(tmp_path / "journal") is None

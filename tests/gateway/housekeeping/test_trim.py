"""Records say less as they grow old, and the same of what they counted."""

from pathlib import Path

import msgspec

from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.retention import Keeper
from latchstring_gateway.housekeeping.trim import may_be_trimmed, trimmed
from latchstring_gateway.ids import new_id
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.catalogue import Records
from latchstring_gateway.shipping.commits import Commit, Commits, Count, Run
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.tally import hour_of

_DAY_MS = 86_400_000
_SEGMENTS_A_DAY = 17_280
_SOURCES = ("pixel", "batch", "snowplow")


def _day(at_ms: int, segments: int) -> Commit:
    """The record of a day as it was written before: every segment named, every run of it told."""
    hours = [hour_of(at_ms + hour * 3_600_000) for hour in range(24)]
    return Commit(
        segment=new_id(),
        committed_at_ms=at_ms + _DAY_MS,
        parser=1,
        records=segments,
        events=[],
        dead_letters=None,
        counts=[Count(source, hour, received=1_000, good=1_000) for hour in hours for source in _SOURCES],
        runs=[Run(f"{number % 2:016x}", number * 10, number * 10 + 9) for number in range(segments)],
        damaged=[(10, 20)],
        torn_bytes=0,
        finished=True,
        rebooted=False,
        last_received_at_ms=at_ms,
        folded=[f"{number:022d}" for number in range(segments)],
        span=hours[0][:10],
    )


def test_four_hundred_days_of_records_become_small_and_are_read_once(tmp_path: Path) -> None:
    """400 days of two workers were 594 MB of JSON, all of it read every five seconds, in 26 s and 2.5 GB: every record
    kept the names of all segments that it was made of, and no reader kept anything. (Here: one segment in forty.)
    """
    segments = _SEGMENTS_A_DAY // 40
    clock, commits = ManualClock(), Commits(tmp_path / "warehouse")
    for day in range(400):
        commits.add(_day(NOW_MS - (day + 1) * _DAY_MS, segments))
    before = ledger(tmp_path)

    records = Records(tmp_path / "warehouse")
    keeper = Keeper(tmp_path / "warehouse", clock, records=records)
    turns = 0
    while keeper.keep():
        turns += 1
    assert turns <= 400

    fresh = Records(tmp_path / "warehouse")
    fresh.catalogue()
    assert fresh.commits.records_read == 400
    # 72 sums of at most 80 bytes, and half a kilobyte besides; the last nine days still name their segments.
    assert fresh.commits.bytes_read < 400 * (72 * 80 + 512) + 10 * segments * 100
    read = fresh.commits.bytes_read
    commits.add(_day(NOW_MS, 1))
    for _ in range(100):
        fresh.catalogue()
    assert fresh.commits.records_read == 401
    assert fresh.commits.bytes_read - read < 10_000
    after = ledger(tmp_path)
    assert (after.total.good - 72_000, after.segments - 1) == (before.total.good, before.segments)
    assert after.damaged_bytes - 10 == before.damaged_bytes


def test_nothing_is_dropped_that_a_late_copy_could_refer_to() -> None:
    """Within the window of retries, or as long as a segment stands in the journal or its record is there."""
    new, old = _day(NOW_MS - 5 * _DAY_MS, 3), _day(NOW_MS - 20 * _DAY_MS, 3)

    assert not may_be_trimmed(new, NOW_MS)
    assert trimmed(new, Path(), NOW_MS, still_there=[]) == new
    less = trimmed(old, Path(), NOW_MS, still_there=[old.folded[1]])
    assert (less.folded, less.runs, less.segment_count) == ([old.folded[1]], [], 3)
    assert not may_be_trimmed(trimmed(less, Path(), NOW_MS, still_there=[]), NOW_MS)


def test_records_of_before_are_read(tmp_path: Path) -> None:
    """What the last release wrote: every field spelled out, none of the new ones."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"bad")])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    (path,) = (tmp_path / "warehouse" / "commits").iterdir()
    told = msgspec.json.decode(path.read_bytes())
    for name in ("reasons", "dropped", "segments", "damage"):
        told.pop(name, None)
    for count in told["counts"]:
        count |= {name: count.get(name, 0) for name in ("bad", "duplicate", "excluded", "pending")}
    told |= {"version": 1, "rate": 0, "exclusions": [], "folded": [], "span": "", "losses": [], "expired": False}
    path.write_bytes(msgspec.json.encode(told))

    catalogue = Records(tmp_path / "warehouse").catalogue()
    assert catalogue.reasons_of(catalogue.commits[0]) == {"no_page": 1}
    keeper = Keeper(tmp_path / "warehouse", ManualClock())
    assert keeper.keep()
    assert not keeper.keep()
    assert Commits(tmp_path / "warehouse").all()[0].reasons == {"no_page": 1}
    assert ledger(tmp_path).problems == []

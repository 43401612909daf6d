"""What an index is told at a shipper's start."""

from pathlib import Path

import pytest

from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping import catch_up as catching_up
from latchstring_gateway.shipping.claim import segments_in
from latchstring_gateway.shipping.claims import hit_claim
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.seen import Seen


def test_a_segment_of_a_lost_index_is_not_shipped_again(tmp_path: Path) -> None:
    """A shipper died between its commit and the deletion, and somebody deleted the index."""
    path = write_segment(tmp_path, [pixel(b"p=/a")])
    data = path.read_bytes()
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    for file in (tmp_path / "warehouse").glob("seen.sqlite*"):
        file.unlink()
    path.write_bytes(data)

    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        assert shipper.ship_once() == 1
        seen = Seen(tmp_path / "warehouse")
        segment = path.name.partition(".")[0]
        assert (seen.is_committed(segment), seen.is_taken_in(segment)) == (True, False)
        seen.close()
    assert len(list((tmp_path / "warehouse" / "commits").iterdir())) == 1


def test_a_second_shipper_that_starts_frees_no_claim_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one listed the journal and then read the index: a segment that was begun in between, with claims in
    the index already, passed for one that is nowhere. Its claims were freed, and a retry counted twice.
    """
    with Shipper(tmp_path, ManualClock(), TRUSTED):
        first = Seen(tmp_path / "warehouse")

        def and_the_first_begins_a_segment(where: Path) -> object:
            found = segments_in(where)
            if len(segments_in(tmp_path / "journal")) == 0:
                begun = write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")]).name.partition(".")[0]
                with first.transaction():
                    assert not first.claim(first.number(begun), [hit_claim("h1", at_ms=NOW_MS, offset=53)])
            return found

        monkeypatch.setattr(catching_up, "segments_in", and_the_first_begins_a_segment)
        with Shipper(tmp_path, ManualClock(), TRUSTED, number=2):
            pass

        owner = first.owner(hit_claim("h1", at_ms=NOW_MS, offset=9))
        first.close()
    assert owner is not None

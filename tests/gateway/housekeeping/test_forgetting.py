"""The index forgets in slices, and goes on where it stopped."""

from pathlib import Path

from harness.hits import NOW_MS
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.forgetting import Forgetting
from latchstring_gateway.shipping.claims import hit_claim
from latchstring_gateway.shipping.commits import Run
from latchstring_gateway.shipping.seen import KEEP_MS, Seen

_DAY_SECONDS = 86_400


def _keys(seen: Seen) -> int:
    return int(seen._base.execute("SELECT count(*) FROM seen").fetchone()[0])


def test_each_turn_looks_at_a_slice_and_holds_nobody_up(tmp_path: Path) -> None:
    """All keys were scanned once an hour while every shipper waited: 2.6 s for ten million."""
    seen, now_ms = Seen(tmp_path), NOW_MS + KEEP_MS
    with seen.transaction():
        number = seen.number("s")
        claims = [hit_claim(str(one), at_ms=NOW_MS + one % 2, offset=0) for one in range(1_000)]
        seen.claim(number, claims)

    turns = 0
    while not seen.forget_keys(now_ms - KEEP_MS + 1, keys=100):
        turns += 1
        assert _keys(seen) >= 1_000 - 100 * turns
    assert turns == 10
    assert _keys(seen) == 500
    seen.close()


def test_a_restart_goes_on_where_the_last_process_stopped(tmp_path: Path) -> None:
    """Else an index that takes longer than a process lives would never be gone through."""
    seen = Seen(tmp_path)
    with seen.transaction():
        seen.claim(seen.number("s"), [hit_claim(str(one), at_ms=NOW_MS, offset=0) for one in range(300)])
    assert not seen.forget_keys(NOW_MS + 1, keys=100)
    seen.close()
    seen = Seen(tmp_path)
    assert not seen.forget_keys(NOW_MS + 1, keys=100)
    assert _keys(seen) == 100
    seen.close()


def test_names_of_segments_and_runs_of_numbers_go_after_the_keys(tmp_path: Path) -> None:
    """The index kept a line for every segment there ever was: six million a year for two workers."""
    (tmp_path / "journal").mkdir()
    clock, seen = ManualClock(), Seen(tmp_path)
    forgetting = Forgetting(seen, tmp_path / "journal", clock)
    seen.committed(seen.number("old"), [Run("j", 0, 9)])
    assert not forgetting.step()
    clock.advance(12 * _DAY_SECONDS)
    seen.committed(seen.number("new"), [Run("k", 0, 9)])

    assert not forgetting.step()

    assert (seen.is_committed("old"), seen.is_committed("new")) == (False, True)
    with seen.transaction():
        other = seen.number("other")
        assert (seen.others(other, Run("j", 0, 9)), len(seen.others(other, Run("k", 0, 9)))) == ([], 1)
    seen.close()

"""The index of what was counted: durable, bounded in time, and rebuilt from the warehouse when it is lost."""

from pathlib import Path

from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.commits import Commits, Run
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.seen import WINDOW_MS, Seen, event_key, hit_key


def test_key_is_known_within_seven_days(tmp_path: Path) -> None:
    """A retry counts once for a week; what comes later is a new hit."""
    seen = Seen(tmp_path)
    key = hit_key("h1")
    seen.add("segment", [(key, NOW_MS)], [])

    assert seen.known([key, hit_key("h2")], NOW_MS + WINDOW_MS) == {key}
    assert seen.known([key], NOW_MS + WINDOW_MS + 1) == set()
    seen.close()


def test_forgotten_keys_take_no_room(tmp_path: Path) -> None:
    """Keys go a day after the window has passed."""
    seen = Seen(tmp_path)
    key = hit_key("h1")
    seen.add("segment", [(key, NOW_MS)], [])

    seen.forget(NOW_MS + WINDOW_MS)
    assert seen.known([key], NOW_MS) == {key}
    seen.forget(NOW_MS + 2 * WINDOW_MS)
    assert seen.known([key], NOW_MS) == set()
    seen.close()


def test_runs_that_touch_become_one(tmp_path: Path) -> None:
    """A worker that runs for months has one line in the index, not one per segment."""
    seen = Seen(tmp_path)
    seen.add("s1", [], [Run("j", 0, 9)])
    seen.add("s2", [], [Run("j", 10, 19), Run("j", 30, 39), Run("k", 20, 29)])
    seen.add("s3", [], [Run("j", 40, 49)])

    assert sorted(seen.runs("j"), key=lambda run: run.first) == [Run("j", 0, 19), Run("j", 30, 49)]
    seen.close()


def test_more_keys_than_one_question_holds(tmp_path: Path) -> None:
    """Thousands of keys are looked up together."""
    seen = Seen(tmp_path)
    keys = [hit_key(str(number)) for number in range(1_700)]
    seen.add("segment", [(key, NOW_MS) for key in keys], [])

    assert seen.known([*keys, b"unknown"], NOW_MS) == set(keys)
    seen.close()


def test_event_and_hit_of_the_same_name_are_two_keys() -> None:
    """An event id never passes for a request id."""
    assert event_key("a", b"") != hit_key("a")
    assert event_key("a", b"1") != event_key("a", b"2")


def test_lost_index_is_rebuilt_from_the_committed_files(tmp_path: Path) -> None:
    """Whoever deletes the index loses nothing: Parquet files and dead letters know the ids, commits the numbers."""
    hits = [pixel(b"p=/a", hit_id=b"h1"), pixel(b"bad", hit_id=b"h2"), batch(b'{"page":"/a","id":"e1"}')]
    path = write_segment(tmp_path, hits, journal_id=b"journal!")
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        assert shipper.ship_once() == 1
    for file in (tmp_path / "warehouse").glob("seen.sqlite*"):
        file.unlink()

    again = [pixel(b"p=/a", hit_id=b"h1"), pixel(b"bad", hit_id=b"h2"), batch(b'{"id":"e1","page":"/a"}')]
    write_segment(tmp_path, again)
    write_segment(tmp_path, hits[:1], journal_id=b"journal!")
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        assert shipper.ship_once() == 2

    counts = [count for commit in Commits(tmp_path / "warehouse").all() for count in commit.counts]
    assert not path.exists()
    assert (sum(c.good for c in counts), sum(c.bad for c in counts), sum(c.duplicate for c in counts)) == (2, 1, 4)

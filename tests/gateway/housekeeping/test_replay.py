"""Dead letters judged again: what can be read by now is counted once, and the ledger is exact all the time."""

from pathlib import Path

import pytest

from harness.hits import HOUR, NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.nodes import take_in
from latchstring_gateway.beacons.payload import FORMAT, RawHit, encode
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.compaction import compact
from latchstring_gateway.housekeeping.replay import Replayed, replay
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustments
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.commits import Commits, Count
from latchstring_gateway.shipping.decode import DECODERS
from latchstring_gateway.shipping.event import Event, Rejected, Unit
from latchstring_gateway.shipping.locks import KEEPER, LockedError, locked
from latchstring_gateway.shipping.run import Shipper


def _telepathy(body: bytes, hit_id: bytes = b"", at_ms: int = NOW_MS) -> bytes:
    headers = [(b"x-forwarded-for", b"203.0.113.77"), *([(b"x-latch-hit", hit_id)] if hit_id else [])]
    return encode((FORMAT, "telepathy", at_ms, "127.0.0.1", b"POST", b"/t", headers, body, len(body)))


def _read_thoughts(hit: RawHit) -> list[Unit]:
    """Each line a page; "?" is refused."""
    return [
        Rejected("unclear", line)
        if line == b"?"
        else Event("view", line.decode(), None, line.decode(), None, None, line * 8)
        for line in hit.body.split()
    ]


@pytest.fixture
def thoughts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that reads a further wire."""
    monkeypatch.setitem(DECODERS, "telepathy", _read_thoughts)


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def _replay(data_dir: Path, *reasons: str) -> Replayed:
    return replay(data_dir / "warehouse", data_dir / "journal", ManualClock(), reasons=reasons)


def _pages(data_dir: Path) -> list[tuple[str, str]]:
    with committed_events(data_dir / "warehouse") as base:
        return [] if base is None else base.execute("SELECT page, address_prefix FROM events ORDER BY page").fetchall()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Hits of a wire that this version does not know, and one of another that it refuses."""
    write_segment(tmp_path, [_telepathy(b"/a /b ?", b"h1"), _telepathy(b"/a"), pixel(b"bad"), pixel(b"p=/c")])
    _ship(tmp_path)
    return tmp_path


def test_what_can_be_read_by_now_is_counted_once(data_dir: Path, thoughts: None) -> None:
    """One letter becomes three events, of which one is still refused; a second is a duplicate; the third stays."""
    assert ledger(data_dir).total == Count("all", "", received=4, good=1, bad=3)

    assert _replay(data_dir) == Replayed(letters=3, good=2, duplicate=1, still_bad=2)

    found = ledger(data_dir)
    assert found.problems == []
    assert found.rows == [
        Count("pixel", HOUR, received=2, good=1, bad=1),
        Count("telepathy", HOUR, received=4, good=2, bad=1, duplicate=1),
    ]
    assert _pages(data_dir) == [("/a", "203.0.113.0/24"), ("/b", "203.0.113.0/24"), ("/c", "127.0.0.0/24")]


def test_replay_may_be_repeated(data_dir: Path, thoughts: None) -> None:
    """The second time nothing is left to be read."""
    _replay(data_dir)
    total = ledger(data_dir).total

    assert _replay(data_dir) == Replayed(letters=2, still_bad=2)
    assert (ledger(data_dir).total, ledger(data_dir).problems) == (total, [])
    assert len(Adjustments(data_dir / "warehouse").all()) == 1


def test_without_a_better_parser_nothing_changes(data_dir: Path) -> None:
    """Letters that are refused again stay what they are."""
    assert _replay(data_dir) == Replayed(letters=3, still_bad=3)
    assert ledger(data_dir).total == Count("all", "", received=4, good=1, bad=3)


def test_letter_that_is_refused_in_part_may_be_judged_again(
    data_dir: Path, thoughts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version after version reads more of the same hit; each event of it is somewhere, once."""
    monkeypatch.setitem(DECODERS, "telepathy", lambda hit: [Rejected("unclear", b"?"), *_read_thoughts(hit)[1:]])
    assert _replay(data_dir, "unknown_source") == Replayed(letters=2, good=1, still_bad=3)
    monkeypatch.setitem(DECODERS, "telepathy", _read_thoughts)
    assert _replay(data_dir) == Replayed(letters=4, good=1, still_bad=3)

    found = ledger(data_dir)
    assert found.problems == []
    assert (found.total.received, found.total.good, found.total.bad) == (6, 3, 3)
    assert [page for page, _ in _pages(data_dir)] == ["/a", "/b", "/c"]


def test_only_certain_reasons(data_dir: Path, thoughts: None) -> None:
    """Others are not even looked at."""
    assert _replay(data_dir, "bad_type") == Replayed()
    assert _replay(data_dir, "unknown_source").good == 2


def test_retry_of_what_was_replayed_is_a_duplicate(data_dir: Path, thoughts: None) -> None:
    """Also when the index is lost afterwards, and after folding."""
    _replay(data_dir)
    for fresh in (False, True):
        if fresh:
            for file in (data_dir / "warehouse").glob("seen*"):
                file.unlink()
        write_segment(data_dir, [_telepathy(b"/a", at_ms=NOW_MS + 1), _telepathy(b"/new", b"h1", at_ms=NOW_MS + 1)])
        _ship(data_dir)
        take_in(data_dir)
    catalogue = read_catalogue(data_dir / "warehouse")
    Commits(data_dir / "warehouse").add(compact(catalogue, "2027-01-15", catalogue.commits, now_ms=NOW_MS))
    write_segment(data_dir, [_telepathy(b"/b")])
    _ship(data_dir)

    found = ledger(data_dir)
    assert found.problems == []
    assert (found.total.good, found.total.bad, found.total.duplicate) == (3, 2, 6)
    assert [page for page, _ in _pages(data_dir)] == ["/a", "/b", "/c"]


def test_event_of_a_batch_is_replayed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours were counted when the batch was shipped."""
    body = b'[{"page":"/a"},{"page":"/' + b"l" * 2_000 + b'"},{"page":"/b"}]'
    write_segment(tmp_path, [batch(body)])
    _ship(tmp_path)
    monkeypatch.setattr("latchstring_gateway.shipping.page_address.MAX_PATH_CHARS", 3_000)

    assert _replay(tmp_path) == Replayed(letters=1, good=1)

    with committed_events(tmp_path / "warehouse") as base:
        assert base is not None
        rows = base.execute("SELECT page[:2], unit FROM events ORDER BY unit").fetchall()
    assert rows == [("/a", 0), ("/l", 1), ("/b", 2)]
    assert ledger(tmp_path).total == Count("all", "", received=3, good=3)


def test_two_do_not_replay_at_the_same_time(data_dir: Path) -> None:
    """The second is told to come again."""
    with locked(data_dir / "warehouse" / KEEPER), pytest.raises(LockedError, match="try again"):
        _replay(data_dir)


def test_crash_between_the_adjustment_and_the_index_counts_nothing_twice(
    data_dir: Path, thoughts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adjustment is durable, the index has never heard of it: the next start tells it."""
    with monkeypatch.context() as crash:
        crash.setattr("latchstring_gateway.shipping.seen.Seen.mark_committed", _dies)
        with pytest.raises(KeyboardInterrupt):
            _replay(data_dir)
    write_segment(data_dir, [_telepathy(b"/a"), _telepathy(b"/b")])

    _ship(data_dir)

    assert _replay(data_dir) == Replayed(letters=2, still_bad=2)
    found = ledger(data_dir)
    assert (found.problems, found.total.good, found.total.duplicate) == ([], 3, 3)


def _dies(*_arguments: object) -> None:
    raise KeyboardInterrupt

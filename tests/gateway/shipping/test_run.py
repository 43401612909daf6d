"""The shipper: what stands in the journal is in the warehouse afterwards, once, whatever it was."""

import base64
import threading
from pathlib import Path

import duckdb
import pytest

from harness.hits import HOUR, NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.waiting import wait_until
from latchstring_gateway.background import Work
from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.segment import HEADER_BYTES
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.commits import Commit, Commits, Count, Exclusion
from latchstring_gateway.shipping.dead_letters import read_dead_letters
from latchstring_gateway.shipping.event import Event
from latchstring_gateway.shipping.keeping import Excluded, Kept, Ruling, kept_letter, nameless
from latchstring_gateway.shipping.run import AnotherShipperError, Shipper


def _ship(data_dir: Path) -> list[Commit]:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    return Commits(data_dir / "warehouse").all()


def _rows(data_dir: Path, columns: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as base:
        files = str(data_dir / "warehouse/events/dt=*/hour=*/*.parquet")
        return base.execute(f"SELECT {columns} FROM '{files}' ORDER BY ALL").fetchall()


def test_segment_becomes_parquet_dead_letters_and_a_commit(tmp_path: Path) -> None:
    """Good hits are rows, bad ones dead letters, and the commit record counts both."""
    path = write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=bad"), batch(b'[{"page":"/b"},7]'), b"no hit at all"])

    (commit,) = _ship(tmp_path)

    assert not path.exists()
    assert _rows(tmp_path, "page, source, device_kind, dt, hour") == [
        ("/a", "pixel", "computer", _rows(tmp_path, "dt")[0][0], _rows(tmp_path, "hour")[0][0]),
        ("/b", "batch", "other", _rows(tmp_path, "dt")[0][0], _rows(tmp_path, "hour")[0][0]),
    ]
    assert [file.path for file in commit.events] == [f"events/dt=2027-01-15/hour=08/{commit.segment}.parquet"]
    assert commit.counts == [
        Count("batch", HOUR, received=2, good=1, bad=1),
        Count("pixel", HOUR, received=2, good=1, bad=1),
        Count("unknown", HOUR, received=1, bad=1),
    ]
    assert commit.dead_letters is not None
    letters = list(read_dead_letters(tmp_path / "warehouse" / commit.dead_letters.path))
    assert [(letter.reason, letter.unit) for letter in letters] == [
        ("bad_page", 0),
        ("not_an_object", 1),
        ("not_a_hit", 0),
    ]
    assert (commit.finished, commit.rebooted, commit.damaged) == (True, False, [])


def test_hits_of_two_hours_go_to_two_partitions(tmp_path: Path) -> None:
    """A segment over the hour is one file per hour, each sorted by page."""
    late = NOW_MS + 3_600_000
    write_segment(tmp_path, [pixel(b"p=/b"), pixel(b"p=/c", at_ms=late), pixel(b"p=/a")])

    (commit,) = _ship(tmp_path)

    assert [(file.path.rpartition("/")[0], file.rows) for file in commit.events] == [
        ("events/dt=2027-01-15/hour=08", 2),
        ("events/dt=2027-01-15/hour=09", 1),
    ]


def test_resent_hit_counts_once_also_in_another_segment(tmp_path: Path) -> None:
    """A proxy that sends a request again under its id adds nothing."""
    write_segment(tmp_path, [pixel(hit_id=b"h1"), pixel(hit_id=b"h1"), pixel(hit_id=b"h2")])
    _ship(tmp_path)
    write_segment(tmp_path, [pixel(hit_id=b"h2"), pixel(hit_id=b"h3"), pixel(), pixel()])

    commits = _ship(tmp_path)

    assert sum(count.good for commit in commits for count in commit.counts) == 5
    assert sum(count.duplicate for commit in commits for count in commit.counts) == 2


def test_retried_event_counts_once_and_another_event_of_the_same_id_counts_too(tmp_path: Path) -> None:
    """Same id and same words: a retry. Same id and other words: kept, and both can be seen."""
    event, retry, other = b'{"page":"/a","id":"e1"}', b'{"id":"e1","page":"/a"}', b'{"page":"/b","id":"e1"}'
    write_segment(tmp_path, [batch(event), batch(b"[" + retry + b"," + other + b"]")])

    (commit,) = _ship(tmp_path)

    assert commit.counts == [Count("batch", HOUR, received=3, good=2, duplicate=1)]
    assert _rows(tmp_path, "page, conflict") == [("/a", False), ("/b", True)]


def test_copy_written_after_a_failed_sync_counts_once(tmp_path: Path) -> None:
    """The same record id in two segments is one hit, in whichever order they are shipped."""
    hits = [pixel(b"p=/%d" % number) for number in range(10)]
    write_segment(tmp_path, hits[:6], journal_id=b"journal!")
    write_segment(tmp_path, hits[3:], journal_id=b"journal!", first_number=3)

    commits = _ship(tmp_path)

    counts = [count for commit in commits for count in commit.counts]
    assert (sum(c.good for c in counts), sum(c.duplicate for c in counts)) == (10, 3)


def test_damaged_segment_is_kept_in_quarantine_and_counted(tmp_path: Path) -> None:
    """Damage costs the frame it touched, which stays for a closer look; of the others nothing is kept there."""
    address = [(b"x-forwarded-for", b"203.0.113.77")]
    path = write_segment(tmp_path, [pixel(b"p=/a", address), pixel(b"p=/b"), pixel(b"p=/c", address)])
    data = bytearray(path.read_bytes())
    data[data.index(b"p=/b")] ^= 1
    path.write_bytes(data)

    (commit,) = _ship(tmp_path)

    assert _rows(tmp_path, "page") == [("/a",), ("/c",)]
    assert len(commit.damaged) == 1
    kept = (tmp_path / "warehouse" / "quarantine" / path.name).read_bytes()
    ((start, end),) = commit.damaged
    assert kept[start:end] == data[start:end]
    assert kept[:start] + kept[end:] == data[:HEADER_BYTES] + bytes(len(data) - HEADER_BYTES - (end - start))


def test_torn_tail_is_cut(tmp_path: Path) -> None:
    """A write that never came to its end was never answered."""
    path = write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b")])
    path.write_bytes(path.read_bytes()[:-60])

    (commit,) = _ship(tmp_path)

    assert _rows(tmp_path, "page") == [("/a",)]
    assert commit.torn_bytes > 0
    assert not commit.finished


def test_segment_of_an_earlier_boot_that_was_not_finished_is_noted(tmp_path: Path) -> None:
    """After a power loss the ledger can say from when on up to 100 ms of answers may be missing."""
    path = write_segment(tmp_path, [pixel(b"p=/a")])
    cut = path.read_bytes()[:-32]
    path.unlink()
    segment, _, _ = path.name.partition(".")
    (path.parent / f"{segment}.{'A' * 22}.segment").write_bytes(cut)

    (commit,) = _ship(tmp_path)

    assert (commit.rebooted, commit.last_received_at_ms) == (True, NOW_MS)


def test_empty_segment_leaves_nothing(tmp_path: Path) -> None:
    """A worker that died before its first hit leaves no trace in the warehouse."""
    path = write_segment(tmp_path, [pixel()])
    path.write_bytes(path.read_bytes()[:53])

    assert _ship(tmp_path) == []
    assert not path.exists()


def test_segment_that_is_committed_is_only_deleted(tmp_path: Path) -> None:
    """A crash after the commit, or a power loss that brings the file back, counts nothing twice."""
    path = write_segment(tmp_path, [pixel(b"p=/a")])
    data = path.read_bytes()
    first = _ship(tmp_path)
    path.write_bytes(data)

    assert _ship(tmp_path) == first
    assert not path.exists()


def test_second_shipper_is_refused(tmp_path: Path) -> None:
    """One warehouse, one shipper; the second says why it does not start."""
    with (
        Shipper(tmp_path, ManualClock(), TRUSTED),
        pytest.raises(AnotherShipperError, match="another shipper is at work"),
        Shipper(tmp_path, ManualClock(), TRUSTED),
    ):
        pass

    with Shipper(tmp_path, ManualClock(), TRUSTED):
        pass


def test_loop_survives_what_cannot_be_shipped_and_ships_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warehouse that cannot be written to for a while delays, and loses nothing."""
    monkeypatch.setattr("latchstring_gateway.shipping.run.REST_SECONDS", 0.01)
    monkeypatch.setattr("latchstring_gateway.shipping.setbacks.FIRST_PAUSE_SECONDS", 0.01)
    path = write_segment(tmp_path, [pixel(b"p=/a")])
    in_the_way = tmp_path / "warehouse" / "events"
    in_the_way.parent.mkdir()
    in_the_way.write_bytes(b"")
    stop = threading.Event()
    loop = threading.Thread(target=_run, args=(tmp_path, stop))
    loop.start()
    wait_until((tmp_path / "warehouse/seen.sqlite").exists, "the loop runs")
    assert path.exists()

    in_the_way.unlink()

    wait_until(lambda: not path.exists(), "the segment is shipped")
    stop.set()
    loop.join(10)
    assert _rows(tmp_path, "page") == [("/a",)]


def _run(data_dir: Path, stop: threading.Event) -> None:
    with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
        shipper.run(stop)


def test_segment_that_is_a_riddle_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """What cannot be shipped stays where it is; all others are shipped all the same."""
    riddle = write_segment(tmp_path, [pixel(b"p=/riddle")])
    blocked = tmp_path / "warehouse" / "commits" / f"{riddle.name.partition('.')[0]}.json.part"
    other = write_segment(tmp_path, [pixel(b"p=/a")])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        blocked.mkdir(parents=True)
        with pytest.raises(OSError):
            shipper.ship_once()

    assert riddle.exists()
    assert not other.exists()


def test_address_and_agent_do_not_reach_the_warehouse(tmp_path: Path) -> None:
    """Neither Parquet, nor commit, nor dead letter holds a full address, a user agent row or a cookie."""
    secret = [(b"x-forwarded-for", b"203.0.113.77"), (b"cookie", b"__Host-visitor=vvv")]
    write_segment(tmp_path, [pixel(b"p=/a", secret), pixel(b"p=bad", secret)])
    (commit,) = _ship(tmp_path)

    assert _rows(tmp_path, "address_prefix") == [("203.0.113.0/24",)]
    assert commit.dead_letters is not None
    (letter,) = read_dead_letters(tmp_path / "warehouse" / commit.dead_letters.path)
    raw = payload.decode(base64.b64decode(letter.payload))
    assert raw.peer == "203.0.113.0/24"
    assert {name for name, _ in raw.headers} == {b"user-agent"}


def test_excluded_events_are_counted_by_reason_and_written_nowhere(tmp_path: Path) -> None:
    """What a policy keeps out of the warehouse is in the ledger, with its reason, and in no file."""
    write_segment(
        tmp_path, [pixel(b"p=/a"), pixel(b"p=/secret"), batch(b'[{"p":"/secret"},{"p":"/b"},{"p":"/secret"}]')]
    )

    def no_secrets(event: Event) -> Kept | Excluded:
        return Excluded("secret") if event.page == "/secret" else nameless(event)

    with Shipper(
        tmp_path, ManualClock(), TRUSTED, policies=lambda: lambda *_: Ruling(no_secrets, kept_letter)
    ) as shipper:
        shipper.ship_once()
    (commit,) = Commits(tmp_path / "warehouse").all()

    assert commit.counts == [
        Count("batch", HOUR, received=3, good=1, excluded=2),
        Count("pixel", HOUR, received=2, good=1, excluded=1),
    ]
    assert commit.exclusions == [Exclusion("batch", HOUR, "secret", 2), Exclusion("pixel", HOUR, "secret", 1)]
    assert _rows(tmp_path, "page") == [("/a",), ("/b",)]
    assert ledger(tmp_path).excluded == {"secret": 3}
    assert ledger(tmp_path).adds_up


def test_hits_refused_in_a_flood_are_received_and_excluded(tmp_path: Path) -> None:
    """Also while their count is still pending, and once if its record was written twice."""
    refused = payload.RawHit(payload.FORMAT, payload.REFUSED, NOW_MS, "", b"", b"pixel", [], b"17", 0)
    write_segment(tmp_path, [pixel(b"p=/a"), payload.encode(refused)])
    before = ledger(tmp_path).total

    (commit,) = _ship(tmp_path)

    assert (before.received, before.pending) == (18, 18)
    assert commit.counts == [Count("pixel", HOUR, received=18, good=1, excluded=17)]
    assert commit.exclusions == [Exclusion("pixel", HOUR, "flood", 17)]
    assert commit.dead_letters is None


def test_a_count_of_refused_hits_that_says_nothing_is_a_dead_letter(tmp_path: Path) -> None:
    """Nobody writes one, and nothing is left out in silence."""
    record = payload.RawHit(payload.FORMAT, payload.REFUSED, NOW_MS, "", b"", b"pixel", [], b"many", 0)
    write_segment(tmp_path, [payload.encode(record)])

    (commit,) = _ship(tmp_path)

    assert commit.counts == [Count("refused", HOUR, received=1, bad=1)]


def test_forgetting_has_its_turn_within_a_long_backlog(tmp_path: Path) -> None:
    """200 segments took five minutes in one turn, and the salts of former days waited for its end."""
    clock, stop, forgotten = ManualClock(), threading.Event(), list[int]()
    for number in range(3):
        write_segment(tmp_path, [pixel(b"p=/%d" % number)])

    class Slow(Shipper):
        def _ship(self, path: Path, descriptor: int) -> None:
            super()._ship(path, descriptor)
            clock.advance(3_700)
            stop.set()

    work = Work(clock)
    with Slow(tmp_path, clock, TRUSTED, forget=forgotten.append) as shipper:
        shipper.run(stop, work)

    assert len(forgotten) == 4
    assert work.troubles() == []


def test_a_segment_that_fails_for_ever_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was tried every five seconds for ever, and its error ended the turn: nothing was expired or erased."""
    monkeypatch.setattr("latchstring_gateway.shipping.run.REST_SECONDS", 0.01)
    riddle = write_segment(tmp_path, [pixel(b"p=/riddle")])
    forgotten, tried = list[int](), list[str]()

    class Riddled(Shipper):
        def _ship(self, path: Path, descriptor: int) -> None:
            tried.append(path.name)
            if path == riddle:
                raise KeyError("riddle")
            super()._ship(path, descriptor)

    stop, work = threading.Event(), Work(SystemClock())

    def run() -> None:
        with Riddled(tmp_path, SystemClock(), TRUSTED, forget=forgotten.append) as shipper:
            shipper.run(stop, work)

    loop = threading.Thread(target=run)
    loop.start()
    try:
        wait_until(lambda: bool(tried and forgotten), "the loop turns")
        later = write_segment(tmp_path, [pixel(b"p=/a")])
        wait_until(lambda: not later.exists(), "a later segment is shipped")
    finally:
        stop.set()
        loop.join(10)

    assert tried.count(riddle.name) == 1
    assert forgotten
    assert [trouble.task for trouble in work.troubles()] == ["ship_segments"]

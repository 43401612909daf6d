"""One file of a warehouse that cannot be read is named and skipped; everything else goes on, exactly."""

import threading
from pathlib import Path

import pytest

from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from latchstring_gateway.background import Work
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.ids import to_text
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.daily import FILE, Daily
from latchstring_gateway.shipping.dead_letters import UNREADABLE_LETTER
from latchstring_gateway.shipping.erasures import Erased, Erasures, Subject
from latchstring_gateway.shipping.pseudonyms import PseudonymKeyError, Pseudonyms
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.seen import Seen
from latchstring_gateway.shipping.seen_file import IndexReplacedError

_DAMAGE = [b"", b'{"version":1,', b"\xff\xfe\x00", b"[" * 100_000, b"{}"]


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def _pages(data_dir: Path) -> list[str]:
    with committed_events(data_dir / "warehouse") as base:
        return (
            [] if base is None else [page for (page,) in base.execute("SELECT page FROM events ORDER BY 1").fetchall()]
        )


@pytest.mark.parametrize("damage", _DAMAGE, ids=range(len(_DAMAGE)))
def test_a_commit_record_that_cannot_be_read_costs_only_its_rows(tmp_path: Path, damage: bytes) -> None:
    """It stopped the first shipper, unnamed. Its segment is shipped once all the same, and its files stay: put back, it
    counts as before.
    """
    segment = write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    data = segment.read_bytes()
    _ship(tmp_path)
    (record,) = (tmp_path / "warehouse/commits").iterdir()
    sound = record.read_bytes()
    record.write_bytes(damage)

    # A power loss brings its segment back, a tracker sends again, and something else comes.
    segment.write_bytes(data)
    write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1"), pixel(b"p=/b")])
    _ship(tmp_path)
    with House(tmp_path, ManualClock()) as house:
        while house.take_in():
            pass
        house.sweep()
        house.tidy()

    assert not segment.exists()
    assert _pages(tmp_path) == ["/b"]
    (problem,) = ledger(tmp_path).problems
    assert f"commits/{record.name}" in problem
    record.write_bytes(sound)
    assert _pages(tmp_path) == ["/a", "/b"]
    assert ledger(tmp_path).problems == []


def test_an_adjustment_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """It says nothing then, and keeps nobody else from being read."""
    write_segment(tmp_path, [pixel(b"p=/a")])
    _ship(tmp_path)
    (tmp_path / "warehouse/adjustments").mkdir()
    (tmp_path / "warehouse/adjustments/AAAAAAAAAAAAAAAAAAAAAA.json").write_bytes(b"{")
    (commit,) = read_catalogue(tmp_path / "warehouse").commits
    other = Adjustment(id="B" * 22, made_at_ms=NOW_MS, commit=commit.segment, why="duplicates", changes=[])
    Adjustments(tmp_path / "warehouse").add(other)

    catalogue = read_catalogue(tmp_path / "warehouse")

    assert catalogue.adjustments == [other]
    assert [bad.path for bad in catalogue.unreadable] == ["adjustments/AAAAAAAAAAAAAAAAAAAAAA.json"]
    assert "adjustments/AAAAAAAAAAAAAAAAAAAAAA.json" in ledger(tmp_path).problems[0]


def test_an_erasure_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """Those who were read before are left out still, and it can be asked for again."""
    erasures = Erasures(tmp_path)
    ada, bob = Subject("user", "ada"), Subject("user", "bob")
    erasures.ask("A" * 22, [ada], requested_at_ms=NOW_MS)
    erased = Erased(erasures)
    erased.follow()
    (tmp_path / "erasures" / f"{'A' * 22}.json").write_bytes(b"{")
    erasures.ask("B" * 22, [bob], requested_at_ms=NOW_MS)

    erased.follow()
    erasures.begin_again()
    erasures.forget(NOW_MS * 2)

    assert [one.id for one in erasures.all()] == ["B" * 22]
    assert [one.id for one in erasures.under_way()] == ["B" * 22]
    assert list(erasures.unreadable) == ["A" * 22]
    assert erased.has("user", "ada", NOW_MS)
    assert erased.has("user", "bob", NOW_MS)
    erasures.ask("A" * 22, [ada], requested_at_ms=NOW_MS)
    assert len(erasures.all()) == 2


def test_a_line_of_dead_letters_that_cannot_be_read_is_a_letter(tmp_path: Path) -> None:
    """It counts as the bad event it was, and its neighbours are read."""
    write_segment(tmp_path, [batch(b"[1,2,3]")])
    _ship(tmp_path)
    (path,) = (tmp_path / "warehouse/dead-letters").rglob("*.jsonl")
    first, _, last = path.read_bytes().splitlines()
    path.write_bytes(first + b'\n{"received_at_ms":\xff\n' + last[:40])
    catalogue = read_catalogue(tmp_path / "warehouse")

    letters = list(catalogue.letters(catalogue.commits[0]))

    assert [letter.reason for letter in letters] == ["not_an_object", UNREADABLE_LETTER, UNREADABLE_LETTER]
    assert len({(letter.record_id, letter.unit) for letter in letters}) == 3
    (problem,) = ledger(tmp_path).problems
    assert path.name in problem


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"2027-01-15":7}', b'{"2027-01-15":"zz"}', b'{"x":"y"}', b"\xff"]
)
def test_salts_that_cannot_be_read_are_set_aside(tmp_path: Path, damage: bytes) -> None:
    """Else nobody without consent could be counted, or every such event would be lost."""
    (tmp_path / FILE).write_bytes(damage)
    daily = Daily(tmp_path, ManualClock())

    assert daily.of(NOW_MS, b"trace") is not None

    assert (tmp_path / f"{FILE}.unreadable").read_bytes() == damage
    daily.forget(NOW_MS)


def test_a_pseudonym_key_of_any_bytes_is_refused_in_words(tmp_path: Path) -> None:
    """It was a traceback where the bytes were no UTF-8. A new key would make strangers of all visitors."""
    (tmp_path / "pseudonyms.key").write_bytes(b"\xff" * 64)

    with pytest.raises(PseudonymKeyError, match="restore it"):
        Pseudonyms.at(tmp_path)


def test_claims_are_kept_while_nobody_knows_what_a_record_stood_for(tmp_path: Path) -> None:
    """One that had taken the place of others would say so: their claims must not be freed."""
    segment = write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    _ship(tmp_path)
    (record,) = (tmp_path / "warehouse/commits").iterdir()
    record.rename(record.with_name(f"{to_text(bytes(16))}.json"))
    (tmp_path / "warehouse/commits" / f"{to_text(bytes(16))}.json").write_bytes(b"{")

    write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    _ship(tmp_path)

    assert not segment.exists()
    assert _pages(tmp_path) == []
    assert ledger(tmp_path).total.duplicate == 1


def test_an_index_that_is_no_database_is_made_anew(tmp_path: Path) -> None:
    """It holds nothing that the warehouse does not say: a retry counts once all the same. Not while others use it."""
    write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    _ship(tmp_path)
    index = tmp_path / "warehouse/seen.sqlite"
    for path in (tmp_path / "warehouse").glob("seen.sqlite-*"):
        path.unlink()
    index.write_bytes(b"no database" * 1_000)
    with House(tmp_path, ManualClock()) as house:
        while house.take_in():
            pass

        write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1"), pixel(b"p=/b")])
        _ship(tmp_path)

    assert _pages(tmp_path) == ["/a", "/b"]
    assert ledger(tmp_path).total.duplicate == 1
    assert (tmp_path / "warehouse/seen.sqlite.unreadable").exists()


def test_who_has_a_damaged_index_open_sets_it_aside_and_begins_again(tmp_path: Path) -> None:
    """Shipper and housekeeping keep it open for as long as they run, and shipped nothing any more."""
    write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    with House(tmp_path, ManualClock()) as house:
        with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
            shipper.ship_once()
            for path in (tmp_path / "warehouse").glob("seen.sqlite*"):
                path.write_bytes(b"no database" * 10_000)
            write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1"), pixel(b"p=/b")])
            with pytest.raises(IndexReplacedError):
                shipper.run(threading.Event())
        with pytest.raises(IndexReplacedError):
            house.run(threading.Event(), Work(ManualClock()))
    with House(tmp_path, ManualClock()) as house:
        while house.take_in():
            pass
        _ship(tmp_path)

    assert _pages(tmp_path) == ["/a", "/b"]
    assert ledger(tmp_path).total.duplicate == 1


def test_claims_are_not_made_in_an_index_that_was_deleted(tmp_path: Path) -> None:
    """A process that had it open would count what another one counts in the new one."""
    tmp_path.joinpath("warehouse").mkdir()
    seen = Seen(tmp_path / "warehouse")
    (tmp_path / "warehouse/seen.sqlite").unlink()
    with pytest.raises(IndexReplacedError), seen.transaction():
        pass
    seen.close()

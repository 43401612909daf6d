"""Erasing somebody: what was theirs is gone from every file, never comes back, and the ledger still adds up."""

import base64
import shutil
from pathlib import Path

import msgspec
import pytest

from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.nodes import take_in
from harness.people import (
    PSEUDONYMS,
    ask_to_erase,
    choices,
    cookies,
    erasing_house,
    files_with,
    forgetting_shipper,
    people,
    visitor,
    who_agreed,
)
from latchstring_gateway.beacons.payload import FORMAT, OPEN, MailHit, encode
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import Ledger, ledger
from latchstring_gateway.shipping.commits import Count
from latchstring_gateway.shipping.dead_letters import read_dead_letters
from latchstring_gateway.shipping.erasures import ECHO_MS, Erasure, Erasures
from latchstring_gateway.shipping.run import Shipper

_YES = b"consent=granted&"
#: What stands nowhere in the clear but in Parquet files and dead letters.
_SECRET = "ada-7f3a9c"


def _pages(data_dir: Path) -> list[str]:
    with committed_events(data_dir / "warehouse") as base:
        return (
            []
            if base is None
            else [page for (page,) in base.execute("SELECT page FROM events ORDER BY page").fetchall()]
        )


def _ledger(data_dir: Path) -> Ledger:
    found = ledger(data_dir)
    assert found.problems == []
    return found


def _ship(data_dir: Path, clock: ManualClock) -> None:
    with forgetting_shipper(data_dir, clock) as shipper:
        shipper.ship_once()


def _until_complete(data_dir: Path, clock: ManualClock) -> None:
    """Let a shipper erase, and the time pass that the longest report may take."""
    with forgetting_shipper(data_dir, clock) as shipper, erasing_house(data_dir, clock) as house:
        for _ in range(3):
            shipper.ship_once()
            while house.tidy():
                pass
            clock.advance(LONGEST_REPORT_MS / 1_000 + 1)


def _read(data_dir: Path, erasure: str) -> Erasure:
    found = Erasures(data_dir / "warehouse").read(erasure)
    assert found is not None
    return found


_MAIL = MailHit("autumn", "m-1", PSEUDONYMS.of("recipient", _SECRET.encode()), NOW_MS, "/hers")
_HERS = {
    "recipient of a mail": [
        encode((FORMAT, OPEN, NOW_MS, "127.0.0.1", b"GET", b"/o", [], msgspec.json.encode(_MAIL), 9))
    ],
    "user": [pixel(b"p=/hers&" + _YES + b"user=" + _SECRET.encode())],
    "visitor": [pixel(b"p=/hers", who_agreed(b"ada"))],
    "tracker": [pixel(b"p=/hers&" + _YES + b"visitor=" + _SECRET.encode())],
    "visitor and tracker": [pixel(b"p=/hers&visitor=other", who_agreed(b"ada"))],
    "batch": [batch(b'[{"p":"/hers","consent":"granted","user":"' + _SECRET.encode() + b'"},{"p":"/nobodys"}]')],
}
_OTHERS = [
    pixel(b"p=/others&" + _YES + b"user=bob"),
    pixel(b"p=/others", who_agreed(b"bob")),
    pixel(b"p=/others&" + _YES + b"visitor=v-2"),
    pixel(b"p=/others"),
]


@pytest.mark.parametrize("hits", _HERS.values(), ids=_HERS)
@pytest.mark.parametrize("when", ["committed", "pending", "sent again six days later"])
def test_what_is_hers_is_gone_and_what_is_others_stays(tmp_path: Path, hits: list[bytes], when: str) -> None:
    """By whatever name she is known: in files, in the journal, and when a tracker sends it again."""
    clock = ManualClock()
    write_segment(tmp_path, [*hits, *_OTHERS])
    if when != "pending":
        _ship(tmp_path, clock)
    erasure = ask_to_erase(tmp_path, users=[_SECRET], visitors=[b"ada"], trackers=[_SECRET], recipients=[_SECRET])
    _until_complete(tmp_path, clock)
    others = [page for page in _pages(tmp_path) if page != "/nobodys"]
    if when == "sent again six days later":
        clock.advance(6 * 86_400)
        write_segment(tmp_path, [pixel(b"p=/hers&" + _YES + b"user=" + _SECRET.encode(), at_ms=clock.wall_ms())])
        _ship(tmp_path, clock)

    assert "/hers" not in _pages(tmp_path)
    assert files_with(tmp_path / "warehouse", "/hers") == []
    assert others == ["/others"] * 4
    assert files_with(tmp_path / "warehouse", _SECRET) == []
    found = _ledger(tmp_path)
    assert found.excluded == {"erased": 1 + (when == "sent again six days later")}
    done = _read(tmp_path, erasure)
    assert (done.state, done.events) == ("complete", int(when != "pending"))


def test_until_the_longest_report_has_ended_old_files_stand(tmp_path: Path) -> None:
    """Nothing counts any more, and the receipt does not call it complete."""
    clock = ManualClock()
    write_segment(tmp_path, [pixel(b"p=/hers&" + _YES + b"user=" + _SECRET.encode()), pixel(b"p=/others")])
    _ship(tmp_path, clock)
    erasure = ask_to_erase(tmp_path, users=[_SECRET])
    with erasing_house(tmp_path, clock) as house:
        while house.tidy():
            pass

    assert _pages(tmp_path) == ["/others"]
    assert len(files_with(tmp_path / "warehouse", _SECRET)) == 1
    assert _read(tmp_path, erasure).state == "leaving"


def test_dead_letters_that_name_her_go_too(tmp_path: Path) -> None:
    """In a query, in JSON, percent-encoded or base64 in a parameter; committed or pending."""
    inner = base64.urlsafe_b64encode(b'{"user":"' + _SECRET.encode() + b'"}').rstrip(b"=")
    hits = [
        pixel(b"p=bad&user=" + _SECRET.encode()),
        pixel(b"p=bad&user=ada%2d7f3a9c"),
        pixel(b"p=bad&cx=" + inner),
        batch(b'{"page":7,"user":"' + _SECRET.encode() + b'"}'),
        batch(b"not json " + _SECRET.encode()),
        pixel(b"p=bad", [cookies(choices(analytics=True), visitor(b"ada"))]),
        pixel(b"p=bad&user=somebody"),
    ]
    clock = ManualClock()
    write_segment(tmp_path, hits)
    _ship(tmp_path, clock)
    erasure = ask_to_erase(tmp_path, users=[_SECRET], visitors=[b"ada"])
    write_segment(tmp_path, hits)
    _until_complete(tmp_path, clock)

    assert files_with(tmp_path / "warehouse", _SECRET) == []
    # Without its cookie, the sixth of the first seven names nobody.
    assert _ledger(tmp_path).total == Count("all", "", received=14, bad=3, excluded=11)
    assert _read(tmp_path, erasure).dead_letters == 5


def test_a_replay_brings_nothing_back(tmp_path: Path) -> None:
    """Letters of before the erasure are gone; what is judged again meets the same policy."""
    clock = ManualClock()
    write_segment(tmp_path, [pixel(b"p=bad&user=" + _SECRET.encode()), pixel(b"p=bad")])
    _ship(tmp_path, clock)
    ask_to_erase(tmp_path, users=[_SECRET])
    _until_complete(tmp_path, clock)

    letters = [
        letter
        for path in (tmp_path / "warehouse" / "dead-letters").rglob("*.jsonl")
        for letter in read_dead_letters(path)
    ]
    assert len(letters) == 1


def test_an_erasure_waits_for_what_was_begun_without_it(tmp_path: Path) -> None:
    """A shipper that did not know of the request may still commit a segment of then: it is searched afterwards."""
    clock = ManualClock()
    hit = pixel(b"p=/hers&" + _YES + b"user=" + _SECRET.encode())
    path = write_segment(tmp_path, [hit])
    erasure = ask_to_erase(tmp_path, users=[_SECRET])
    with erasing_house(tmp_path, clock) as house:
        while house.tidy():
            pass
        assert _read(tmp_path, erasure).state == "waiting"
        assert _read(tmp_path, erasure).segments == [path.name.partition(".")[0]]

    # One of before: it knows people, and nobody who was erased.
    with Shipper(tmp_path, clock, TRUSTED, policies=people().now) as unaware:
        unaware.ship_once()
    assert _pages(tmp_path) == ["/hers"]
    _until_complete(tmp_path, clock)

    assert _pages(tmp_path) == []
    assert files_with(tmp_path / "warehouse", _SECRET) == []
    assert _read(tmp_path, erasure).state == "complete"


def test_a_backup_that_is_put_back_is_erased_again(tmp_path: Path) -> None:
    """Files of before the erasure that come into the warehouse lose her rows at the next start."""
    clock = ManualClock()
    write_segment(tmp_path, [pixel(b"p=/hers&" + _YES + b"user=" + _SECRET.encode()), pixel(b"p=/others")])
    _ship(tmp_path, clock)
    backup = tmp_path / "backup"
    shutil.copytree(tmp_path / "warehouse", backup)
    erasure = ask_to_erase(tmp_path, users=[_SECRET])
    _until_complete(tmp_path, clock)
    for commit in (tmp_path / "warehouse" / "commits").iterdir():
        commit.unlink()
    for name in ("events", "commits"):
        shutil.copytree(backup / name, tmp_path / "warehouse" / name, dirs_exist_ok=True)
    shutil.rmtree(backup)
    (tmp_path / "warehouse" / "seen.sqlite").unlink()

    _until_complete(tmp_path, clock)

    assert _pages(tmp_path) == ["/others"]
    assert files_with(tmp_path / "warehouse", _SECRET) == []
    assert _read(tmp_path, erasure).state == "complete"
    assert _ledger(tmp_path).adds_up


def test_duplicates_in_the_same_file_go_with_her_rows(tmp_path: Path) -> None:
    """Rows that did not count any more, and stood in the file all the same."""
    clock = ManualClock()
    event = b"p=/hers&id=e1&" + _YES + b"user=" + _SECRET.encode()
    for node in ("one", "two"):
        write_segment(tmp_path / node, [pixel(event), pixel(b"p=/others")])
        _ship(tmp_path / node, clock)
    for name in ("events", "commits"):
        shutil.copytree(
            tmp_path / "two" / "warehouse" / name, tmp_path / "one" / "warehouse" / name, dirs_exist_ok=True
        )
    _ship(tmp_path / "one", clock)
    take_in(tmp_path / "one")
    assert _pages(tmp_path / "one") == ["/hers", "/others", "/others"]

    ask_to_erase(tmp_path / "one", users=[_SECRET])
    _until_complete(tmp_path / "one", clock)

    assert _pages(tmp_path / "one") == ["/others", "/others"]
    assert files_with(tmp_path / "one" / "warehouse", _SECRET) == []
    assert _ledger(tmp_path / "one").total == Count("all", "", received=4, good=2, duplicate=1, excluded=1)


def test_who_comes_back_a_month_later_is_somebody_new(tmp_path: Path) -> None:
    """What is received when nothing old can be sent any more counts again."""
    clock = ManualClock()
    ask_to_erase(tmp_path, users=[_SECRET])
    hit = b"p=/new&" + _YES + b"user=" + _SECRET.encode()
    write_segment(tmp_path, [pixel(hit, at_ms=NOW_MS + ECHO_MS - 1), pixel(hit, at_ms=NOW_MS + ECHO_MS)])
    _ship(tmp_path, clock)

    assert _pages(tmp_path) == ["/new"]
    assert _ledger(tmp_path).excluded == {"erased": 1}


def test_quarantine_and_leftovers_go(tmp_path: Path) -> None:
    """What nobody can read, and what a killed process left, may hold anything."""
    clock = ManualClock()
    warehouse = tmp_path / "warehouse"
    write_segment(tmp_path, [pixel(b"p=/others")])
    _ship(tmp_path, clock)
    left = warehouse / "events" / "dt=2027-01-15" / "hour=08" / "AAAAAAAAAAAAAAAAAAAAAA.parquet"
    for path in (left, left.with_suffix(".parquet.part"), warehouse / "quarantine" / "s.segment"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_SECRET)
    ask_to_erase(tmp_path, users=[_SECRET])

    with erasing_house(tmp_path, clock) as house:
        while house.tidy():
            pass

    assert files_with(warehouse, _SECRET) == []
    assert _pages(tmp_path) == ["/others"]


def test_several_at_once(tmp_path: Path) -> None:
    """Each is told its own figures, and rows of two of them count once."""
    clock = ManualClock()
    write_segment(
        tmp_path,
        [
            pixel(b"p=/a&" + _YES + b"user=ada", who_agreed(b"ada")),
            pixel(b"p=/b&" + _YES + b"user=bob"),
            pixel(b"p=/c"),
        ],
    )
    _ship(tmp_path, clock)
    ids = [ask_to_erase(tmp_path, users=["ada"]), ask_to_erase(tmp_path, visitors=[b"ada"])]
    ids.append(ask_to_erase(tmp_path, users=["bob"], at_ms=NOW_MS + 1))

    _until_complete(tmp_path, clock)

    assert [_read(tmp_path, one).state for one in ids] == ["complete"] * 3
    assert sum(_read(tmp_path, one).events for one in ids) == 2
    assert _pages(tmp_path) == ["/c"]
    assert _ledger(tmp_path).total == Count("all", "", received=3, good=1, excluded=2)


def test_nothing_of_a_name_stands_in_an_erasure(tmp_path: Path) -> None:
    """The record of whom to forget does not remember them."""
    ask_to_erase(tmp_path, users=[_SECRET], trackers=[_SECRET])

    assert files_with(tmp_path, _SECRET) == []
    assert PSEUDONYMS.of("user", _SECRET.encode()) in next((tmp_path / "warehouse" / "erasures").iterdir()).read_text()


def test_twenty_erasures_are_searched_for_in_one_pass(tmp_path: Path) -> None:
    """Each took a search of the whole warehouse, and twenty of them stopped shipping for 24 s a turn."""
    clock, people_ = ManualClock(), [f"person-{number}" for number in range(20)]
    write_segment(
        tmp_path, [pixel(b"p=/hers&consent=granted&user=" + name.encode()) for name in people_] + [pixel(b"p=/others")]
    )
    _ship(tmp_path, clock)
    erasures = [ask_to_erase(tmp_path, users=[name]) for name in people_]

    with erasing_house(tmp_path, clock) as house:
        while house.erase():
            pass
        assert house.eraser is not None
        assert house.eraser.scans == 1

    assert _pages(tmp_path) == ["/others"]
    assert [_read(tmp_path, erasure).events for erasure in erasures] == [1] * 20
    assert _ledger(tmp_path).excluded == {"erased": 20}


def test_a_search_is_cut_into_steps_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Others have their turn every second, however large the warehouse is; who asks meanwhile has the next pass."""
    clock = SteppingClock()
    for number in range(10):
        write_segment(tmp_path, [pixel(b"p=/hers&consent=granted&user=ada"), pixel(b"p=/%d" % number)])
    _ship(tmp_path, clock)
    first = ask_to_erase(tmp_path, users=["ada"])

    with erasing_house(tmp_path, clock) as house:
        steps = 0
        while _read(tmp_path, first).state in ("waiting", "marking"):
            assert house.erase()
            steps += 1
            if steps == 5:
                second = ask_to_erase(tmp_path, users=["bob"])
        assert house.eraser is not None
        assert (steps > 5, house.eraser.scans) == (True, 1)
        while house.erase():
            pass
        assert house.eraser.scans == 2

    assert [_read(tmp_path, one).events for one in (first, second)] == [10, 0]
    assert _ledger(tmp_path).excluded == {"erased": 10}


class SteppingClock(ManualClock):
    """A clock that goes on by three quarters of a second at each look."""

    def boot_ns(self) -> int:
        """See Clock."""
        self.advance(0.75)
        return super().boot_ns()

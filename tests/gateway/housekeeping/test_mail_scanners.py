"""Clicks on many links of one mail within seconds are marked when the hour is folded; a person's are not."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from harness.mails import mail_hit
from latchstring_gateway.beacons.payload import OPEN
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.compaction import compact
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.commits import Commits
from latchstring_gateway.shipping.run import Shipper


def _click(link: str, after_ms: int, **more: Any) -> bytes:
    return mail_hit(link, at_ms=NOW_MS + after_ms, **more)


def _folded(data_dir: Path, segments: Iterable[Iterable[bytes]]) -> list[tuple[Any, ...]]:
    for number, segment in enumerate(segments):
        write_segment(data_dir, segment, first_number=number * 1_000)
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    warehouse = data_dir / "warehouse"
    catalogue = read_catalogue(warehouse)
    Commits(warehouse).add(compact(catalogue, "2027-01-15T08", catalogue.commits, now_ms=NOW_MS))
    assert ledger(data_dir).adds_up
    with committed_events(warehouse) as base:
        assert base is not None
        sql = "SELECT link, machine, fetched_by, rule FROM events WHERE source <> 'pixel' ORDER BY received_at, link"
        return base.execute(sql).fetchall()


_MARKED = ("scanner", "scanner", "burst")
_PERSON = (None, "direct", None)


def test_three_links_in_five_seconds_are_a_scanner_s(tmp_path: Path) -> None:
    """All of them are marked, the first too, and whichever worker's segment they stood in."""
    segments = [[_click("/a", 0), _click("/c", 5_000)], [_click("/b", 2_000)], [pixel(b"p=/x")]]

    assert _folded(tmp_path, segments) == [("/a", *_MARKED), ("/b", *_MARKED), ("/c", *_MARKED)]


def test_what_a_person_does_is_not_marked(tmp_path: Path) -> None:
    """One link again and again, two links at once, three in ten seconds; and others' clicks at the same moment."""
    segment = [
        *(_click("/a", ms, recipient="again") for ms in range(0, 400, 100)),
        *(_click(link, 0, recipient="two") for link in ("/a", "/b")),
        *(_click(link, ms, recipient="slow") for link, ms in (("/a", 0), ("/b", 4_000), ("/c", 8_000))),
        *(_click(link, 0, recipient=link) for link in ("/a", "/b", "/c")),
        *(_click(link, 0, message=link) for link in ("/a", "/b", "/c")),
        *(_click(link, 0, recipient="") for link in ("/a", "/b", "/c")),
    ]

    assert {row[1:] for row in _folded(tmp_path, [segment])} == {_PERSON}


def test_only_the_clicks_of_the_burst_are_marked(tmp_path: Path) -> None:
    """The person reads an hour later; her click is hers. What was marked before keeps its mark; opens are no clicks."""
    segment = [
        _click("/a", 0, method=b"HEAD"),
        _click("/b", 100),
        _click("/c", 200),
        _click("", 300, source=OPEN),
        _click("/b", 60_000),
    ]

    assert _folded(tmp_path, [segment]) == [
        ("/a", "head", "scanner", "head"),
        ("/b", *_MARKED),
        ("/c", *_MARKED),
        (None, *_PERSON),
        ("/b", *_PERSON),
    ]


def test_folding_again_changes_nothing(tmp_path: Path) -> None:
    """The day's fold sees the marks of the hour's."""
    first = _folded(tmp_path, [[_click("/a", 0), _click("/b", 0), _click("/c", 0)], [_click("/a", 60_000)]])

    assert _folded(tmp_path, []) == first


def test_a_link_that_is_followed_twenty_thousand_times_costs_no_square(tmp_path: Path) -> None:
    """Whoever repeats one link cannot keep the keeper from its work."""
    clicks = [_click("/a", number // 10) for number in range(20_000)]

    assert {row[1:] for row in _folded(tmp_path, [clicks])} == {_PERSON}

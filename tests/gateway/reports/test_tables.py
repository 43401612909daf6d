"""Reports that count and rank see what is committed, all of it and nothing else, from sums or from events."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harness import warehouse
from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.retention import Keeper
from latchstring_gateway.reports.answer import Answer
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.question import question
from latchstring_gateway.shipping.run import Shipper

_DAY_MS = 86_400_000


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def _asked(data_dir: Path, report: str = "pages", clock: ManualClock | None = None, **asked: str) -> Answer:
    lists = {name.removesuffix("_"): [value] for name, value in asked.items()}
    clock = clock or ManualClock()
    return ask(data_dir, question(report, lists, now_ms=clock.wall_ms(), partner_people=10), clock)


def _rows(answer: Answer, *columns: str) -> list[list[Any]]:
    return [[answer.cell(row, column) for column in columns] for row in answer.rows]


def _keep(data_dir: Path) -> None:
    """Two days on everything is folded and summed up."""
    clock = ManualClock()
    clock.advance(2 * _DAY_MS / 1_000)
    keeper = Keeper(data_dir / "warehouse", clock)
    while keeper.keep():
        pass


@pytest.mark.parametrize("report", ["pages", "clicks", "mail", "audience", "viewing", "live"])
def test_report_of_an_empty_warehouse_is_empty(tmp_path: Path, report: str) -> None:
    """No data is an answer, not an error."""
    answer = _asked(tmp_path, report)

    assert (answer.rows, answer.gross, answer.net, answer.excluded) == ([], 0, 0, {})
    assert (answer.as_of_ms, answer.watermark_ms) == (NOW_MS, NOW_MS)


def test_popular_pages_are_ranked_by_people(tmp_path: Path) -> None:
    """Machines are counted apart; only views count as views."""
    prefetch = [(b"sec-purpose", b"prefetch")]
    people = [pixel(b"p=/a"), pixel(b"p=/a"), pixel(b"p=/b"), batch(b'{"page":"/c"}')]
    machines = [pixel(b"p=/a", method=b"HEAD"), *(pixel(b"p=/b", prefetch) for _ in range(3))]
    write_segment(tmp_path, [*people, *machines, pixel(b"p=/a&e=play")])
    _ship(tmp_path)

    answer = _asked(tmp_path)

    assert answer.columns == ["page", "gross", "net", "visitors", "excluded_head", "excluded_prefetch"]
    assert answer.rows == [["/a", 3, 2, 0, 1, 0], ["/b", 4, 1, 0, 0, 3], ["/c", 1, 1, 0, 0, 0]]
    assert (answer.gross, answer.net, answer.excluded) == (8, 4, {"head": 1, "prefetch": 3})
    assert _asked(tmp_path, limit="1").rows == [["/a", 3, 2, 0, 1]]
    assert _asked(tmp_path, limit="1").gross == 8


def test_visitors_are_counted_once_a_month_whatever_the_hours(tmp_path: Path) -> None:
    """A pseudonym that lasts counts once; one that lasts for a day counts once each day."""
    for hour in range(30):
        at_ms = NOW_MS - hour * 3_600_000
        warehouse.commit(
            tmp_path,
            [
                {"received_at": at_ms, "visitor": "ada", "page": "/a"},
                {"received_at": at_ms, "visitor": f"day {at_ms // _DAY_MS}", "visitor_kind": "daily", "page": "/a"},
                {"received_at": at_ms, "visitor": f"guest {hour}", "page": "/b"},
                {"received_at": at_ms, "visitor": f"bot {hour}", "page": "/b", "machine": "bot"},
                {"received_at": at_ms, "page": "/a"},
            ],
        )
    before = _asked(tmp_path), _asked(tmp_path, "audience"), _asked(tmp_path, "audience", from_="2027-01-15")
    _keep(tmp_path)
    after = _asked(tmp_path), _asked(tmp_path, "audience"), _asked(tmp_path, "audience", from_="2027-01-15")

    assert before == after
    assert _rows(before[0], "page", "net", "visitors") == [["/a", 90, 3], ["/b", 30, 30]]
    assert (before[0].visitors, before[0].visitors_error) == (33, 0.0)
    assert _rows(before[1], "day", "net", "visitors") == [["2027-01-14", 84, 23], ["2027-01-15", 36, 11]]
    assert (before[2].net, before[2].visitors) == (36, 11)


def test_filters_narrow_the_answer(tmp_path: Path) -> None:
    """By day, country, device and campaign, from sums and from events alike."""
    usual: dict[str, Any] = {"page": "/a", "country": "NL", "device_kind": "tv", "campaign": "spring"}
    others: list[dict[str, Any]] = [
        {"received_at": NOW_MS - _DAY_MS},
        {"country": "DE"},
        {"device_kind": "phone"},
        {"campaign": None},
    ]
    for event in [{}, *others]:
        warehouse.commit(tmp_path, [{**usual, **event}])

    for _ in range(2):
        assert _asked(tmp_path).net == 5
        assert _asked(tmp_path, from_="2027-01-15").net == 4
        assert _asked(tmp_path, to="2027-01-14").net == 1
        assert _asked(tmp_path, month="2027-01").net == 5
        assert _asked(tmp_path, country="NL").net == 4
        assert _asked(tmp_path, device="phone", country="NL").net == 1
        assert _asked(tmp_path, campaign="spring", device="tv").net == 3
        assert _rows(_asked(tmp_path, "audience", by="country"), "country", "net") == [["NL", 4], ["DE", 1]]
        assert _rows(_asked(tmp_path, "audience", by="campaign"), "campaign", "net") == [["spring", 4], [None, 1]]
        _keep(tmp_path)


def test_clicks_have_a_rate_where_something_was_seen(tmp_path: Path) -> None:
    """Of a page's views, and of a campaign's mails and pages; a link alone has none."""
    views = [{"page": "/a", "campaign": "spring"}] * 4 + [{"page": "/b"}]
    clicks = [{"type": "click", "page": "/a", "link": "https://shop/x", "campaign": "spring"}] * 2
    warehouse.commit(tmp_path, [*views, *clicks, {**clicks[0], "machine": "scanner"}])

    assert _asked(tmp_path, "clicks").rows == [["https://shop/x", 3, 2, 0, 1]]
    page = _asked(tmp_path, "clicks", by="page")
    assert _rows(page, "page", "net", "seen", "click_through", "excluded_scanner") == [["/a", 2, 4, 0.5, 1]]
    campaign = _asked(tmp_path, "clicks", by="campaign")
    assert _rows(campaign, "campaign", "seen", "click_through") == [["spring", 4, 0.5]]


def test_opens_are_told_between_two_bounds(tmp_path: Path) -> None:
    """What a privacy proxy or somebody unknown fetched may have been seen or not; a scanner sees nothing."""
    fetched = ["direct", "direct", "unknown", "privacy_proxy", "privacy_proxy", "privacy_proxy", "scanner"]
    mail = {"page": None, "campaign": "spring", "message": "spring-2"}
    opens = [
        {**mail, "type": "open", "fetched_by": by, "machine": by if by in ("privacy_proxy", "scanner") else None}
        for by in fetched
    ]
    warehouse.commit(tmp_path, [*opens, {**mail, "type": "click"}, {**mail, "type": "click", "machine": "scanner"}])

    answer = _asked(tmp_path, "mail")

    columns = ("gross", "net", "opens_at_least", "opens_at_most", "clicks")
    assert _rows(answer, "campaign", *columns) == [["spring", 7, 3, 2, 6, 1]]
    assert _rows(_asked(tmp_path, "mail", by="message"), "message", *columns) == [["spring-2", 7, 3, 2, 6, 1]]
    assert answer.excluded == {"privacy_proxy": 3, "scanner": 1}


def test_partners_see_no_row_of_few_people_and_nobody_who_asked_not_to_be_shared(tmp_path: Path) -> None:
    """Whoever refused sharing counts for ourselves and not for partners; nobody is a machine, or has no pseudonym."""
    events: list[dict[str, Any]] = [{"page": "/a", "visitor": str(visitor)} for visitor in range(30)]
    events += [{"page": "/b", "visitor": str(visitor)} for visitor in range(14)]
    events += [{"page": "/few", "visitor": str(visitor)} for visitor in (1, 2, 3) * 8]
    events += [{"page": "/unknown"}] * 50
    events += [{"page": "/a", "visitor": f"unshared {visitor}", "sharing": False} for visitor in range(5)]
    warehouse.commit(tmp_path, events)
    clock = ManualClock()
    clock.advance(30 * _DAY_MS / 1_000)

    answer = _asked(tmp_path, clock=clock, partner="yes", month="2027-01")

    assert answer.columns == ["page", "net", "visitors"]
    assert answer.rows == [["/a", 30, 30], ["/b", 14, 14]]
    assert answer.excluded == {"not_shared": 5}
    assert answer.withheld is not None
    assert (answer.withheld.rows, answer.withheld.below_people) == (2, 10)
    assert _asked(tmp_path, clock=clock, month="2027-01").net == answer.net + 5


def test_partners_cannot_take_a_pseudonym_of_a_day_for_many_people(tmp_path: Path) -> None:
    """One person who comes on twelve days is twelve pseudonyms, and too few people."""
    events = [
        {"page": "/a", "visitor": f"day {day}", "visitor_kind": "daily", "received_at": NOW_MS - day * _DAY_MS}
        for day in range(12)
    ]
    warehouse.commit(tmp_path, events)
    clock = ManualClock()
    clock.advance(30 * _DAY_MS / 1_000)

    assert _rows(_asked(tmp_path, clock=clock, month="2027-01"), "visitors") == [[12]]
    assert _asked(tmp_path, clock=clock, partner="yes", month="2027-01").rows == []


def test_uncommitted_files_are_not_seen_and_the_watermark_tells(tmp_path: Path) -> None:
    """A file without a commit record does not exist; what is pending holds the watermark back."""
    write_segment(tmp_path, [pixel(b"p=/a")])
    _ship(tmp_path)
    file = next((tmp_path / "warehouse").rglob("*.parquet"))
    file.with_name("AAAAAAAAAAAAAAAAAAAAAA.parquet").write_bytes(file.read_bytes())
    write_segment(tmp_path, [pixel(b"p=/waiting")])
    clock = ManualClock()
    clock.advance(60)

    answer = _asked(tmp_path, clock=clock)

    assert _rows(answer, "page", "gross") == [["/a", 1]]
    assert (answer.as_of_ms, answer.watermark_ms) == (NOW_MS + 60_000, NOW_MS)


def test_files_from_before_a_column_was_added_are_still_read(tmp_path: Path) -> None:
    """Columns are only ever added; an old file has none of the new ones, and its rows count all the same."""
    write_segment(tmp_path, [pixel(b"p=/old")])
    _ship(tmp_path)
    file = next((tmp_path / "warehouse").rglob("*.parquet"))
    old = pq.ParquetFile(file).read().drop_columns(["app", "consent", "conflict", "late", "machine", "visitor_kind"])
    pq.write_table(old, file)
    write_segment(tmp_path, [pixel(b"p=/new")])
    _ship(tmp_path)

    assert _rows(_asked(tmp_path), "page") == [["/new"], ["/old"]]

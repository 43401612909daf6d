"""Reports by a time zone: days and hours of its clocks, also when these change; summed or counted, the same figures."""

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.routing import Router

from harness import warehouse
from latchstring_gateway import settings
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import BadRequest
from latchstring_gateway.reports import zones
from latchstring_gateway.reports.answer import Answer
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.asking import Reports
from latchstring_gateway.reports.endpoints import ReportEndpoints
from latchstring_gateway.reports.question import Defaults, question
from latchstring_gateway.settings import SettingsError
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.cells import make_cells

_LOS_ANGELES, _KOLKATA = "America/Los_Angeles", "Asia/Kolkata"
_HOUR_MS = 3_600_000


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def _ask(data_dir: Path, report: str, *, zone: str, now: str = "2027-01-15T08:00", **asked: str) -> Answer:
    lists = {name.rstrip("_"): [value] for name, value in asked.items()}
    clock = ManualClock(wall_ms=_ms(now))
    return ask(data_dir, question(report, lists, now_ms=_ms(now), partner_people=10, time_zone=zone), clock)


def _by(answer: Answer, column: str, figure: str = "gross") -> dict[Any, Any]:
    return {answer.cell(row, column): answer.cell(row, figure) for row in answer.rows}


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("UTC", date(2026, 3, 8), "2026-03-08T00:00", 24),
        (_LOS_ANGELES, date(2026, 3, 8), "2026-03-08T08:00", 23),
        (_LOS_ANGELES, date(2026, 11, 1), "2026-11-01T07:00", 25),
        (_LOS_ANGELES, date(2026, 7, 1), "2026-07-01T07:00", 24),
        ("Europe/Amsterdam", date(2026, 3, 29), "2026-03-28T23:00", 23),
        ("Europe/Amsterdam", date(2026, 10, 25), "2026-10-24T22:00", 25),
        (_KOLKATA, date(2026, 3, 8), "2026-03-07T18:30", 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00", 24.5),
        # Midnight is skipped: the day begins at one o'clock.
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00", 23),
    ],
)
def test_a_day_has_the_hours_that_its_clocks_have(zone: str, day: date, begins: str, hours: float) -> None:
    """23 when the clocks go forward, 25 when they go back."""
    found = [zones.begin_ms(day + timedelta(days=more), ZoneInfo(zone)) for more in (0, 1)]

    assert found == [_ms(begins), _ms(begins) + round(hours * _HOUR_MS)]


@pytest.mark.parametrize("zone", ["UTC", _LOS_ANGELES, _KOLKATA, "Australia/Lord_Howe", "Africa/Casablanca"])
def test_the_clocks_stand_as_they_do_there(zone: str) -> None:
    """Hour by hour over a year, against the standard library."""
    first_ms, there = _ms("2026-01-01T00:00"), ZoneInfo(zone)
    changes = zones.offsets(there, first_ms, first_ms + 366 * 24 * _HOUR_MS)

    for hour in range(366 * 24):
        at_ms = first_ms + hour * _HOUR_MS
        offset = next(offset for since, offset in reversed(changes) if since <= at_ms)
        assert timedelta(seconds=offset) == datetime.fromtimestamp(at_ms / 1_000, there).utcoffset()


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "America", "x" * 300, "a\0b"])
def test_what_is_no_time_zone(name: str) -> None:
    """A folder, a file and a planet."""
    with pytest.raises(ValueError, match="expected an IANA name"):
        zones.zone_named(name)
    with pytest.raises(BadRequest):
        question("pages", {"time_zone": [name]}, now_ms=0, partner_people=10)


@pytest.mark.parametrize(
    ("zone", "events", "days"),
    [
        # Forward: 2026-03-08 in Los Angeles is 08:00 to 07:00 UTC.
        (
            _LOS_ANGELES,
            ["2026-03-08T07:59", "2026-03-08T08:00", "2026-03-09T06:59", "2026-03-09T07:00"],
            {"2026-03-07": 1, "2026-03-08": 2, "2026-03-09": 1},
        ),
        # Back: 2026-11-01 is 07:00 to 08:00 UTC, and one o'clock comes twice.
        (
            _LOS_ANGELES,
            ["2026-11-01T06:59", "2026-11-01T07:00", "2026-11-01T08:30", "2026-11-01T09:30", "2026-11-02T07:59",
             "2026-11-02T08:00"],
            {"2026-10-31": 1, "2026-11-01": 4, "2026-11-02": 1},
        ),
        (
            _KOLKATA,
            ["2026-03-07T18:29", "2026-03-07T18:30", "2026-03-08T18:29", "2026-03-08T18:30"],
            {"2026-03-07": 1, "2026-03-08": 2, "2026-03-09": 1},
        ),
    ],
)  # fmt: skip
def test_audience_by_day_is_by_the_days_there(
    tmp_path: Path, zone: str, events: list[str], days: dict[str, int]
) -> None:
    """They were days of UTC: what came in the evening in Los Angeles counted for tomorrow."""
    warehouse.commit(tmp_path, [{"received_at": _ms(at), "visitor": at} for at in events])

    answer = _ask(tmp_path, "audience", zone=zone, from_=min(days), to=max(days), by="day")

    assert _by(answer, "day") == _by(answer, "day", "visitors") == days
    assert answer.question.time_zone == zone


def test_a_span_has_its_own_edges(tmp_path: Path) -> None:
    """Popular pages of one day: neither the evening before nor the night after."""
    warehouse.commit(
        tmp_path,
        [{"received_at": _ms(at), "page": at} for at in ("2026-03-07T18:29", "2026-03-07T18:30", "2026-03-08T18:30")],
    )

    assert _by(_ask(tmp_path, "pages", zone=_KOLKATA, from_="2026-03-08", to="2026-03-08"), "page") == {
        "2026-03-07T18:30": 1
    }
    assert _ask(tmp_path, "pages", zone="UTC", from_="2026-03-08", to="2026-03-08").gross == 1


@pytest.mark.parametrize("zone", ["UTC", _LOS_ANGELES, _KOLKATA, "Pacific/Kiritimati", "Australia/Lord_Howe"])
def test_sums_and_events_give_the_same_figures(tmp_path: Path, zone: str) -> None:
    """Sums are of whole days of UTC: the rest of a span is counted from its events, and nothing twice."""
    first_ms, there = _ms("2026-10-29T00:00"), ZoneInfo(zone)
    events: list[dict[str, Any]] = [
        {"received_at": first_ms + n * 37 * 60_000, "page": f"/{n % 3}", "visitor": str(n % 40)} for n in range(230)
    ]
    for day in range(6):
        of_day = [event for event in events if (event["received_at"] - first_ms) // (24 * _HOUR_MS) == day]
        made = warehouse.commit(tmp_path, of_day, span="day")
        if day != 2:
            make_cells(read_catalogue(tmp_path / "warehouse"), made)
    local = [datetime.fromtimestamp(event["received_at"] / 1_000, there).date() for event in events]
    first, last = date(2026, 10, 30), date(2026, 11, 2)
    within = [(at, event) for at, event in zip(local, events, strict=True) if first <= at <= last]

    span = {"from_": "2026-10-30", "to": "2026-11-02"}
    pages = _ask(tmp_path, "pages", zone=zone, **span)
    days = _ask(tmp_path, "audience", zone=zone, by="day", **span)

    assert _by(pages, "page") == Counter(event["page"] for _, event in within)
    assert pages.visitors == days.visitors == len({event["visitor"] for _, event in within})
    assert _by(days, "day") == Counter(at.isoformat() for at, _ in within)


@pytest.mark.parametrize(
    ("by", "zone", "expected"),
    [
        ("hour", "UTC", {"08": 60, "09": 60}),
        ("hour", _KOLKATA, {"14": 120}),
        ("weekday", _LOS_ANGELES, {"7 01": 120}),
        ("day", _LOS_ANGELES, {"2026-11-01": 120}),
    ],
)
def test_viewing_is_by_the_hours_there(tmp_path: Path, by: str, zone: str, expected: dict[str, int]) -> None:
    """A half-hour zone, and one o'clock that comes twice: both hours are one row."""
    beats = [
        {"type": "heartbeat", "viewing": f"v{begin}", "visitor": "ada", "media": "m", "ping": n,
         "play_state": "playing", "position_ms": n * 60_000, "received_at": _ms(begin) + n * 60_000}
        for begin in ("2026-11-01T08:40", "2026-11-01T09:20")
        for n in range(2)
    ]  # fmt: skip
    warehouse.commit(tmp_path, beats)

    answer = _ask(tmp_path, "viewing", zone=zone, by=by, from_="2026-11-01", to="2026-11-01")

    assert _by(answer, by, "seconds") == expected


def test_today_is_the_day_it_is_there() -> None:
    """At eight in the morning UTC it is yesterday's midnight in Los Angeles, and tomorrow on Kiritimati."""
    now_ms = _ms("2027-01-15T07:59")
    asked = {zone: question("pages", {"days": ["1"]}, now_ms=now_ms, partner_people=10, time_zone=zone) for zone in
             ("UTC", _LOS_ANGELES, "Pacific/Kiritimati")}  # fmt: skip

    assert {zone: found.first_day.day for zone, found in asked.items()} == {
        "UTC": 15, _LOS_ANGELES: 14, "Pacific/Kiritimati": 15,
    }  # fmt: skip


def test_partners_have_the_zone_that_is_set() -> None:
    """The same month in two zones differs by hours, and those could be told by subtraction."""
    asked = {"partner": ["yes"], "month": ["2026-10"]}
    now_ms = _ms("2027-01-15T08:00")

    with pytest.raises(BadRequest, match="expected no time_zone"):
        question("pages", {**asked, "time_zone": [_KOLKATA]}, now_ms=now_ms, partner_people=10)
    found = question("pages", asked, now_ms=now_ms, partner_people=10, time_zone=_KOLKATA)
    assert (found.time_zone, found.partner_people) == (_KOLKATA, 10)


async def test_by_http_the_zone_is_a_parameter_and_the_answer_says_it(tmp_path: Path) -> None:
    """Unless told it is the one that is set."""
    warehouse.commit(tmp_path, [{"received_at": _ms("2026-11-02T07:59")}])
    reports = Reports(tmp_path, memory_mb=256, seconds=60)
    app = Router(ReportEndpoints(reports, ManualClock(), Defaults(10, _LOS_ANGELES)).routes())
    url = "/v1/reports/audience?from=2026-11-01&to=2026-11-02&by=day"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
        there = (await client.get(url)).json()
        here = await client.get(f"{url}&time_zone=UTC&format=csv")

    assert (there["question"]["time_zone"], there["rows"][0]["day"]) == (_LOS_ANGELES, "2026-11-01")
    assert next(csv.DictReader(io.StringIO(here.text)))["day"] == "2026-11-02"
    assert '"time_zone": "UTC"' in here.headers["report-summary"]


def test_a_zone_that_is_none_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the setting."""
    monkeypatch.setenv("LATCHSTRING_TIME_ZONE", "Europe/Atlantis")

    with pytest.raises(SettingsError, match=r"TIME_ZONE.*IANA name"):
        settings.read()
    monkeypatch.setenv("LATCHSTRING_TIME_ZONE", _KOLKATA)
    assert settings.read().report_defaults() == Defaults(10, _KOLKATA)


@pytest.mark.parametrize(("drops", "pages"), [(False, {"/a": 1, "/a/": 2, "/": 1}), (True, {"/a": 3, "/": 1})])
def test_a_slash_at_the_end_is_kept_or_dropped(tmp_path: Path, *, drops: bool, pages: dict[str, int]) -> None:
    """They were two rows, without a choice; two is still what is so unless set."""
    made = warehouse.commit(
        tmp_path, [{"page": page, "visitor": "ada"} for page in ("/a", "/a/", "/a/", "/")], span="day"
    )
    make_cells(read_catalogue(tmp_path / "warehouse"), made)
    clock = ManualClock()

    def asked(report: str, **more: list[str]) -> Answer:
        found = question(report, more, now_ms=clock.wall_ms(), partner_people=10, drops_slash=drops)
        return ask(tmp_path, found, clock)

    assert _by(asked("pages"), "page") == pages
    funnel = asked("funnel", step=["view:/a/", "view:/"])
    assert funnel.gross == (4 if drops else 3)


def test_a_funnel_finds_pages_in_either_spelling(tmp_path: Path) -> None:
    """A step that was copied from the address bar."""
    warehouse.commit(tmp_path, [{"page": "/caf\u00e9", "visitor": "ada"}, {"page": "/b", "visitor": "ada"}])

    found = question(
        "funnel", {"step": ["view:/caf%C3%A9", "view:/b"]}, now_ms=_ms("2027-01-15T08:00"), partner_people=10
    )

    assert found.steps == ("view:/caf\u00e9", "view:/b")
    assert ask(tmp_path, found, ManualClock()).gross == 2

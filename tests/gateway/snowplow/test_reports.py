"""What a Snowplow tracker tells stands in the reports: popular pages, conversion, clicks, and hours watched."""

import json
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from harness.hits import NOW_MS, TRUSTED, snowplow, write_segment
from harness.tracked import everybody
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.question import question
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.snowplow import CONTEXTS, PAYLOAD_DATA, UNSTRUCT_EVENT

TP2 = b"/com.snowplowanalytics.snowplow/tp2"
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
#: A TV whose clock is three years behind.
BEHIND_MS = 3 * 365 * 86_400_000


def _event(at_ms: int, **said: str) -> dict[str, str]:
    """An event that is sent two seconds after it happened, by the clock of its sender."""
    eid = str(UUID(bytes=secrets.token_bytes(16), version=4))
    return {"eid": eid, "duid": "ada", "dtm": str(at_ms - BEHIND_MS), "stm": str(at_ms + 2_000 - BEHIND_MS), **said}


def _ue(schema: str, data: dict[str, Any]) -> dict[str, str]:
    about = {"schema": schema, "data": data}
    return {"e": "ue", "ue_pr": json.dumps({"schema": UNSTRUCT_EVENT, "data": about})}


def _media(name: str, at_ms: int, position: float, **player: Any) -> dict[str, str]:
    contexts = [
        {
            "schema": f"{SNOWPLOW}/media_player/jsonschema/2-0-0",
            "data": {"currentTime": position, "label": "film", "paused": False, "ended": False, **player},
        },
        {"schema": f"{SNOWPLOW}.media/session/jsonschema/1-0-0", "data": {"mediaSessionId": "m-1"}},
    ]
    about = _ue(f"{SNOWPLOW}.media/{name}/jsonschema/1-0-0", {})
    return _event(at_ms, co=json.dumps({"schema": CONTEXTS, "data": contexts}), **about)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A visitor who looks, watches for 75 seconds with a pause, follows a link and buys; half of it sent twice."""
    begin = NOW_MS - 600_000
    said = [
        _event(begin, e="pv", url="https://www.example.com/watch/1?utm_campaign=spring"),
        _event(begin + 1_000, e="pp", url="https://www.example.com/watch/1", pp_may="300"),
        _media("play_event", begin + 2_000, 0),
        _media("ping_event", begin + 32_000, 30),
        _media("pause_event", begin + 62_000, 60, paused=True),
        _media("play_event", begin + 100_000, 60),
        _media("end_event", begin + 115_000, 75, ended=True),
        _event(begin + 120_000, **_ue(f"{SNOWPLOW}/link_click/jsonschema/1-0-1", {"targetUrl": "https://shop.example/red"})),
        _event(begin + 125_000, e="se", se_ca="shop", se_ac="add to basket"),
        _event(begin + 130_000, **_ue("iglu:com.acme/purchase/jsonschema/1-0-0", {"total": 12})),
    ]  # fmt: skip
    bodies = [[one] for one in said] + [said[4:]]
    hits = [
        snowplow(TP2, json.dumps({"schema": PAYLOAD_DATA, "data": body}).encode(), at_ms=begin + 200_000 + number)
        for number, body in enumerate(bodies)
    ]
    write_segment(tmp_path, hits)
    with Shipper(tmp_path, ManualClock(), TRUSTED, policies=everybody) as shipper:
        shipper.ship_once()
    return tmp_path


def _rows(data_dir: Path, report: str, **asked: list[str]) -> list[dict[str, Any]]:
    answer = ask(data_dir, question(report, asked, now_ms=NOW_MS, partner_people=10), ManualClock())
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_pages_and_campaigns(data_dir: Path) -> None:
    """A page view is a view; page pings and heartbeats are none."""
    (page,) = _rows(data_dir, "pages", campaign=["spring"])

    assert (page["page"], page["gross"]) == ("/watch/1", 1)


def test_hours_watched(data_dir: Path) -> None:
    """75 seconds: those in which the player moved, whatever the pause, the copies, and the clock of the TV."""
    (film,) = _rows(data_dir, "viewing")

    assert (film["title"], film["seconds"], film["uncertain_seconds"], film["viewings"]) == ("film", 75, 0, 1)


def test_conversion_by_events_of_ones_own(data_dir: Path) -> None:
    """A step is a type: `vendor:name` of a self-describing event, category and action of a structured one."""
    asked = ["view:/watch/*", "click", "structured:shop:add_to_basket", "com.acme:purchase"]

    assert [step["visitors"] for step in _rows(data_dir, "funnel", step=asked)] == [1, 1, 1, 1]


def test_clicks(data_dir: Path) -> None:
    """A link click has its target."""
    assert "https://shop.example/red" in repr(_rows(data_dir, "clicks"))

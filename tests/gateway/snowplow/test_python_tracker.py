"""Snowplow's own Python tracker, unchanged: everything it can say arrives, once, in its proper columns."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import pytest
from snowplow_tracker.emitter_configuration import EmitterConfiguration
from snowplow_tracker.emitters import Emitter
from snowplow_tracker.events.page_ping import PagePing
from snowplow_tracker.events.page_view import PageView
from snowplow_tracker.events.screen_view import ScreenView
from snowplow_tracker.events.self_describing import SelfDescribing
from snowplow_tracker.events.structured_event import StructuredEvent
from snowplow_tracker.self_describing_json import SelfDescribingJson
from snowplow_tracker.snowplow import Snowplow
from snowplow_tracker.subject import Subject
from snowplow_tracker.tracker import Tracker

from harness.tracked import Tracked, tracked
from harness.waiting import wait_until

pytestmark = pytest.mark.beacons

TV = "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/6.0 TV Safari/537.36"
PURCHASE = "iglu:com.acme/purchase/jsonschema/1-0-0"
TENANT = "iglu:com.acme/tenant/jsonschema/1-0-0"


@pytest.fixture
def collector() -> Iterator[Tracked]:
    """A gateway as it comes."""
    with tracked(fsync="never") as running:
        yield running


def _tell_everything(tracker: Tracker) -> None:
    tenant = [SelfDescribingJson(TENANT, {"name": "Müller & Söhne"})]
    tracker.track(
        PageView(
            page_url="https://www.example.com/watch/7?utm_campaign=spring&x=1#top",
            page_title="The seventh",
            referrer="https://search.example/?q=seven",
            context=tenant,
        )
    )
    tracker.track(PagePing(page_url="https://www.example.com/watch/7", max_y=700))
    tracker.track(StructuredEvent(category="shop", action="add", label="red", property_="size", value=9.5))
    tracker.track(SelfDescribing(SelfDescribingJson(PURCHASE, {"total": 12, "items": ["a", "b"]})))
    tracker.track(ScreenView(id_="9f0b1d6e-6f2e-4e43-9c57-0f6c1d2a3b4c", name="Home"))


def _tracker(collector: Tracked, app: str, method: Literal["get", "post"], *, encodes: bool) -> Tracker:
    subject = Subject().set_user_id("u-1").set_domain_user_id("d-1").set_domain_session_id("s-1").set_lang("de")
    subject.set_ip_address("203.0.113.77").set_useragent(TV).set_platform("web")
    emitter = Emitter(collector.host, protocol="http", port=int(collector.port), method=method, batch_size=3)
    return Tracker("py", [emitter], app_id=app, subject=subject, encode_base64=encodes)


def test_everything_it_tells_arrives_in_its_columns(collector: Tracked) -> None:
    """Page views, pings, structured and self-describing events; by GET or POST, in base64 or not."""
    ways: dict[str, tuple[Literal["get", "post"], bool]] = {
        "get, base64": ("get", True),
        "get, json": ("get", False),
        "post, base64": ("post", True),
        "post, json": ("post", False),
    }

    for app, (method, encodes) in ways.items():
        tracker = _tracker(collector, app, method, encodes=encodes)
        _tell_everything(tracker)
        tracker.flush()

    collector.ship()
    assert collector.letters() == []
    assert (collector.ledger().total.received, collector.ledger().total.good) == (20, 20)
    rows = collector.rows()
    for app in ways:
        _check_everything([row for row in rows if row["app"] == app])
    # What a server says of its visitor's address and agent stands in no column; the agent tells the device.
    assert {(row["device_kind"], row["machine"], row["address_prefix"]) for row in rows} == {("tv", None, "")}
    assert "203.0.113.77" not in repr(rows)
    assert TV not in repr(rows)


def _check_everything(found: list[dict[str, Any]]) -> None:
    assert [row["page"] for row in found if row["type"] == "view"] == ["/watch/7", "Home"]
    rows = {row["type"]: row for row in reversed(found)}
    assert len(rows) == 4
    view = rows["view"]
    assert (view["host"], view["platform"], view["campaign"]) == ("www.example.com", "web", "spring")
    assert (view["referrer_host"], view["user"], view["session"]) == ("search.example", "u-1", "s-1")
    assert (view["visitor"], view["source"]) == ("d-1", "snowplow")
    assert view["properties"]["page"] == "The seventh"
    assert view["properties"]["co"] == [{"schema": TENANT, "data": {"name": "Müller & Söhne"}}]
    assert rows["viewing"]["properties"]["pp_may"] == "700"
    shop = rows["structured:shop:add"]["properties"]
    assert [shop[f"se_{name}"] for name in ("ca", "ac", "la", "pr", "va")] == ["shop", "add", "red", "size", "9.5"]
    assert rows["com.acme:purchase"]["properties"]["ue"]["data"] == {"total": 12, "items": ["a", "b"]}
    assert all(abs(row["received_at"] - row["happened_at"]) < timedelta(seconds=5) for row in found)


def test_what_was_not_answered_is_sent_again_and_counts_once(collector: Tracked) -> None:
    """The tracker's own retry: the first answer is lost on the way, the second try is the same events."""
    sent: list[Any] = []
    emitter = _LosesTheFirstAnswer(collector, sent)
    configuration = EmitterConfiguration(batch_size=1)
    facade = Snowplow.create_tracker("facade", collector.url, app_id="shop", emitter_config=configuration)
    facade.track(PageView(page_url="https://www.example.com/"))
    tracker = Tracker("py", [emitter], app_id="shop")

    _tell_everything(tracker)
    tracker.flush()
    wait_until(lambda: len(sent) >= 2 and not emitter.event_store.size(), "the tracker to be rid of its events")

    collector.ship()
    total = collector.ledger().total
    assert (total.received, total.good, total.duplicate) == (11, 6, 5)
    assert len(collector.rows()) == 6


class _LosesTheFirstAnswer(Emitter):
    """The tracker's emitter, over a network that loses the first answer; nothing else of it is touched."""

    def __init__(self, collector: Tracked, sent: list[Any]) -> None:
        self._sent = sent
        super().__init__(
            collector.host, protocol="http", port=int(collector.port), batch_size=5, max_retry_delay_seconds=1
        )

    def http_post(self, data: str) -> int:
        """Send, and hear nothing the first time."""
        status = super().http_post(data)
        self._sent.append(data)
        return -1 if len(self._sent) == 1 else status

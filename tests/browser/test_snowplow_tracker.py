"""Snowplow's own browser tracker, unchanged, in Chromium: on a page of one origin, with the collector on another."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.tracked import Tracked, tracked
from harness.waiting import wait_until

pytestmark = pytest.mark.browser

_PACKAGES = Path(__file__).parents[1] / "harness" / "snowplow_trackers" / "node_modules" / "@snowplow"
_SCRIPTS = {
    f"/{name}.js": (_PACKAGES / name / "dist" / "index.umd.min.js").read_bytes
    for name in ("browser-tracker", "browser-plugin-media", "browser-plugin-link-click-tracking")
}
_PAGE = b"""<!doctype html><meta charset="utf-8"><title>Gr\xc3\xbc\xc3\x9fe</title>
<script src="/browser-tracker.js"></script><script src="/browser-plugin-media.js"></script>
<script src="/browser-plugin-link-click-tracking.js"></script>
<a id="out" href="https://shop.example/red?x=1" onclick="event.preventDefault()">red</a>"""


@pytest.fixture
def collector() -> Iterator[Tracked]:
    """A gateway as it comes."""
    with tracked(fsync="never", snowplow_paths="/acme/track") as running:
        yield running


@pytest.fixture
def page(browser: Browser, serving: Callable[[ASGIApp], str]) -> Iterator[Page]:
    """A page that has loaded the tracker, in a fresh profile."""
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(serving(_website) + "/watch/7?utm_campaign=spring")
    yield opened
    context.close()


async def _website(scope: Scope, _receive: Receive, send: Send) -> None:
    read = _SCRIPTS.get(scope["path"], lambda: _PAGE)
    kind = b"text/javascript" if scope["path"].endswith(".js") else b"text/html"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": read()})


_FUNCTIONS = "const {newTracker, trackPageView, trackStructEvent, trackSelfDescribingEvent} = snowplowBrowserTracking;"


def _start(page: Page, collector: Tracked, name: str = "sp", **options: Any) -> None:
    """Make the tracker; `window.told` has a status for each event that it takes for sent, or has failed to send."""
    given = {"appId": "web-app", "plugins": [], **options}
    page.evaluate(
        """([name, collector, given]) => {
            window.told = [];
            const plugins = [snowplowMedia.SnowplowMediaPlugin(), snowplowLinkClickTracking.LinkClickTrackingPlugin()];
            snowplowBrowserTracking.newTracker(name, collector, {
                ...given, plugins,
                onRequestSuccess: (batch, response) => batch.forEach(() => window.told.push(response.status)),
                onRequestFailure: (failure) => window.told.push(failure.status ?? "none"),
            });
        }""",
        [name, collector.url, given],
    )


def _track(page: Page, script: str) -> None:
    page.evaluate(f"() => {{ {_FUNCTIONS} {script} }}")


def _wait_told(page: Page, *expected: Any) -> None:
    wait_until(lambda: page.evaluate("window.told.length") >= len(expected), "the tracker to hear of its events")
    assert page.evaluate("window.told") == list(expected)


def _queued(page: Page) -> int:
    found = page.evaluate("Object.entries(localStorage).filter(([name]) => name.startsWith('snowplowOutQueue'))")
    return sum(len(json.loads(value)) for _name, value in found)


def test_views_clicks_and_events_arrive_in_their_columns(page: Page, collector: Tracked) -> None:
    """By the tracker's defaults: POST, one event a request, with credentials."""
    _start(page, collector)

    _track(page, "trackPageView(); trackStructEvent({category: 'shop', action: 'add', value: 9.5});")
    page.evaluate("snowplowLinkClickTracking.enableLinkClickTracking({pseudoClicks: true})")
    page.evaluate("snowplowLinkClickTracking.refreshLinkClickTracking()")
    page.click("#out")

    _wait_told(page, 200, 200, 200)
    assert _queued(page) == 0
    collector.ship()
    assert collector.letters() == []
    view, shop, click = collector.rows()
    assert (view["type"], view["page"], view["campaign"]) == ("view", "/watch/7", "spring")
    assert (view["app"], view["platform"]) == ("web-app", "web")
    assert view["properties"]["page"] == "Grüße"
    assert (shop["type"], shop["properties"]["se_va"]) == ("structured:shop:add", "9.5")
    assert (click["type"], click["link"]) == ("click", "https://shop.example/red")
    assert view["visitor"] == shop["visitor"] == click["visitor"] is not None
    assert view["session"] == click["session"] is not None
    assert view["viewing"] == click["viewing"] is not None


def test_media_events_are_heartbeats(page: Page, collector: Tracked) -> None:
    """Play, a change of speed, pause and end of a title, as the media plugin tells them."""
    _start(page, collector)

    page.evaluate("""() => {
        const media = snowplowMedia, id = "m-1";
        const at = (currentTime, more = {}) => ({id, player: {label: "T7", duration: 100, currentTime, ...more}});
        media.startMediaTracking({id, session: true, pings: false, player: {label: "T7", currentTime: 0}});
        media.trackMediaPlay(at(0.5));
        media.trackMediaPlaybackRateChange({...at(10.25), newRate: 1.5});
        media.trackMediaPause(at(20));
        media.trackMediaEnd(at(100, {ended: true}));
    }""")

    _wait_told(page, 200, 200, 200, 200)
    collector.ship()
    rows = collector.rows()
    assert [row["type"] for row in rows] == ["heartbeat"] * 4
    assert [(row["media"], row["play_state"], row["position_ms"]) for row in rows] == [
        ("T7", "playing", 500),
        ("T7", "playing", 10_250),
        ("T7", "paused", 20_000),
        ("T7", "ended", 100_000),
    ]
    assert rows[2]["playback_rate"] == 1.5
    assert len({row["viewing"] for row in rows}) == 1


def test_other_ways_of_sending(page: Page, collector: Tracked) -> None:
    """By GET, in batches, past ad blockers by a path of one's own or another vendor's, and by fetch with keepalive."""
    ways: dict[str, dict[str, Any]] = {
        "get": {"eventMethod": "get"},
        "batched json": {"bufferSize": 2, "encodeBase64": False},
        "own path": {"postPath": "/acme/track"},
        "own vendor": {"postPath": "/com.acme/t2", "keepalive": True},
    }

    for name, options in ways.items():
        _start(page, collector, name=name, appId=name, **options)
        _track(page, f"trackPageView({{}}, ['{name}']); trackStructEvent({{category: 'a', action: 'b'}}, ['{name}']);")
        _wait_told(page, 200, 200)

    collector.ship()
    assert sorted((row["app"], row["type"]) for row in collector.rows()) == sorted(
        (name, kind) for name in ways for kind in ("structured:a:b", "view")
    )


def test_network_user_id_stays_the_same(page: Page, collector: Tracked) -> None:
    """The cookie is set by the first answer, sent with the next request, and read by no script."""
    _start(page, collector, anonymousTracking=True)

    for number in range(3):
        _track(page, "trackPageView();")
        wait_until(lambda: page.evaluate("window.told.length") > number, "the tracker to hear")  # noqa: B023

    collector.ship()
    first, second, third = (row["visitor"] for row in collector.rows())
    assert first is None
    assert second == third is not None
    (cookie,) = _network_user_cookies(page, collector)
    assert cookie.get("value", "").startswith(second)
    assert (cookie.get("httpOnly"), cookie.get("secure"), cookie.get("sameSite")) == (True, True, "None")
    assert page.evaluate("document.cookie").find("sp=") == -1


def test_server_anonymisation_keeps_nothing_that_tells_visitors_apart(page: Page, collector: Tracked) -> None:
    """The tracker's own switch: no cookie comes, an earlier one goes, no address is written down."""
    _start(page, collector)
    _track(page, "trackPageView();")
    _wait_told(page, 200)
    assert _network_user_cookies(page, collector)

    _start(page, collector, name="anonymous", anonymousTracking={"withServerAnonymisation": True})
    _track(page, "trackPageView({}, ['anonymous']);")
    _wait_told(page, 200)

    assert not _network_user_cookies(page, collector)
    collector.ship()
    _, anonymous = collector.rows()
    assert (anonymous["visitor"], anonymous["user"], anonymous["address_prefix"]) == (None, None, "")


def _network_user_cookies(page: Page, collector: Tracked) -> list[Any]:
    return [one for one in page.context.cookies(collector.url) if one.get("name") == "sp"]


def test_lost_answer_is_sent_again_and_counts_once(page: Page, collector: Tracked) -> None:
    """The hit is kept, the answer lost on the way: the browser's queue sends it again, and then is empty."""
    lost: list[int] = []

    def lose_first(route: Route) -> None:
        answer = route.fetch()
        if not lost:
            lost.append(answer.status)
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/com.snowplowanalytics.snowplow/tp2", lose_first)
    _start(page, collector)

    _track(page, "trackPageView();")
    wait_until(lambda: len(page.evaluate("window.told")) >= 1, "the tracker to miss its answer")
    _track(page, "trackStructEvent({category: 'a', action: 'b'});")
    wait_until(lambda: _queued(page) == 0, "the queue to be empty")

    assert lost == [200]
    collector.ship()
    total = collector.ledger().total
    assert (total.received, total.good, total.duplicate) == (3, 2, 1)
    assert sorted(row["type"] for row in collector.rows()) == ["structured:a:b", "view"]

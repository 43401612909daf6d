"""The script in real pages under a strict policy: what a person does arrives exactly, whatever is blocked."""

import base64
import io
import wave
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp

from harness.hits import CHROME
from harness.service import Service, running_service
from harness.waiting import wait_until
from latchstring_gateway.beacons.script import STABLE_PATH, noscript_tag, script_tag
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger

pytestmark = pytest.mark.browser

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; media-src data:; form-action 'self'; "
    "base-uri 'none'; require-trusted-types-for 'script'"
)
_COLUMNS = (
    "type", "page", "host", "source", "app", "platform", "campaign", "referrer_host", "link", "media", "viewing",
    "ping", "play_state", "position_ms", "playback_rate", "properties", "event_id", "machine",
)  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """All of `latchstring serve`."""
    with running_service(tmp_path_factory.mktemp("data")) as running:
        yield running


class Site:
    """A website on the edge's own host: every page has the same words; `policy` is its Content-Security-Policy."""

    def __init__(self, service: Service, context: BrowserContext, name: str) -> None:
        self._service = service
        self._context = context
        self.name = name
        self.origin = service.url
        self.policy = _POLICY
        self.script = script_tag(app=name)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        context.route(f"{service.url}/{name}/**", self._serve)
        context.on("request", lambda request: self.asked.append(request.url.removeprefix(service.url)))

    def _serve(self, route: Route) -> None:
        html = f"""<!doctype html><meta charset="utf-8"><title>{self.name}</title>{self.script}
        <body>{noscript_tag(app=self.name)}
        <a id="inside" href="/{self.name}/next?session=secret#top"><b>On</b></a>
        <a id="outside" href="https://shop.example/buy?token=secret" target="_blank" rel="noopener">Buy</a>
        <a id="mail" href="mailto:someone@example.com">Write</a>
        <button data-conversion="trial">Try it</button>
        <form action="/{self.name}/thanks" data-conversion="order"><input name="q"><button>Order</button></form>
        <audio data-media="salt" muted src="{_silence()}"></audio>"""
        headers = {"content-security-policy": self.policy, "content-type": "text/html; charset=utf-8"}
        route.fulfill(body=html, headers=headers)

    def path(self, page: str) -> str:
        """A page of the site."""
        return f"/{self.name}/{page}"

    def open(self, path: str = "home", *, clock: bool = False) -> Page:
        """A new tab on a page of the site; with `clock`, time goes on and can be moved."""
        page = self._context.new_page()
        if clock:
            page.clock.install()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.goto(self.origin + self.path(path))
        return page

    def rows(self, least: int, where: str = "true") -> list[dict[str, Any]]:
        """The site's events in the warehouse, in the order they happened, once there are `least` and none waits."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            with committed_events(self._service.data_dir / "warehouse") as base:
                if base is None:
                    return False
                order = "occurred_at NULLS FIRST, ping NULLS FIRST, received_at"
                sql = f"SELECT {', '.join(_COLUMNS)} FROM events WHERE app = ? AND {where} ORDER BY {order}"
                found[:] = [dict(zip(_COLUMNS, row, strict=True)) for row in base.execute(sql, [self.name]).fetchall()]
            return len(found) >= least and not ledger(self._service.data_dir).total.pending

        wait_until(arrived, f"{least} events of {self.name} in the warehouse")
        return found


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A profile of a person's browser; `request.param` are further options."""
    made = browser.new_context(user_agent=CHROME.decode(), **getattr(request, "param", {}))
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def site(service: Service, context: BrowserContext, request: pytest.FixtureRequest) -> Site:
    """A site of the test's own, so that its events are."""
    return Site(service, context, f"s{abs(hash(request.node.name))}")


def _silence() -> str:
    """A minute of silence, as an address."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8_000)
        file.writeframes(b"\x80" * 8_000 * 60)
    return "data:audio/wav;base64," + base64.b64encode(sound.getvalue()).decode()


def test_views_clicks_and_conversions_arrive_exactly(site: Site, context: BrowserContext) -> None:
    """Each once, with what it is about and nothing more: no query, no fragment; and nothing is left in the browser."""
    page = site.open("home?utm_campaign=Autumn&q=secret#secret")
    page.click("#outside", button="middle")
    page.evaluate("document.querySelector('#mail').addEventListener('click', event => event.preventDefault())")
    page.click("#mail")
    page.click("button[data-conversion]")
    page.evaluate("latchstring('conversion', {goal: 'upgrade', value: 9.99, nothing: null})")
    page.click("#inside b")
    page.wait_for_url("**/next?*")
    page.fill("input", "x")
    page.click("form button")
    page.wait_for_url("**/thanks?*")

    rows = site.rows(8)

    home, following = site.path("home"), site.path("next")
    assert [(row["type"], row["page"], row["campaign"], row["link"], row["properties"]) for row in rows] == [
        ("view", home, "Autumn", None, None),
        ("click", home, "Autumn", "https://shop.example/buy", None),
        ("conversion", home, "Autumn", None, '{"goal":"trial"}'),
        ("conversion", home, "Autumn", None, '{"goal":"upgrade","value":"9.99"}'),
        ("click", home, "Autumn", site.origin + following, None),
        ("view", following, None, None, None),
        ("conversion", following, None, None, '{"goal":"order"}'),
        ("view", site.path("thanks"), None, None, None),
    ]
    assert {(row["source"], row["platform"], row["machine"]) for row in rows} == {("batch", "web", None)}
    assert {row["host"] for row in rows} == {site.origin.removeprefix("http://")}
    assert len({row["event_id"] for row in rows}) == 8
    assert "secret" not in str(rows)
    assert context.cookies() == []
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert site.complaints == []


def test_viewing_is_told_at_every_change_and_when_the_tab_is_closed(site: Site) -> None:
    """Play, ten seconds of playing, pause, a jump, another speed, a closed tab: positions to the millisecond."""
    page = site.open("watch", clock=True)
    player = "document.querySelector('audio')"

    def do(act: str, until: str) -> int:
        """Where the player is in milliseconds, once it has said that it has done something."""
        script = f"new Promise(done => {{ {player}.addEventListener('{until}', done, {{once: true}}); {act}; }})"
        page.evaluate(script)
        return int(page.evaluate(f"Math.round({player}.currentTime * 1000)"))

    do(f"{player}.play()", "timeupdate")
    page.clock.fast_forward(10_000)
    do("", "timeupdate")
    paused_at = do(f"{player}.pause()", "pause")
    assert do(f"{player}.currentTime = 40", "seeked") == 40_000
    do(f"{player}.playbackRate = 2", "ratechange")
    do(f"{player}.play()", "timeupdate")
    page.close()

    rows = site.rows(7, "type = 'heartbeat'")

    rows.sort(key=lambda row: row["ping"])
    told = [(row["ping"], row["play_state"], row["playback_rate"]) for row in rows]
    assert told[:6] == [
        (0, "playing", 1.0),
        (1, "playing", 1.0),
        (2, "paused", 1.0),
        (3, "seeking", 1.0),
        (4, "paused", 1.0),
        (5, "playing", 2.0),
    ]
    # A browser may say in two ways that a page goes away.
    assert told[6:] in ([(6, "playing", 2.0)], [(6, "playing", 2.0), (7, "playing", 2.0)])
    positions = [row["position_ms"] for row in rows]
    assert positions[0] < positions[1] <= positions[2] == positions[3] == paused_at
    assert positions[4] == 40_000 <= positions[5] < positions[6] < 60_000
    assert {row["media"] for row in rows} == {"salt"}
    assert len({row["viewing"] for row in rows}) == 1
    assert site.complaints == []


def test_the_end_of_a_title_ends_its_viewing(site: Site) -> None:
    """Played to the end it has ended once; played again it is another viewing."""
    page = site.open("watch")
    player = "document.querySelector('audio')"
    for _ in range(2):
        page.evaluate(
            f"new Promise(done => {{ {player}.onended = done; {player}.currentTime = 59.7; {player}.play(); }})"
        )
    page.close()

    ends = site.rows(2, "play_state = 'ended'")
    beginnings = site.rows(2, "ping = 0")

    assert [row["position_ms"] for row in ends] == [60_000, 60_000]
    viewings = [row["viewing"] for row in ends]
    assert viewings == [row["viewing"] for row in beginnings]
    assert viewings[0] != viewings[1]


def test_a_player_of_ones_own_is_watched_like_the_browser_s(site: Site) -> None:
    """Whatever has the properties and events of a media element: a TV app's player, or one behind a shadow root."""
    page = site.open("watch")
    page.evaluate(
        """() => {
            const player = new EventTarget();
            Object.assign(player, {currentTime: 0, paused: true, playbackRate: 1, media: "own"});
            latchstring.watch(player);
            const say = (type, state) => { Object.assign(player, state); player.dispatchEvent(new Event(type)); };
            say("timeupdate", {});
            say("play", {paused: false});
            say("pause", {currentTime: 2.5, paused: true});
        }"""
    )

    rows = site.rows(2, "type = 'heartbeat'")

    told = [(row["media"], row["ping"], row["play_state"], row["position_ms"]) for row in rows]
    assert told == [("own", 0, "playing", 0), ("own", 1, "paused", 2_500)]


@pytest.mark.parametrize(
    "blocking",
    [
        "navigator.sendBeacon = () => false; window.fetch = () => Promise.reject(new TypeError('blocked'))",
        "delete Navigator.prototype.sendBeacon; delete window.fetch",
        "policy",
        "network",
    ],
)
def test_where_requests_are_blocked_pixels_say_the_same(site: Site, context: BrowserContext, blocking: str) -> None:
    """By an extension that answers for the browser, an old browser, a policy, or a filter of the network."""
    if blocking == "policy":
        site.policy = _POLICY.replace("connect-src 'self'", "connect-src 'none'")
    elif blocking == "network":
        context.route("**/b", lambda route: route.abort())
    else:
        context.add_init_script(blocking)
    page = site.open("home?utm_campaign=Autumn")
    site.rows(1)
    page.click("#outside", button="middle")
    page.click("button[data-conversion]")

    rows = site.rows(3)

    told = [(row["source"], row["type"], row["page"], row["campaign"], row["link"], row["properties"]) for row in rows]
    home = site.path("home")
    assert told == [
        ("pixel", "view", home, "Autumn", None, None),
        ("pixel", "click", home, "Autumn", "https://shop.example/buy", None),
        ("pixel", "conversion", home, "Autumn", None, '{"goal":"trial"}'),
    ]


def test_a_view_whose_answer_was_lost_counts_once(site: Site, context: BrowserContext) -> None:
    """It had arrived; the pixel that follows carries the same id and words."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    context.route("**/b", lose)
    page = site.open()
    page.click("button[data-conversion]")

    rows = site.rows(2)

    assert [row["type"] for row in rows] == ["view", "conversion"]


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_the_pixel_counts_the_view(site: Site) -> None:
    """`<noscript>`: the page is the Referer's, the site's id stands in the address."""
    site.open("home?q=secret")

    (row,) = site.rows(1)

    assert (row["source"], row["type"], row["page"], row["platform"]) == ("pixel", "view", site.path("home"), "web")


def test_the_stable_address_serves_the_same_script(site: Site) -> None:
    """For pages that cannot follow the hash; without integrity."""
    site.script = f'<script src="{STABLE_PATH}" defer data-app="{site.name}" data-conversion="paid"></script>'
    page = site.open("thanks")

    rows = site.rows(2)

    assert [(row["type"], row["properties"]) for row in rows] == [("view", None), ("conversion", '{"goal":"paid"}')]
    assert page.evaluate("typeof latchstring") == "function"


def test_a_page_that_comes_back_from_memory_is_seen_again(site: Site) -> None:
    """Two views of the first page, one of the second, though the first was loaded once."""
    page = site.open("first")
    page.click("#inside")
    page.wait_for_url("**/next?*")
    page.go_back()

    rows = site.rows(3, "type = 'view'")

    assert [row["page"] for row in rows] == [site.path("first"), site.path("next"), site.path("first")]


def test_a_website_on_another_host_than_the_edge(
    site: Site, context: BrowserContext, serving: Callable[[ASGIApp], str]
) -> None:
    """The script comes with its integrity from there, and what it tells goes there, under a policy that names it."""
    policy = f"default-src 'none'; script-src {site.origin}; connect-src {site.origin}; img-src {site.origin}"
    head = script_tag(app=site.name, origin=site.origin)
    html = f"<!doctype html><title>elsewhere</title>{head}<button data-conversion='trial'>Try</button>"
    page_of_it = HTMLResponse(html, headers={"content-security-policy": policy})
    elsewhere = serving(page_of_it)
    page = context.new_page()
    page.on("console", lambda message: site.complaints.append(message.text))
    with page.expect_response(lambda answer: answer.url == f"{site.origin}/b") as view:
        page.goto(f"{elsewhere}/shop")
    page.click("button")

    rows = site.rows(2)

    assert view.value.status == 204
    assert [(row["type"], row["page"], row["source"]) for row in rows] == [
        ("view", "/shop", "batch"),
        ("conversion", "/shop", "batch"),
    ]
    assert {row["host"] for row in rows} == {elsewhere.removeprefix("http://")}
    assert site.complaints == []

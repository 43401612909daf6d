"""Links that were followed and pixels that were fetched, as events: in their columns, marked by who fetched them."""

import json
from typing import Any

import pytest

from harness.hits import CHROME, NOW_MS, TRUSTED
from harness.mails import BROWSER, mail_hit
from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.payload import LINK, OPEN
from latchstring_gateway.shipping.decode import units, units_of
from latchstring_gateway.shipping.enrich import Senders
from latchstring_gateway.shipping.event import Event, Rejected

_GMAIL = b"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
_GMAIL_FIRST = (
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 "
    b"Safari/537.36 Edge/12.246 Mozilla/5.0"
)
_YAHOO = b"YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
_IPHONE = b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


def _event(data: bytes, *, asn: int | None = None) -> Event:
    hit = payload.decode(data)
    sender, _ = Senders(TRUSTED).of(hit)
    (unit,) = units_of(hit, sender._replace(asn=asn))
    assert isinstance(unit, Event)
    return unit


def _judged(source: str, agent: bytes, *, asn: int | None = None, **more: Any) -> tuple[str | None, ...]:
    headers = [(b"user-agent", agent), *([(b"accept-language", b"en")] if agent == CHROME else [])]
    event = _event(mail_hit(headers=more.pop("headers", headers), source=source, **more), asn=asn)
    return event.fetched_by, event.rule, event.machine


def test_a_click_is_in_its_columns() -> None:
    """Campaign, message, recipient, link; a page it has none."""
    event = _event(mail_hit())

    assert (event.type, event.page, event.host, event.event_id) == ("click", None, None, None)
    assert (event.campaign, event.message, event.recipient) == ("autumn", "news", "ada")
    assert event.link == "https://www.example.com/sale"
    assert json.loads(event.properties or "") == {"mailed_at_ms": NOW_MS - 3_600_000}
    assert (event.fetched_by, event.rule, event.machine) == ("direct", None, None)


def test_an_open_names_nobody_if_the_mail_does_not() -> None:
    """Empty is NULL."""
    event = _event(mail_hit("", source=OPEN, recipient="", message=""))

    assert (event.type, event.campaign) == ("open", "autumn")
    assert (event.message, event.recipient, event.link) == (None, None, None)


@pytest.mark.parametrize(
    ("agent", "asn", "found"),
    [
        (CHROME, None, ("direct", None, None)),
        (_IPHONE, None, ("direct", None, None)),
        (b"Mozilla/5.0", None, ("privacy_proxy", "apple_mail_privacy", "privacy_proxy")),
        (b"Mozilla/5.0", 714, ("privacy_proxy", "apple_mail_privacy", "privacy_proxy")),
        (b"Mozilla/5.0", 13335, ("privacy_proxy", "apple_mail_privacy", "privacy_proxy")),
        (b"Mozilla/5.0", 3320, ("unknown", "bare_agent", None)),
        (_GMAIL, 15169, ("privacy_proxy", "gmail_image_proxy", "privacy_proxy")),
        (_GMAIL_FIRST, 15169, ("scanner", "gmail_prefetch", "scanner")),
        (_YAHOO, None, ("privacy_proxy", "yahoo_mail_proxy", "privacy_proxy")),
        (CHROME, 8075, ("privacy_proxy", "outlook_proxy", "privacy_proxy")),
        (b"", None, ("unknown", "no_agent", None)),
        (b"curl/8.5", None, ("scanner", "program_agent", "scanner")),
        (b"Barracuda Sentinel (EE)", None, ("scanner", "scanner_agent", "scanner")),
        (b"Mozilla/5.0 (compatible; bingbot/2.0)", None, ("scanner", "bot", "scanner")),
    ],
)
def test_an_open_is_told_by_who_fetched_it(agent: bytes, asn: int | None, found: tuple[str | None, ...]) -> None:
    """A person's own program, a proxy that hides her, a scanner, or not known: and by which rule."""
    assert _judged(OPEN, agent, asn=asn) == found


@pytest.mark.parametrize(
    ("agent", "asn", "found"),
    [
        (CHROME, None, ("direct", None, None)),
        (CHROME, 8075, ("scanner", "microsoft_network", "scanner")),
        (b"Mozilla/5.0", 714, ("unknown", "bare_agent", None)),
        (_IPHONE, None, ("unknown", "no_language", None)),
        (b"", None, ("unknown", "no_agent", None)),
        (b"python-requests/2.32", None, ("scanner", "program_agent", "scanner")),
        (_GMAIL_FIRST, None, ("scanner", "gmail_prefetch", "scanner")),
    ],
)
def test_a_click_is_told_by_rules_of_its_own(agent: bytes, asn: int | None, found: tuple[str | None, ...]) -> None:
    """The same network that fetches pixels for readers follows links to see whether they are safe."""
    assert _judged(LINK, agent, asn=asn) == found


@pytest.mark.parametrize("source", [LINK, OPEN])
@pytest.mark.parametrize(
    ("after_ms", "found"),
    [
        (0, ("scanner", "too_fast", "scanner")),
        (1_499, ("scanner", "too_fast", "scanner")),
        (1_500, ("direct", None, None)),
        (-1, ("direct", None, None)),
    ],
)
def test_nobody_reads_a_mail_in_the_moment_it_is_sent(
    source: str, after_ms: int, found: tuple[str | None, ...]
) -> None:
    """Within a second and a half it is the server that takes it in; a clock that is ahead proves nothing."""
    assert _judged(source, CHROME, sent_at_ms=NOW_MS - after_ms) == found


@pytest.mark.parametrize("source", [LINK, OPEN])
def test_what_a_request_says_of_itself_stays_its_mark(source: str) -> None:
    """HEAD and prefetches are marked as everywhere else."""
    prefetch = [*BROWSER, (b"sec-purpose", b"prefetch;prerender")]

    assert _judged(source, CHROME, method=b"HEAD") == ("scanner", "head", "head")
    assert _judged(source, CHROME, headers=prefetch) == ("unknown", "prerender", "prerender")


def test_a_link_that_something_on_a_page_asks_for_is_not_followed_by_a_person() -> None:
    """A click wants a page."""
    image = [(b"user-agent", CHROME), (b"accept-language", b"en"), (b"sec-fetch-dest", b"image")]

    assert _judged(LINK, CHROME, headers=image) == ("unknown", "not_a_page", None)
    assert _judged(OPEN, CHROME, headers=image) == ("direct", None, None)


@pytest.mark.parametrize("source", [LINK, OPEN])
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"campaign":1}'])
def test_a_body_that_is_none_of_ours_is_refused(source: str, body: bytes) -> None:
    """Whatever stands in a journal, the reader survives it."""
    hit = payload.RawHit(payload.FORMAT, source, NOW_MS, "127.0.0.1", b"GET", b"/go/", [], body, len(body))
    sender, _ = Senders(TRUSTED).of(hit)

    assert units_of(hit, sender) == units(hit) == [Rejected("not_a_mail_hit")]

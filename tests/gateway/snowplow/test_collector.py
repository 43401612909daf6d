"""The door for trackers: what is kept of a request, and the answers that they work with."""

import pytest

from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.floods import UNLIMITED
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.snowplow.collector import Collector
from latchstring_gateway.snowplow.network_user import NetworkUsers
from latchstring_gateway.tokens.keyfile import dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.wire import Head, Recorded, Reply, UnreadHead
from latchstring_middleware.forwarded import TrustedProxies

PROXY, STRANGER = "127.0.0.1", "203.0.113.9"
TP2 = b"/com.snowplowanalytics.snowplow/tp2"
COOKIE = (b"cookie", b"__Host-session=secret; __Host-choices=c; other=x")
FORWARDED = (b"x-forwarded-for", b"198.51.100.7")


@pytest.fixture
def collector() -> Collector:
    """One that sets no cookie, so that answers are the same each time."""
    return _collector("")


def _collector(cookie: str) -> Collector:
    users = NetworkUsers(
        KeyRing.from_json(dump([new_key(0, not_before_ms=0)]), ManualClock()), name=cookie, domains=(), adopts=False
    )
    return Collector(users, TrustedProxies.parse(PROXY), ManualClock(), UNLIMITED)


def _head(
    method: bytes = b"GET",
    target: bytes = b"/i?e=pv",
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    peer: str = PROXY,
    body: bytes = b"",
) -> Head:
    return Head(method, target, headers or [], peer, body)


def _taken(collector: Collector, head: Head, stands_for: bytes = b"") -> tuple[payload.RawHit, Reply]:
    answer = collector.handler(stands_for)(head)
    assert isinstance(answer, Recorded)
    return payload.decode(answer.payload), answer.reply


def test_a_get_is_answered_by_a_pixel(collector: Collector) -> None:
    """43 bytes that no cache keeps."""
    hit, reply = _taken(collector, _head())

    assert (hit.source, hit.target, hit.method, hit.peer) == ("snowplow", b"/i?e=pv", b"GET", PROXY)
    assert (reply.status, len(reply.body), reply.body[:6]) == (200, 43, b"GIF89a")
    assert (b"content-type", b"image/gif") in reply.headers
    assert any(name == b"cache-control" and b"no-store" in value for name, value in reply.headers)


def test_a_post_is_answered_by_ok(collector: Collector) -> None:
    """The JavaScript tracker reads a body to its end before it counts an event as sent."""
    hit, reply = _taken(collector, _head(b"POST", TP2, body=b'{"x":1}'))

    assert (hit.body, hit.body_bytes) == (b'{"x":1}', 7)
    assert (reply.status, reply.body) == (200, b"ok")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"https://www.example.com", b"https://www.example.com"),
        (b"http://localhost:3000", b"http://localhost:3000"),
        (b"null", b"null"),
        (b"file://", b"file://"),
        (b"capacitor://localhost", b"capacitor://localhost"),
        (b"https://a.example https://b.example", b"*"),
        (b"https://a.example\r\nx-evil: 1", b"*"),
        (b"https://a.example/path", b"*"),
        (b"javascript:alert(1)", b"*"),
        (None, b"*"),
    ],
)
def test_origin_is_said_back_only_if_it_is_one(collector: Collector, origin: bytes | None, allowed: bytes) -> None:
    """Trackers send credentials, which want the very origin; nothing else of a client's is repeated."""
    _, reply = _taken(collector, _head(headers=[] if origin is None else [(b"origin", origin)]))

    said = dict(reply.headers)
    assert said[b"access-control-allow-origin"] == allowed
    # With "*" a browser refuses credentials (Fetch, "CORS check"), so they are not offered.
    assert said.get(b"access-control-allow-credentials") == (None if allowed == b"*" else b"true")
    assert said[b"vary"] == b"origin"


def test_other_methods_go_the_long_way(collector: Collector) -> None:
    """Preflights and the rest."""
    assert [collector.handler()(_head(method)) for method in (b"OPTIONS", b"PUT", b"DELETE")] == [None] * 3


def test_no_session_cookie_is_ever_written_down(collector: Collector) -> None:
    """Of the cookies only the choices are kept."""
    hit, _ = _taken(collector, _head(headers=[COOKIE, FORWARDED]))

    assert [value.strip() for name, value in hit.headers if name == b"cookie"] == [b"__Host-choices=c"]
    assert FORWARDED in hit.headers


@pytest.mark.parametrize(("peer", "kept_peer"), [(PROXY, PROXY), (STRANGER, "")])
def test_of_an_anonymous_tracker_neither_address_nor_cookie_is_written_down(peer: str, kept_peer: str) -> None:
    """Not even in the journal; a trusted proxy's own address stays, since its word about request ids depends on it."""
    collector = _collector("sp")
    headers = [(b"sp-anonymous", b"*"), COOKIE, FORWARDED, (b"x-latch-hit", b"h-1"), (b"user-agent", b"A")]

    answer = collector.handler()(_head(headers=headers, peer=peer))

    assert isinstance(answer, Recorded)
    hit = payload.decode(answer.payload)
    assert hit.peer == kept_peer
    assert sorted(name for name, _ in hit.headers) == [b"sp-anonymous", b"user-agent", b"x-latch-hit"]
    assert b"198.51.100.7" not in answer.payload
    assert STRANGER.encode() not in answer.payload
    assert b"set-cookie" not in dict(answer.reply.headers)


def test_network_user_is_written_down_once_the_browser_has_shown_it() -> None:
    """Not the one it has just been given; and a client cannot say it of itself."""
    collector = _collector("sp")
    forged = (payload.NETWORK_USER, b"3f2c6d0e-8a51-4c0b-9d7e-0c5a1e2b4f60")

    first, reply = _taken(collector, _head(headers=[forged]))
    cookie = dict(reply.headers)[b"set-cookie"].partition(b";")[0]
    second, _ = _taken(collector, _head(headers=[(b"cookie", cookie), forged]))

    assert payload.NETWORK_USER not in dict(first.headers)
    assert second.headers == [(payload.NETWORK_USER, cookie[3:39])]


def test_hits_of_a_path_of_ones_own_are_kept_as_tp2s(collector: Collector) -> None:
    """With their query."""
    assert _taken(collector, _head(target=b"/acme/track?a=b&c"), TP2)[0].target == TP2 + b"?a=b&c"
    assert _taken(collector, _head(target=b"/acme/track"), TP2)[0].target == TP2
    assert _taken(collector, _head(target=b"/acme/track?"), TP2)[0].target == TP2 + b"?"


def test_head_that_was_not_read_line_by_line_is_kept_the_same() -> None:
    """The fast door hands over the lines as they came, in any case."""
    lines = (
        b"GET /i?e=pv HTTP/1.1\r\nHost: a\r\nSP-Anonymous: *\r\nX-Forwarded-For: 198.51.100.7\r\nUser-Agent: A\r\n\r\n"
    )

    hit, _ = _taken(_collector("sp"), UnreadHead(b"/i?e=pv", lines, STRANGER))

    assert sorted(name for name, _ in hit.headers) == [b"sp-anonymous", b"user-agent"]
    assert hit.peer == ""


def test_answers_without_a_cookie_are_built_once(collector: Collector) -> None:
    """And bounded: strangers' origins cost no memory for ever."""
    origin = [(b"origin", b"https://a.example")]

    assert _taken(collector, _head(headers=origin))[1] is _taken(collector, _head(headers=origin))[1]
    for number in range(3_000):
        _taken(collector, _head(headers=[(b"origin", b"https://a%d.example" % number)]))
    assert len(collector._replies) <= 1_024

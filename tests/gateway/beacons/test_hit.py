"""The pixel: every GET and HEAD is kept raw and answered with the same GIF."""

import pytest

from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.floods import UNLIMITED
from latchstring_gateway.beacons.hit import GIF, PIXEL_REPLY, hit_handler
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.wire import Head, Recorded

HEADERS = [
    (b"host", b"watch.example"),
    (b"user-agent", b"Mozilla/5.0"),
    (b"cookie", b"__Host-session=secret; __Host-visitor=v1.a.b.c; theme=dark; __Host-choices=x"),
    (b"authorization", b"Bearer secret"),
    (b"x-latch-hit", b"hit-1"),
]


def _take(method: bytes, target: bytes) -> Recorded:
    answer = hit_handler(ManualClock(wall_ms=1_234), UNLIMITED)(Head(method, target, HEADERS, "192.0.2.1"))
    assert isinstance(answer, Recorded)
    return answer


def test_pixel_is_the_43_byte_gif_that_no_cache_keeps() -> None:
    """Each view must reach us, from any page."""
    reply = _take(b"GET", b"/b.gif").reply

    assert reply is PIXEL_REPLY
    assert (len(reply.body), reply.body[:6]) == (43, b"GIF89a")
    assert (b"cache-control", b"no-store") in reply.headers
    assert (b"cross-origin-resource-policy", b"cross-origin") in reply.headers
    assert reply.body == GIF


@pytest.mark.parametrize(
    ("origin", "allowed", "credentials"),
    [
        (b"https://a.example", b"https://a.example", b"true"),
        (b"null", b"null", b"true"),
        (b"file://", b"file://", b"true"),
        (b"https://a.example/path", b"*", None),
    ],
)
def test_script_that_fetches_the_pixel_may_read_it(origin: bytes, allowed: bytes, credentials: bytes | None) -> None:
    """The preflight allowed what the answer then did not: a fetch failed, though its hit was kept."""
    head = Head(b"GET", b"/b.gif?p=/a", [*HEADERS, (b"origin", origin)], "192.0.2.1")

    answer = hit_handler(ManualClock(), UNLIMITED)(head)

    assert isinstance(answer, Recorded)
    said = dict(answer.reply.headers)
    assert (said[b"access-control-allow-origin"], said.get(b"access-control-allow-credentials")) == (
        allowed,
        credentials,
    )
    assert (answer.reply.body, said[b"vary"]) == (GIF, b"origin")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_hit_is_kept_as_it_came(method: bytes) -> None:
    """Receipt time, peer, method and target are kept without a glance at what they say."""
    hit = payload.decode(_take(method, b"/b.gif?p=%ff\x80\x01").payload)

    assert (hit.received_at_ms, hit.source, hit.peer) == (1_234, "pixel", "192.0.2.1")
    assert (hit.method, hit.target) == (method, b"/b.gif?p=%ff\x80\x01")


def test_hit_never_keeps_the_session_cookie_or_a_credential() -> None:
    """Of the cookies only visitor and choices are written down, of the headers only those the shipper reads."""
    kept = _take(b"GET", b"/b.gif").payload

    assert b"secret" not in kept
    assert (b"cookie", b" __Host-visitor=v1.a.b.c; __Host-choices=x") in payload.decode(kept).headers


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"OPTIONS", b"DELETE"])
def test_other_methods_go_the_long_way(method: bytes) -> None:
    """The hot handler only takes what it knows."""
    assert hit_handler(ManualClock(), UNLIMITED)(Head(method, b"/b.gif", [], "192.0.2.1")) is None


def test_query_of_100_kilobytes_is_kept() -> None:
    """An oversized hit becomes a dead letter later; the tracker is never told 4xx."""
    target = b"/b.gif?p=" + b"x" * 100_000

    assert payload.decode(_take(b"GET", target).payload).target == target

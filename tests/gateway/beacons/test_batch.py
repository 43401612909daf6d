"""Event batches: every POST is kept raw and answered 204 for the page that sent it."""

import pytest

from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.batch import batch_handler
from latchstring_gateway.beacons.floods import UNLIMITED
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.wire import Head, Headers, Recorded, Reply


def _post(body: bytes, headers: Headers) -> Recorded:
    answer = batch_handler(ManualClock(wall_ms=9), UNLIMITED)(Head(b"POST", b"/b", headers, "192.0.2.1", body))
    assert isinstance(answer, Recorded)
    return answer


def _origin_of(reply: Reply) -> bytes:
    return dict(reply.headers)[b"access-control-allow-origin"]


@pytest.mark.parametrize("body", [b"", b"[]", b"garbage \xff", b"x" * 65_536])
def test_batch_is_kept_and_answered_204_whatever_it_says(body: bytes) -> None:
    """Judging is the shipper's work; a tracker whose event were refused would send it for ever."""
    recorded = _post(body, [(b"content-type", b"text/plain")])

    hit = payload.decode(recorded.payload)
    assert (hit.body, hit.body_bytes, hit.source) == (body, len(body), "batch")
    assert hit.headers == [(b"content-type", b"text/plain")]
    assert recorded.reply.status == 204


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"https://watch.example", b"https://watch.example"),
        (b"https://watch.example:8443", b"https://watch.example:8443"),
        (b"null", b"null"),
        (b"file://", b"file://"),
        (b"capacitor://localhost", b"capacitor://localhost"),
        (b"chrome-extension://abcdefghijklmnop", b"chrome-extension://abcdefghijklmnop"),
        (b"https://xn--mller-kva.example", b"https://xn--mller-kva.example"),
        (b"http://[::1]:8400", b"http://[::1]:8400"),
        (b"", b"*"),
        (b"file:", b"*"),
        (b"https://a.example\r\nx-evil: 1", b"*"),
        (b"https://a.example, https://b.example", b"*"),
        (b"javascript:alert(1)", b"*"),
        (b"https://a.example/path", b"*"),
        (b"https://a\xff.example", b"*"),
    ],
)
def test_reply_names_a_well_formed_origin_and_no_other(origin: bytes, allowed: bytes) -> None:
    """`sendBeacon` sends credentials, for which a browser refuses "*"; what is no origin is never reflected."""
    reply = _post(b"{}", [(b"origin", origin)]).reply

    assert _origin_of(reply) == allowed
    assert (b"vary", b"origin") in reply.headers
    # Never both (Fetch, "CORS check").
    credentials = dict(reply.headers).get(b"access-control-allow-credentials")
    assert credentials == (None if allowed == b"*" else b"true")


def test_two_origins_are_none() -> None:
    """Which of them a proxy would believe is anybody's guess."""
    origins = [(b"origin", b"https://a.example"), (b"origin", b"https://b.example")]

    assert _origin_of(_post(b"{}", origins).reply) == b"*"


def test_replies_to_ever_new_origins_stay_right() -> None:
    """More origins than are remembered still get their own reply."""
    handler = batch_handler(ManualClock(), UNLIMITED)
    for number in range(1_100):
        origin = b"https://%d.example" % number
        answer = handler(Head(b"POST", b"/b", [(b"origin", origin)], "192.0.2.1", b"{}"))
        assert isinstance(answer, Recorded)
        assert _origin_of(answer.reply) == origin


def test_who_has_a_preference_goes_the_long_way() -> None:
    """There the body is judged, which takes time."""
    head = Head(b"POST", b"/b", [(b"prefer", b"verdict")], "192.0.2.1", b"{}")

    assert batch_handler(ManualClock(), UNLIMITED)(head) is None


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"PUT"])
def test_other_methods_go_the_long_way(method: bytes) -> None:
    """The hot handler only takes what it knows."""
    assert batch_handler(ManualClock(), UNLIMITED)(Head(method, b"/b", [], "192.0.2.1")) is None

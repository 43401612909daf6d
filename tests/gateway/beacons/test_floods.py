"""Floods: who is refused, for how long, and that nothing is refused in silence."""

import gzip
from collections.abc import Callable

import pytest
import structlog

from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.batch import batch_handler
from latchstring_gateway.beacons.floods import (
    BURST_SECONDS,
    MAX_CLIENTS,
    NETWORKS_OF_A_SITE,
    Floods,
    refused_in,
    too_many,
)
from latchstring_gateway.beacons.hit import hit_handler
from latchstring_gateway.beacons.payload import BATCH, PIXEL, SNOWPLOW
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.wire import Head, Recorded, Reply
from latchstring_middleware.forwarded import TrustedProxies

PROXY = "10.0.0.1"
PER_SECOND = 2


class _Stand:
    """A limit of two a second, a driven clock, and a journal that keeps what it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.floods = Floods(TrustedProxies.parse(PROXY), self.clock, per_second=PER_SECOND)
        self.kept: list[bytes] = []

    def let_in(self, times: int, peer: str, said: bytes = b"") -> int:
        """How many of so many hits are let in."""
        headers = [(b"x-forwarded-for", said)] if said else []
        head = Head(b"GET", b"/b.gif", headers, peer)
        return sum(not self.floods.refuses(head, PIXEL) for _ in range(times))

    def append(self, record: bytes, done: Callable[[bool], object]) -> None:
        """See `Journal.append`."""
        self.kept.append(record)
        done(True)


@pytest.fixture
def stand() -> _Stand:
    """See the class."""
    return _Stand()


def test_a_client_has_its_rate_and_a_burst(stand: _Stand) -> None:
    """Ten seconds' worth at once, then two a second, and the burst again after a pause."""
    burst = PER_SECOND * BURST_SECONDS + 1

    assert stand.let_in(100, "192.0.2.1") == burst
    stand.clock.advance(1)
    assert stand.let_in(100, "192.0.2.1") == PER_SECOND
    stand.clock.advance(3_600)
    assert stand.let_in(100, "192.0.2.1") == burst
    assert stand.floods.total == 300 - 2 * burst - PER_SECOND


@pytest.mark.parametrize(
    ("one", "other", "are_the_same"),
    [
        (("192.0.2.1", b""), ("192.0.2.2", b""), False),
        (("2001:db8::1", b""), ("2001:db8::ffff:1", b""), True),
        (("2001:db8::1", b""), ("2001:db8:0:1::1", b""), False),
        ((PROXY, b"192.0.2.1"), ("192.0.2.1", b""), True),
        ((PROXY, b"192.0.2.1"), (PROXY, b"192.0.2.2"), False),
        # Whom a stranger names is not asked.
        (("192.0.2.1", b"198.51.100.1"), ("192.0.2.1", b"198.51.100.2"), True),
        (("unix:", b""), ("192.0.2.1", b""), False),
    ],
)
def test_clients_are_told_apart(
    stand: _Stand, one: tuple[str, bytes], other: tuple[str, bytes], *, are_the_same: bool
) -> None:
    """By what trusted proxies vouch for, and a /64 of IPv6 is one."""
    stand.let_in(100, *one)

    assert (stand.let_in(1, *other) == 0) is are_the_same


def test_a_proxy_that_speaks_for_everybody_is_not_limited(stand: _Stand) -> None:
    """It sends no X-Forwarded-For: to limit it would be to limit all."""
    assert stand.let_in(500, PROXY) == 500


def test_what_was_refused_is_written_down_once(stand: _Stand) -> None:
    """One record a wire, and none where nothing was refused."""
    stand.let_in(121, "192.0.2.1")
    stand.floods.refuses(Head(b"POST", b"/b", [], "192.0.2.1"), BATCH)
    stand.floods.write_down(stand.append)
    stand.floods.write_down(stand.append)

    assert [refused_in(payload.decode(record)) for record in stand.kept] == [(PIXEL, 100), (BATCH, 1)]


def test_a_count_that_cannot_be_kept_is_tried_again(stand: _Stand) -> None:
    """A full disk loses no count."""
    stand.let_in(31, "192.0.2.1")
    stand.floods.write_down(lambda _record, done: done(False))
    stand.let_in(1, "192.0.2.1")
    stand.floods.write_down(stand.append)

    assert [refused_in(payload.decode(record)) for record in stand.kept] == [(PIXEL, 11)]


def test_a_flood_of_clients_takes_no_more_memory_than_is_set(stand: _Stand) -> None:
    """Those who owe nothing are forgotten first, then all."""
    for number in range(MAX_CLIENTS + 10):
        stand.let_in(1, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(stand.floods._paid_ns) <= MAX_CLIENTS


def test_both_wires_answer_429_with_a_code() -> None:
    """A page's script may read it, and it says when to come back."""
    floods = Floods(TrustedProxies.parse(""), ManualClock(), per_second=0.001)
    origin = (b"origin", b"https://shop.example")
    pixel, batch = hit_handler(ManualClock(), floods), batch_handler(ManualClock(), floods)
    first = [pixel(Head(b"GET", b"/b.gif", [], "192.0.2.1")), batch(Head(b"POST", b"/b", [], "192.0.2.2", b"{}"))]
    again = [
        pixel(Head(b"GET", b"/b.gif", [], "192.0.2.1")),
        batch(Head(b"POST", b"/b", [origin], "192.0.2.2", b"{}")),
    ]

    assert [type(answer) for answer in first] == [Recorded, Recorded]
    for answer in again:
        assert isinstance(answer, Reply)
        assert answer.status == 429
        assert b'"code":"too_many_hits"' in answer.body
        assert (b"retry-after", b"990") in answer.headers
    assert isinstance(again[1], Reply)
    assert (b"access-control-allow-origin", b"https://shop.example") in again[1].headers


def test_a_batch_is_charged_for_its_events(stand: _Stand) -> None:
    """381 bytes of gzip, one hit by the count of the door, were 5,000 events for the shipper."""
    events = b",".join([b'{"e":"pv","url":"https://a.example/"}'] * 5_000)
    packed = gzip.compress(b'{"schema":"iglu:a/payload_data/jsonschema/1-0-4","data":[' + events + b"]}")
    head = Head(b"POST", b"/com.snowplowanalytics.snowplow/tp2", [], "192.0.2.1")

    assert stand.floods.refuses(head, SNOWPLOW, packed) == 0
    seconds = stand.floods.refuses(head, SNOWPLOW, b"")

    assert seconds == 5_000 / PER_SECOND - BURST_SECONDS
    stand.clock.advance(seconds)
    assert stand.let_in(1, "192.0.2.1") == 1


def test_the_networks_of_one_site_have_a_limit_together(stand: _Stand) -> None:
    """Whoever has a /48 has 65,536 networks to send from."""
    burst = PER_SECOND * BURST_SECONDS + 1

    let_in = sum(stand.let_in(burst, f"2001:db8:0:{network:x}::1") for network in range(100))

    assert burst * NETWORKS_OF_A_SITE - NETWORKS_OF_A_SITE <= let_in <= burst * (NETWORKS_OF_A_SITE + 1)
    assert stand.let_in(1, "2001:db8:1::1") == 1


def test_a_proxy_that_nobody_has_named_is_told_once(stand: _Stand) -> None:
    """Everybody stands behind it, so that it meets a limit that no client meets."""
    with structlog.testing.capture_logs() as lines:
        stand.let_in(100, "192.0.2.1")
        stand.let_in(100, "10.9.8.7")
        stand.let_in(100, "10.9.8.7")

    assert [line["event"] for line in lines] == ["flood_from_private_address"]


def test_an_answer_says_when_to_come_again() -> None:
    """In whole seconds, for as long as the client owes."""
    assert dict(too_many((), 17).headers)[b"retry-after"] == b"17"

"""What trackers say on our own wire: good events are read, the rest is refused with a reason, nothing breaks it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hits import batch, pixel
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.decode import units
from latchstring_gateway.shipping.event import Event, Rejected, Unit


def _units(data: bytes) -> list[Unit]:
    return units(payload.decode(data))


def _event(data: bytes) -> Event:
    (unit,) = _units(data)
    assert isinstance(unit, Event)
    return unit


def _reasons(data: bytes) -> list[str]:
    return [unit.reason if isinstance(unit, Rejected) else "good" for unit in _units(data)]


@pytest.mark.parametrize(
    ("query", "host", "page"),
    [
        (b"p=/watch/1", None, "/watch/1"),
        (b"page=%2Fwatch%2F1", None, "/watch/1"),
        (b"p=/watch/1%3Ft%3D5%23x", None, "/watch/1"),
        (b"p=https://Watch.Example/a?b=c", "watch.example", "/a"),
        (b"p=https://watch.example", "watch.example", "/"),
        (b"p=https://watch.example:8443?x", "watch.example:8443", "/"),
        (b"p=/caf%C3%A9+au+lait", None, "/café au lait"),
        (b"p=/%252e%252e%252f", None, "/%2e%2e%2f"),
        (b"p=/first&p=/second", None, "/first"),
        (b"page=/page&p=/p", None, "/page"),
        (b"p=//evil.example/x", None, "//evil.example/x"),
        (b"&&=x&p=/a&&", None, "/a"),
    ],
)
def test_page_of_a_pixel(query: bytes, host: str | None, page: str) -> None:
    """A page is a path or URL, decoded once and only once, without query and fragment."""
    event = _event(pixel(query))

    assert (event.type, event.host, event.page) == ("view", host, page)


def test_page_is_the_referers_if_none_is_told() -> None:
    """A bare pixel counts the page it stands on."""
    event = _event(pixel(b"", [(b"referer", b"https://watch.example/home?secret=1")]))

    assert (event.host, event.page) == ("watch.example", "/home")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"", "no_page"),
        (b"p=", "no_page"),
        (b"p=watch", "bad_page"),
        (b"p=javascript:alert(1)", "bad_page"),
        (b"p=https://user@evil.example/", "bad_page"),
        (b"p=https:///x", "bad_page"),
        (b"p=/%ff%fe", "not_utf8"),
        (b"p=/\xff", "not_utf8"),
        (b"p=/ok&x=%80", "not_utf8"),
        (b"p=/ed%a0%80x%ED%A0%80", "not_utf8"),
        (b"p=/a%00b", "control_characters"),
        (b"p=/a%0d%0aset-cookie:x", "control_characters"),
        (b"p=/a%1b%5b31m", "control_characters"),
        (b"p=/a%C2%85", "control_characters"),
        (b"p=/" + b"x" * 1_024, "page_too_long"),
        (b"p=/x&q=" + b"x" * 100_000, "target_too_long"),
        (b"p=/x&q=" + b"x" * 10_000 + b"&" * 300, "too_many_parameters"),
        (b"p=/x&e=", "bad_type"),
        (b"p=/x&e=a%20b", "bad_type"),
        (b"p=/x&e=" + b"x" * 65, "bad_type"),
        (b"p=/x&id=a%20b", "bad_id"),
        (b"p=/x&id=" + b"x" * 129, "bad_id"),
        (b"p=/x&t=yesterday", "bad_time"),
        (b"p=/x&t=-1", "bad_time"),
        (b"p=/x&t=99999999999999", "bad_time"),
        (b"p=/x&t=%D9%A1", "bad_time"),
    ],
)
def test_hostile_pixel_is_refused_with_the_reason(query: bytes, reason: str) -> None:
    """Each hit that cannot be counted says why."""
    assert _reasons(pixel(query)) == [reason]


def test_everything_else_a_pixel_says_is_kept_as_properties() -> None:
    """Nothing a tracker says is lost, and what steers the reader is not repeated."""
    event = _event(pixel(b"p=/x&e=play&id=e-1&t=1700000000000&title=A+title&n=1"))

    assert (event.type, event.event_id, event.occurred_at) == ("play", "e-1", 1_700_000_000_000)
    assert json.loads(event.properties or "") == {"title": "A title", "n": "1"}


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        (b'{"page":"/a"}', ["good"]),
        (b'[{"page":"/a"},{"p":"/b","e":"play"}]', ["good", "good"]),
        (b'{"page":"/a"}\n{"page":"/b"}\n', ["good", "good"]),
        (b'{"page":"/a"}\n{"page":\n{"page":"/b"}', ["good", "not_json", "good"]),
        (b'[{"page":"/a"},1,null,"x",[]]', ["good"] + ["not_an_object"] * 4),
        (b"", ["empty_body"]),
        (b" \r\n ", ["empty_body"]),
        (b"[]", ["no_events"]),
        (b"garbage", ["not_json"]),
        (b"\xff\xfe{}", ["not_json"]),
        (b'{"page":"/a\xff"}', ["not_json"]),
        (b'{"page":"/\\ud800"}', ["not_json"]),
        (b'{"page":"/a\\u0000"}', ["control_characters"]),
        (b"[" * 100_000, ["not_json"]),
        (b'{"page":"/a","x":' + b"[" * 500 + b"]" * 500 + b"}", ["good"]),
        (b'{"page":"/a","x":1' + b"0" * 100 + b"}", ["good"]),
        (b'{"page":"/a","x":"' + b"x" * 20_000 + b'"}', ["properties_too_long"]),
        (b'{"page":1}', ["bad_page"]),
        (b'{"page":["/a"]}', ["bad_page"]),
        (b'{"page":"/a","type":null}', ["bad_type"]),
        (b'{"page":"/a","id":7}', ["bad_id"]),
        (b'{"page":"/a","id":""}', ["bad_id"]),
        (b'{"page":"/a","t":true}', ["bad_time"]),
        (b'{"page":"/a","t":1.5}', ["bad_time"]),
        (b'{"page":"/a","t":-5}', ["bad_time"]),
        (b'{"page":"/a","t":99999999999999999999}', ["bad_time"]),
        (b"[" + b",".join([b'{"page":"/a"}'] * 1_001) + b"]", ["too_many_events"]),
        (b'{"page":"/a"}\n' * 1_001, ["too_many_events"]),
    ],
)
def test_batch_is_judged_event_by_event(body: bytes, reasons: list[str]) -> None:
    """A bad event spoils no other, and every body counts for at least one."""
    assert _reasons(batch(body)) == reasons


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        (b"application/json", "good"),
        (b"Application/JSON; charset=utf-8", "good"),
        (b"text/plain;charset=UTF-8", "good"),
        (b"application/x-ndjson", "good"),
        (b"", "good"),
        (b"application/x-www-form-urlencoded", "wrong_content_type"),
        (b"multipart/form-data; boundary=x", "wrong_content_type"),
        (b"image/png", "wrong_content_type"),
        (b"\xff\x00", "wrong_content_type"),
    ],
)
def test_content_types_that_are_read(content_type: bytes, reason: str) -> None:
    """JSON by its names, and the text/plain that `sendBeacon` sends."""
    assert _reasons(batch(b'{"page":"/a"}', content_type=content_type)) == [reason]


def test_body_of_which_only_the_beginning_was_kept_is_refused() -> None:
    """An oversized batch is a dead letter; half of it is never counted as if it were all."""
    assert _reasons(batch(b'{"page":"/a"}', body_bytes=2_000_000)) == ["body_too_long"]


def test_fingerprint_is_the_same_for_a_retry_and_another_for_another_event() -> None:
    """The id does not count, the order of names does not count, everything said does."""
    first = _event(batch(b'{"page":"/a","id":"1","x":1,"y":2}'))

    assert _event(batch(b'{"y":2,"x":1,"page":"/a","id":"2"}')).fingerprint == first.fingerprint
    assert _event(batch(b'{"page":"/a","id":"1","x":1,"y":3}')).fingerprint != first.fingerprint
    assert _event(batch(b'{"page":"/b","id":"1","x":1,"y":2}')).fingerprint != first.fingerprint


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([b"", b"text/plain", b"\xff"]))
def test_reader_survives_anything(query: bytes, body: bytes, content_type: bytes) -> None:
    """Whatever comes is at least one unit, good or refused, and good ones are clean."""
    for data in (pixel(query), batch(body, content_type=content_type)):
        found = _units(data)
        assert found
        for unit in found:
            if isinstance(unit, Event):
                assert unit.page is not None
                assert unit.page.isprintable() or max(unit.page) >= "\u200b"
                unit.page.encode()
                json.loads(unit.properties or "{}")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_reader_survives_any_value_anywhere(value: object) -> None:
    """Each known name may hold any JSON value."""
    for name in ("page", "type", "id", "t", "other"):
        assert _units(batch(json.dumps({"p": "/a", name: value}).encode()))


@pytest.mark.parametrize(
    "said",
    [
        b'{"page":1}',
        b"[]",
        b'[{"page":"/a"}]',
        b"7",
        b'"x"',
        b'{"page":"/a","x":' + b"[" * 300 + b'"' + b"x" * 20_000 + b'"' + b"]" * 300 + b"}",
    ],
)
def test_refused_event_of_a_batch_is_refused_alone_for_the_same_reason(said: bytes) -> None:
    """A dead letter holds one event as a body of its own, which is judged as it was in its batch."""
    good, refused = _units(batch(b'[{"page":"/a"},' + said + b"]"))
    assert isinstance(good, Event)
    assert isinstance(refused, Rejected)

    assert _reasons(batch(refused.alone)) == [refused.reason]

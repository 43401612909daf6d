"""What trackers say on our own wire: good events are read, the rest is refused with a reason, nothing breaks it."""

import json
from time import process_time

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
        (b"p=/%252e%252e%252f", None, "/%2E%2E%2F"),
        (b"p=+/a+", None, "/a"),
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
        (b"p=/a%00b", "control_characters"),
        (b"p=/a%0d%0aset-cookie:x", "control_characters"),
        (b"p=/a%1b%5b31m", "control_characters"),
        (b"p=/a%C2%85", "control_characters"),
        (b"p=/" + b"x" * 1_024, "page_too_long"),
        (b"p=/x&q=" + b"x" * 100_000, "target_too_long"),
        (b"p=/x&e=a%20b", "bad_type"),
        (b"p=/x&e=" + b"x" * 65, "bad_type"),
    ],
)
def test_hostile_pixel_is_refused_with_the_reason(query: bytes, reason: str) -> None:
    """Each hit that cannot be counted says why."""
    assert _reasons(pixel(query)) == [reason]


@pytest.mark.parametrize(
    ("query", "page", "dropped"),
    [
        (b"p=/%ff%fe", "/%FF%FE", None),
        (b"p=/caf%E9", "/caf%E9", None),
        (b"p=/\xff", "/%FF", None),
        (b"p=/ok&x=%80", "/ok", None),
        (b"p=/x&e=", "/x", None),
        (b"p=/x&campaign=&id=&t=&referrer=", "/x", None),
        (b"p=/x&campaign=" + b"c" * 40_000, "/x", "bad_campaign"),
        (b"p=/x&" + b"&".join(b"n%d=1" % n for n in range(300)), "/x", "too_many_parameters"),
        (b"p=/x&id=a%0ab", "/x", "bad_id"),
        (b"p=/x&id=" + b"x" * 256, "/x", "bad_id"),
        (b"p=/x&t=yesterday", "/x", "bad_time"),
        (b"p=/x&t=-1", "/x", "bad_time"),
        (b"p=/x&t=99999999999999", "/x", "bad_time"),
        (b"p=/x&t=%D9%A1", "/x", "bad_time"),
        (b"p=/x&q=" + b"x" * 20_000, "/x", "properties_too_long"),
    ],
)
def test_a_secondary_field_of_a_pixel_loses_no_event(query: bytes, page: str, dropped: str | None) -> None:
    """One optional parameter made the whole hit a dead letter; it is left out by name, and the hit counts."""
    event = _event(pixel(query))

    assert (event.page, event.dropped) == (page, dropped)


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
        (b'{"page":"/a\\u0000"}', ["control_characters"]),
        (b"[" * 100_000, ["not_json"]),
        (b'{"page":"/a","x":' + b"[" * 500 + b"]" * 500 + b"}", ["good"]),
        (b'{"page":"/a","x":1' + b"0" * 100 + b"}", ["good"]),
        (b'{"page":1}', ["bad_page"]),
        (b'{"page":["/a"]}', ["bad_page"]),
        (b'{"page":"/a","type":7}', ["bad_type"]),
        (b'{"page":"/a\xff"}', ["good"]),
        (b'{"page":"/\\ud800"}', ["good"]),
        (b'[{"page":"/a"},{"page":,{"page":"/c"}]', ["good", "not_json"]),
        (b'[{"page":"/a"},{"page":},{"page":"/c"}]', ["good", "not_json", "good"]),
        (b'[{"page":"/a"},{"page":"/b"', ["good", "not_json"]),
        (b"[{},", ["no_page"]),
        (b'[{"page":"/a"}] x', ["not_json"]),
        (b"[" + b",".join([b'{"page":"/a"}'] * 1_002) + b"]", ["good"] * 1_000 + ["too_many_events"]),
        (b'{"page":"/a"}\n' * 1_002, ["good"] * 1_000 + ["too_many_events"]),
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
        (b"application/x-www-form-urlencoded", "good"),
        (b"multipart/form-data; boundary=x", "good"),
        (b"image/png", "good"),
        (b"\xff\x00", "good"),
    ],
)
def test_json_is_read_under_any_content_type(content_type: bytes, reason: str) -> None:
    """It is known by how it begins: curl calls it a form unless it is told otherwise."""
    assert _reasons(batch(b'{"page":"/a"}', content_type=content_type)) == [reason]


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        (b"application/x-www-form-urlencoded;charset=UTF-8", "good"),
        (b"multipart/form-data; boundary=x", "no_page"),
        (b"image/png", "wrong_content_type"),
        (b"text/plain", "not_json"),
        (b"\xff\x00", "wrong_content_type"),
    ],
)
def test_form_is_one_event_by_its_fields(content_type: bytes, reason: str) -> None:
    """`sendBeacon(url, new URLSearchParams(…))` was `wrong_content_type`."""
    assert _reasons(batch(b"page=%2Fa&e=play&n=1", content_type=content_type)) == [reason]


def test_form_data_is_one_event_by_its_fields() -> None:
    """`sendBeacon(url, new FormData(form))` was `wrong_content_type`; what is a file in it is left out."""
    parts = [("page", "/caf%C3%A9"), ("e", "play"), ("campaign", "\u00dcber"), ("page", "/second"), ("n", "1")]
    body = b"".join(
        f'------x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in parts
    )
    body += b'------x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nsecret\r\n------x--\r\n'

    event = _event(batch(body, content_type=b"multipart/form-data; boundary=----x"))

    assert (event.type, event.page, event.campaign, event.properties) == (
        "play",
        "/caf\u00e9",
        "\u00dcber",
        '{"n":"1"}',
    )


def test_form_and_pixel_say_the_same() -> None:
    """The same fields, by the body or by the query."""
    said = b"page=%2Fcaf%25C3%25A9&e=heartbeat&media=7&position_ms=12345.678&campaign=&id=e-1&t=1796000000000"

    as_form = _event(batch(said, content_type=b"application/x-www-form-urlencoded"))

    assert as_form == _event(pixel(said))
    assert (as_form.page, as_form.page_raw, as_form.position_ms) == ("/caf\u00e9", "/caf%C3%A9", 12_346)


@pytest.mark.parametrize(
    "bad",
    [
        b'{"page":"/b","x":NaN}',
        b'{"page":"/b","x":-Infinity}',
        b'{"page":"/b","x":1e999}',
        b'{"page":"/b","x":[NaN]}',
        b'{"page":"/b","x":"cut \\ud83d"}',
        b'{"page":"/b","x":"\xe9"}',
        b'{"page":"/b","page":"/b"}',
        b'{"page":"/b","position_ms":{}}',
        b'{"page":"/b","x":"tab\there"}',
        b'{"page":"/b","x":' + b"9" * 5_000 + b"}",
        b'{"page":"/b","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        b'{"page":',
    ],
)
@pytest.mark.parametrize("form", [b"[%b,\n%b, %b]", b"%b\n%b\n%b\n"])
def test_a_slip_in_one_event_loses_none_of_its_neighbours(bad: bytes, form: bytes) -> None:
    """One half of a surrogate pair, NaN or the like in an array of three lost all three."""
    found = _units(batch(form % (b'{"page":"/a"}', bad, b'{"page":"/c"}')))

    pages = [unit.page for unit in found if isinstance(unit, Event)]
    if b"[[[" in bad or bad.endswith(b":"):
        assert _reasons(batch(form % (b'{"page":"/a"}', bad, b'{"page":"/c"}')))[:2] == ["good", "not_json"]
    else:
        assert pages == ["/a", "/b", "/c"]


def test_number_that_is_none_is_left_out_by_name() -> None:
    """NaN of a player that knows no position yet: the heartbeat counts, and says what is missing."""
    event = _event(batch(b'[{"type":"heartbeat","media":"m","position_ms":NaN,"x":NaN}]'))

    assert (event.position_ms, event.properties, event.dropped) == (None, None, "bad_position_ms bad_properties")


@pytest.mark.parametrize("body", [b'{"page":"/a"}', b'[{"page":"/a"}]', b'{"page":"/a"}\n{"page":}'])
def test_byte_order_mark_is_no_part_of_a_body(body: bytes) -> None:
    """A body with the mark of UTF-8 was `not_json`; UTF-16 is no JSON on the wire (RFC 8259, 8.1)."""
    assert _reasons(batch(b"\xef\xbb\xbf" + body))[0] == "good"
    assert _reasons(batch(body.decode().encode("utf-16"))) == ["not_json"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "no_page"),
        ({"type": "heartbeat"}, "no_page"),
        ({"type": "heartbeat", "media": ""}, "no_page"),
        ({"type": "heartbeat", "media": "salt"}, "good"),
        ({"type": "heartbeat", "page": "salt", "media": "salt"}, "good"),
        ({"type": "conversion"}, "good"),
        ({"type": "", "page": "/a"}, "good"),
        ({"type": None, "page": "/a"}, "good"),
        ({"type": None, "e": "play", "page": "/a"}, "good"),
    ],
)
def test_only_what_makes_an_event_may_lose_it(said: dict[str, object], reason: str) -> None:
    """A view needs a page, a heartbeat page or title, anything else only its type."""
    assert _reasons(batch(json.dumps(said).encode())) == [reason]


def test_rest_of_a_long_batch_is_one_letter_that_can_be_replayed() -> None:
    """1,001 events were all lost for the one too many."""
    body = b"[" + b",".join(b'{"page":"/%d"}' % n for n in range(1_003)) + b"]"

    (*good, rest) = _units(batch(body))

    assert len(good) == 1_000
    assert isinstance(rest, Rejected)
    assert [unit.page for unit in _units(batch(rest.alone)) if isinstance(unit, Event)] == ["/1000", "/1001", "/1002"]


def test_everything_is_read_in_linear_time() -> None:
    """A megabyte of opened strings, brackets or commas costs what a megabyte costs."""
    for piece in (b'"\\', b'"', b"[{", b"[,", b'[{"page":"/a"},', b"%%", b'\\"'):
        begun = process_time()
        _units(batch(b"[" + piece * (1_000_000 // len(piece))))
        assert process_time() - begun < 3


def test_everything_else_a_batch_says_beside_too_long_a_property_is_kept() -> None:
    """The longest go first."""
    event = _event(batch(b'{"page":"/a","goal":"trial","x":"' + b"x" * 20_000 + b'"}'))

    assert (json.loads(event.properties or ""), event.dropped) == ({"goal": "trial"}, "properties_too_long")


def test_body_of_which_only_the_beginning_was_kept_is_refused() -> None:
    """An oversized batch is a dead letter; half of it is never counted as if it were all."""
    assert _reasons(batch(b'{"page":"/a"}', body_bytes=2_000_000)) == ["body_too_long"]


def test_fingerprint_is_the_same_for_a_retry_and_another_for_another_event() -> None:
    """The id does not count, the order of names does not count, everything said does."""
    first = _event(batch(b'{"page":"/a","id":"1","x":1,"y":2}'))

    assert _event(batch(b'{"y":2,"x":1,"page":"/a","id":"2"}')).fingerprint == first.fingerprint
    assert _event(batch(b'{"page":"/a","id":"1","x":1,"y":3}')).fingerprint != first.fingerprint
    assert _event(batch(b'{"page":"/b","id":"1","x":1,"y":2}')).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("data", "fingerprint"),
    [
        (batch(b'{"page":"/caf%C3%A9","id":"1"}'), "84b072f980102db34a5b244aeff88010"),
        (
            batch(
                b'{"page":"https://A.example/a?b","type":"click","link":"https://x.example/caf%C3%A9?q","id":"2",'
                b'"time":1700000000000,"sent":1700000000001,"x":1}'
            ),
            "9ef3136a925bc0dab661df8a537bc3b8",
        ),
        (
            batch(
                b'{"type":"heartbeat","page":"/w","media":"/caf%C3%A9","position_ms":"61500","playback_rate":"1","ping":0,'
                b'"viewing":"v","campaign":"Autumn 2026","referrer":"https://s.example/x","consent":"granted"}'
            ),
            "04d0b64a21d2100a75189bf09bca9ea7",
        ),
        (pixel(b"p=/a%20b&e=view&t=1700000000000&id=z&consent=denied"), "4c7e6dbe8415248249208ed1af9c3a83"),
    ],
)
def test_fingerprints_are_those_of_versions_before(data: bytes, fingerprint: str) -> None:
    """A retry that spans an upgrade is a copy: pages are spelled anew, what an event says is not."""
    assert _event(data).fingerprint.hex() == fingerprint


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([b"", b"text/plain", b"\xff"]))
def test_reader_survives_anything(query: bytes, body: bytes, content_type: bytes) -> None:
    """Whatever comes is at least one unit, good or refused, and good ones are clean."""
    for data in (pixel(query), batch(body, content_type=content_type)):
        found = _units(data)
        assert found
        for unit in found:
            if isinstance(unit, Event):
                if unit.page is not None:
                    assert unit.page.replace("\u200c", "").replace("\u200d", "").isprintable()
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
        b'{"page":"b","x":' + b"[" * 300 + b'"' + b"x" * 20_000 + b'"' + b"]" * 300 + b"}",
    ],
)
def test_refused_event_of_a_batch_is_refused_alone_for_the_same_reason(said: bytes) -> None:
    """A dead letter holds one event as a body of its own, which is judged as it was in its batch."""
    good, refused = _units(batch(b'[{"page":"/a"},' + said + b"]"))
    assert isinstance(good, Event)
    assert isinstance(refused, Rejected)

    assert _reasons(batch(refused.alone)) == [refused.reason]

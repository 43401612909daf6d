"""Snowplow's protocol in all its forms: by query, by body, by webhook, by redirect; and whatever else may come."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hits import snowplow
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.decode import units
from latchstring_gateway.shipping.event import Event, Rejected, Unit
from latchstring_gateway.shipping.snowplow import MAX_EVENTS, PAYLOAD_DATA

TP2 = b"/com.snowplowanalytics.snowplow/tp2"
IGLU = b"/com.snowplowanalytics.iglu/v1"
VIEW = {"e": "pv", "url": "https://www.example.com/a", "eid": "0a1b2c3d-0000-4000-8000-000000000001"}


def _units(data: bytes) -> list[Unit]:
    return units(payload.decode(data))


def _event(data: bytes) -> Event:
    (unit,) = _units(data)
    assert isinstance(unit, Event), unit
    return unit


def _reasons(data: bytes) -> list[str]:
    return [unit.reason if isinstance(unit, Rejected) else "good" for unit in _units(data)]


def _body(*events: Any, schema: str = PAYLOAD_DATA) -> bytes:
    return json.dumps({"schema": schema, "data": events}).encode()


def _properties(event: Event) -> Any:
    return json.loads(event.properties or "{}")


@pytest.mark.parametrize("path", [b"/i", b"/ice.png", TP2, b"/com.acme/track"])
def test_query_is_one_event(path: bytes) -> None:
    """By GET the event stands in the query, at whatever path."""
    target = path + b"?e=pv&url=https%3A%2F%2Fwww.example.com%2Fa%3Fb%3Dc&page=A+page&aid=shop"
    hit = payload.decode(snowplow(target)).__class__(1, "snowplow", 1, "", b"GET", target, [], b"", 0)

    (event,) = units(hit)

    assert isinstance(event, Event)
    assert (event.host, event.page, event.app) == ("www.example.com", "/a", "shop")
    assert _properties(event) == {"page": "A page", "url": "https://www.example.com/a?b=c"}


def test_body_is_many_events_and_a_bad_one_spoils_no_other() -> None:
    """The refused one stands alone in its letter, so that it can be judged again."""
    found = _units(snowplow(TP2, _body(VIEW, {"e": "zz"}, {**VIEW, "url": "https://www.example.com/b"})))

    assert [unit.page if isinstance(unit, Event) else unit.reason for unit in found] == ["/a", "unknown_type", "/b"]
    refused = found[1]
    assert isinstance(refused, Rejected)
    assert json.loads(refused.alone) == {"schema": PAYLOAD_DATA, "data": [{"e": "zz"}]}


def test_query_of_a_post_holds_for_all_of_its_events() -> None:
    """What an event says itself wins."""
    found = _units(snowplow(TP2 + b"?aid=all&p=tv", _body(VIEW, {**VIEW, "aid": "one"})))

    assert [(unit.app, unit.platform) for unit in found if isinstance(unit, Event)] == [("all", "tv"), ("one", "tv")]


def test_two_thousand_events_in_one_body_are_two_thousand_events() -> None:
    """A tracker that was away for long; what is more than a body can reasonably hold is one letter, to be replayed."""
    many = [{"e": "pv", "url": f"https://www.example.com/{number}"} for number in range(2_000)]

    assert _reasons(snowplow(TP2, _body(*many))) == ["good"] * 2_000
    rest = _units(snowplow(TP2, _body(*([{"e": "se"}] * (MAX_EVENTS + 2)))))
    assert [unit.reason for unit in rest if isinstance(unit, Rejected)] == ["too_many_events"]
    assert isinstance(rest[-1], Rejected)
    assert _reasons(snowplow(TP2, rest[-1].alone)) == ["good"] * 2


def test_gzip_is_unpacked_and_a_bomb_is_not() -> None:
    """A packed body is as good as another; what would unpack to more than a body may have is refused unread."""
    assert _reasons(snowplow(TP2, gzip.compress(_body(VIEW)))) == ["good"]
    assert _reasons(snowplow(TP2, gzip.compress(b" " * 300_000_000, 9))) == ["body_too_long"]
    assert _reasons(snowplow(TP2, gzip.compress(_body(VIEW))[:-9])) == ["not_gzip"]
    assert _reasons(snowplow(TP2, gzip.compress(_body(VIEW)) * 2)) == ["not_gzip"]
    assert _reasons(snowplow(TP2, b"\x1f\x8bnonsense")) == ["not_gzip"]


def test_refused_packed_body_is_kept_unpacked() -> None:
    """A dead letter hides nobody's name from whoever has to find it; judged again it is the same."""
    (refused,) = _units(snowplow(TP2, gzip.compress(b'["ada"]')))

    assert refused == Rejected("bad_payload", b'["ada"]')
    assert _reasons(snowplow(TP2, b'["ada"]')) == ["bad_payload"]


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", b"application/json", "empty_body"),
        (b" \r\n ", b"application/json", "empty_body"),
        (b"foo", b"application/json", "not_json"),
        (b'{"schema":', b"application/json", "not_json"),
        (b"[" * 100_000, b"application/json", "not_json"),
        (b'"\xff\xfe"', b"application/json", "bad_payload"),
        (b"\xef\xbb\xbf" + _body(VIEW), b"application/json", "good"),
        (gzip.compress(b"\xef\xbb\xbf" + _body(VIEW)), b"application/json", "good"),
        (_body(VIEW).decode().encode("utf-16"), b"application/json; charset=utf-16", "not_json"),
        (b"[]", b"application/json", "bad_payload"),
        (b"null", b"application/json", "bad_payload"),
        (b'{"schema":1,"data":[]}', b"application/json", "bad_payload"),
        (_body(VIEW, schema="iglu:com.acme/other/jsonschema/1-0-0"), b"application/json", "bad_payload"),
        (_body(VIEW, schema="payload_data"), b"application/json", "bad_payload"),
        (_body(), b"application/json", "no_events"),
        (_body([]), b"application/json", "not_an_object"),
        (_body(None), b"application/json", "not_an_object"),
        (_body({"e": ["pv"]}), b"application/json", "no_type"),
        (_body({**VIEW, "x": 2**80}), b"application/json", "good"),
        (b"e=pv&url=https://a.example/", b"application/x-www-form-urlencoded", "good"),
        (b"e=pv&url=https://a.example/", b"image/png", "wrong_content_type"),
        (_body(VIEW), b"application/x-www-form-urlencoded", "good"),
        (_body(VIEW), b"multipart/form-data; boundary=x", "good"),
        (_body(VIEW), b"text/plain;charset=UTF-8", "good"),
        (_body(VIEW), b"Application/JSON ; charset=iso-8859-1", "good"),
        (_body({**VIEW, "n": 1, "f": 1.5, "t": True, "none": None}), b"application/json", "good"),
    ],
)
def test_what_a_body_may_be(body: bytes, content_type: bytes, reason: str) -> None:
    """Self-describing JSON in UTF-8 and nothing else; the reason says what was wrong."""
    assert _reasons(snowplow(TP2, body, content_type=content_type)) == [reason]


def test_half_an_emoji_does_not_spoil_its_batch() -> None:
    """JavaScript that cuts a title writes half of a surrogate pair; a backslash before it makes it plain text."""
    title = json.dumps("cut \ud83d").encode()
    body = b'{"schema":"%b","data":[{"e":"pv","url":"https://a.example/","page":%b,"x":"\\\\ud83d \\ud83d\\ude00"}]}'

    event = _event(snowplow(TP2, body % (PAYLOAD_DATA.encode(), title)))

    assert _properties(event)["page"] == "cut �"
    assert _properties(event)["x"] == "\\ud83d 😀"


@pytest.mark.parametrize(
    "bad",
    [
        b'{"e":"se","x":NaN}',
        b'{"e":"se","x":-Infinity}',
        b'{"e":"se","x":1e999}',
        b'{"e":"se","x":"cut \\ud83d"}',
        b'{"e":"se","x":"\xff"}',
        b'{"e":"se","e":"se"}',
        b'{"e":"se","x":[1]}',
        b'{"e":"se","x":"tab\there"}',
        b'{"e":"se","x":' + b"9" * 5_000 + b"}",
    ],
)
def test_a_slip_in_one_event_loses_none_of_its_body(bad: bytes) -> None:
    """NaN, half a surrogate pair or the like in one of three events made dead letters of all three."""
    good = b'{"e":"se","se_ca":"a"}'
    body = b'{"schema":"%b","data":[%b,%b,%b]}' % (PAYLOAD_DATA.encode(), good, bad, good)

    assert _reasons(snowplow(TP2, body)) == ["good"] * 3


def test_redirect_with_contexts_that_cannot_be_read_is_still_a_click() -> None:
    """One bad context made a dead letter of the click."""
    event = _event(snowplow(b"/r/tp2?u=https%3A%2F%2Fshop.example%2F&e=se&co=%7B"))

    assert event.dropped == "bad_contexts"
    assert _properties(event)["co"][0]["data"] == {"uri": "https://shop.example/"}


def test_body_kept_in_part_is_refused() -> None:
    """The sender sent more than is kept."""
    assert _reasons(snowplow(TP2, _body(VIEW), body_bytes=2_000_000)) == ["body_too_long"]


@pytest.mark.parametrize(
    ("target", "body", "content_type"),
    [
        (IGLU + b"?schema=iglu:com.acme/order/jsonschema/1-0-0&total=12&aid=shop", b"", b""),
        (IGLU + b"?schema=iglu:com.acme/order/jsonschema/1-0-0&aid=shop", b'{"total":"12"}', b"application/json"),
        (
            IGLU + b"?schema=iglu:com.acme/order/jsonschema/1-0-0&aid=shop",
            b"total=12",
            b"application/x-www-form-urlencoded",
        ),
        (
            IGLU + b"?aid=shop",
            b'{"schema":"iglu:com.acme/order/jsonschema/1-0-0","data":{"total":"12"}}',
            b"application/json",
        ),
    ],
)
def test_webhook_is_one_self_describing_event(target: bytes, body: bytes, content_type: bytes) -> None:
    """By query, JSON or form; its schema beside it or in it."""
    event = _event(snowplow(target, body, content_type=content_type))

    assert (event.type, event.app) == ("com.acme:order", "shop")
    assert _properties(event)["ue"]["data"]["total"] == "12"


@pytest.mark.parametrize("target", [IGLU, IGLU + b"?schema=iglu:nonsense", IGLU + b"?total=1"])
def test_webhook_without_schema_is_refused(target: bytes) -> None:
    """It says nothing that anybody could read."""
    assert _reasons(snowplow(target)) == ["bad_event"]


def test_redirect_is_a_click_unless_it_carries_an_event() -> None:
    """The target is an event of its own, or goes along with one."""
    alone = _event(snowplow(b"/r/tp2?u=https%3A%2F%2Fshop.example%2Fred%3Fa%3D1&aid=mail"))
    beside = _event(snowplow(b"/r/tp2?u=https%3A%2F%2Fshop.example%2F&e=pv&url=https%3A%2F%2Fwww.example.com%2F"))

    assert (alone.type, alone.link, alone.app) == ("click", "https://shop.example/red", "mail")
    assert _properties(alone)["ue"]["data"] == {"uri": "https://shop.example/red?a=1"}
    assert (beside.type, beside.page) == ("view", "/")
    assert _properties(beside)["co"][0]["data"] == {"uri": "https://shop.example/"}
    assert _reasons(snowplow(b"/r/tp2?aid=mail")) == ["no_target"]


@given(
    method=st.sampled_from([b"GET", b"HEAD", b"POST"]),
    path=st.sampled_from([b"/i", TP2, IGLU, b"/r/tp2", b"/com.acme/x"]),
    query=st.binary(max_size=60),
    body=st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(gzip.compress)),
    content_type=st.sampled_from([b"", b"application/json", b"application/x-www-form-urlencoded", b"\xff"]),
)
def test_any_bytes_are_an_event_or_a_dead_letter(
    method: bytes, path: bytes, query: bytes, body: bytes, content_type: bytes
) -> None:
    """A decoder never raises, whatever a stranger sends."""
    hit = payload.RawHit(1, "snowplow", 1, "", method, path + b"?" + query, [(b"content-type", content_type)], body, 80)

    assert len(units(hit)) >= 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["e", "eid", "dtm", "url", "refr", "ue_pr", "ue_px", "co", "cx", "uid", "p", "aid", "x"])


@given(events=st.lists(_JSON | st.dictionaries(_NAMES, st.text(max_size=12) | _JSON, max_size=5), max_size=4))
def test_any_json_is_events_and_dead_letters(events: list[Any]) -> None:
    """As many units as events, and each can be written down."""
    found = _units(snowplow(TP2, _body(*events)))

    assert len(found) == max(1, len(events))
    for unit in found:
        if isinstance(unit, Event):
            json.dumps(unit.properties).encode()

"""What the parameters of Snowplow's protocol mean: columns, identity, time, and what is kept of the rest."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from harness.hits import snowplow
from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.payload import NETWORK_USER
from latchstring_gateway.shipping.event import Event, RefusalError
from latchstring_gateway.shipping.snowplow import CONTEXTS, UNSTRUCT_EVENT
from latchstring_gateway.shipping.snowplow_event import MAX_PROPERTIES_BYTES, event_of

ID = "0A1B2C3D-0000-4000-8000-00000000000F"
URL = "https://www.example.com/a"


def _event(headers: list[tuple[bytes, bytes]] | None = None, /, **fields: str) -> Event:
    return event_of(fields, payload.decode(snowplow(headers=headers or [])), [])


def _refusal(**fields: str) -> str:
    with pytest.raises(RefusalError) as refused:
        _event(**fields)
    return str(refused.value)


def _json(schema: str, data: Any) -> str:
    return json.dumps({"schema": schema, "data": data})


def _ue(schema: str, data: Any) -> str:
    return _json(UNSTRUCT_EVENT, {"schema": schema, "data": data})


def _properties(event: Event) -> Any:
    return json.loads(event.properties or "{}")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("pv", "view"), ("pp", "viewing"), ("se", "structured"), ("tr", "transaction"), ("ti", "transaction_item")],
)
def test_each_kind_has_a_type_of_our_own(kind: str, expected: str) -> None:
    """Popular pages count `view`, whoever sent it."""
    event = _event(e=kind, url=URL)

    assert (event.type, event.page, event.host) == (expected, "/a", "www.example.com")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "structured"),
        ({"se_ca": "shop"}, "structured:shop"),
        ({"se_ca": "shop", "se_ac": "add-to-basket"}, "structured:shop:add-to-basket"),
        ({"se_ca": "Video Player", "se_ac": "50 %\n:x"}, "structured:Video_Player:50_x"),
        ({"se_ca": "a" * 300, "se_ac": "b"}, "structured:" + "a" * 53),
    ],
)
def test_structured_event_has_category_and_action_in_its_type(said: dict[str, str], expected: str) -> None:
    """So a funnel can ask for it; as they are they stand among the properties."""
    assert _event(e="se", **said).type == expected


def test_id_is_a_uuid_in_one_spelling() -> None:
    """A retry in capitals is the same event; what is no UUID is left out by name, and none is none."""
    assert _event(e="se", eid=ID).event_id == ID.lower()
    assert _event(e="se").event_id is None
    assert _event(e="se", eid="").event_id is None
    for bad in ("invalidEventId", ID + "\n", ID[:-1], "{" + ID + "}", ID.replace("-", "")):
        event = _event(e="se", eid=bad)
        assert (event.event_id, event.dropped) == (None, "bad_id")


def test_a_retry_says_the_same_and_anything_else_does_not() -> None:
    """Sent later, under another network user: a copy. Another title: another event."""
    first = _event(e="pv", url=URL, eid=ID, stm="1", nuid="n-1", cv="a")

    assert _event(e="pv", url=URL, eid=ID, stm="2", nuid="n-2", cv="b").fingerprint == first.fingerprint
    assert _event(e="pv", url=URL, eid=ID, stm="1", page="x").fingerprint != first.fingerprint
    assert _event(e="pv", url=URL, eid=ID, dtm="1").fingerprint != first.fingerprint


def test_times_are_the_senders() -> None:
    """`ttm` is right by itself, so nothing is left to correct."""
    plain = _event(e="se", dtm="1700000000000", stm="1700000005000")
    true = _event(e="se", dtm="5", stm="1700000005000", ttm="1700000000000")

    assert (plain.occurred_at, plain.sent_at) == (1_700_000_000_000, 1_700_000_005_000)
    assert (true.occurred_at, true.sent_at) == (1_700_000_000_000, None)


@pytest.mark.parametrize("bad", ["-1", "99999999999999", "7258118400001", "٣", "0x10", "now", "nan"])
@pytest.mark.parametrize("name", ["dtm", "stm", "ttm"])
def test_a_time_before_1970_or_past_2200_is_none(name: str, bad: str) -> None:
    """Negative and far-future times, other digits, and words are left out by name; the event counts."""
    event = _event(e="se", **{name: bad})

    assert (event.occurred_at, event.sent_at, event.dropped) == (None, None, "bad_time")


@pytest.mark.parametrize(
    ("said", "at_ms"),
    [
        ("1796000000000.0", 1_796_000_000_000),
        ("1.796E12", 1_796_000_000_000),
        ("1796000000", 1_796_000_000_000),
        ("1796000000.25", 1_796_000_000_250),
        ("2026-11-30T10:13:20.000Z", 1_796_033_600_000),
        ("1e3", 1_000),
    ],
)
def test_times_are_read_as_clients_write_them(said: str, at_ms: int) -> None:
    """Fractions, exponents, seconds and ISO 8601 were `bad_time`, and the whole event was lost."""
    assert _event(e="se", dtm=said).occurred_at == at_ms


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "no_type"),
        ({"e": "zz"}, "unknown_type"),
        ({"e": ""}, "unknown_type"),
        ({"e": "pv"}, "no_page"),
        ({"e": "pv", "url": "javascript:alert(1)"}, "bad_page"),
        ({"e": "pv", "url": "https://user:secret@www.example.com/"}, "bad_page"),
        ({"e": "pv", "url": "https://www.example.com/\r\nx"}, "control_characters"),
        ({"e": "pv", "url": "https://www.example.com/" + "a" * 2_000}, "page_too_long"),
        ({"e": "ue"}, "no_event"),
        ({"e": "ue", "ue_pr": "{"}, "bad_event"),
        ({"e": "ue", "ue_pr": "[" * 9_000}, "bad_event"),
        ({"e": "ue", "ue_pr": _json("iglu:com.acme/x/jsonschema/1-0-0", {})}, "bad_event"),
        ({"e": "ue", "ue_pr": _json(UNSTRUCT_EVENT, {})}, "bad_event"),
        ({"e": "ue", "ue_pr": _ue("iglu:com.acme/../x/jsonschema/1-0-0", {})}, "bad_event"),
        ({"e": "ue", "ue_px": "*"}, "bad_event"),
        ({"e": "ue", "ue_px": "é"}, "bad_event"),
        ({"e": "ue", "ue_px": b64encode(b"\xff\xfe").decode()}, "bad_event"),
    ],
)
def test_refused_with_a_reason(fields: dict[str, str], reason: str) -> None:
    """Each mistake has its code."""
    assert _refusal(**fields) == reason


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"p": "t v"}, "bad_platform"),
        ({"aid": "a" * 256}, "bad_aid"),
        ({"uid": "a\nb"}, "bad_uid"),
        ({"sid": "a\nb"}, "bad_sid"),
        ({"duid": "d" * 256}, "bad_duid"),
        ({"eid": "no uuid"}, "bad_id"),
        ({"dtm": "now"}, "bad_time"),
        ({"url": "watch"}, "bad_page"),
        ({"url": "https://a.example/?utm_campaign=" + "x" * 1_000_000}, "bad_campaign properties_too_long"),
        ({"refr": "ftp://files.example/x"}, "bad_referrer"),
        ({"x": "y" * MAX_PROPERTIES_BYTES}, "properties_too_long"),
        ({"co": _json(CONTEXTS, {})}, "bad_contexts"),
        ({"co": _json(CONTEXTS, [{"data": 1}])}, "bad_contexts"),
        ({"cx": "%%%"}, "bad_contexts"),
    ],
)
def test_a_secondary_field_that_cannot_be_read_loses_no_event(fields: dict[str, str], code: str) -> None:
    """One optional parameter made the whole event a dead letter; it is left out by name, and the event counts."""
    event = _event(e="se", se_ca="shop", **fields)

    assert (event.type, event.dropped) == ("structured:shop", code)
    assert _properties(event)["se_ca"] == "shop"


def test_a_bad_context_spoils_no_other() -> None:
    """One context without a schema made the whole event a dead letter; the others are kept."""
    good = {"schema": "iglu:com.acme/a/jsonschema/1-0-0", "data": {"n": 1}}

    event = _event(e="se", co=_json(CONTEXTS, [{"data": 1}, good, 7]), cx="%%%")

    assert _properties(event)["co"] == [good]
    assert event.dropped == "bad_contexts"


def test_page_of_a_packaged_app_is_a_page() -> None:
    """`file:` and the like were `bad_page`: apps of TVs and phones lost every page view."""
    tv = _event(e="pv", url="file:///usr/palm/applications/com.acme.tv/index.html#/home")
    phone = _event(e="pv", url="capacitor://localhost/home?x=1", aid="acme")

    assert (tv.scheme, tv.host, tv.page, tv.app) == (
        "file", None, "/usr/palm/applications/com.acme.tv/index.html", "com.acme.tv",
    )  # fmt: skip
    assert (phone.scheme, phone.host, phone.page, phone.app) == ("capacitor", "localhost", "/home", "acme")


def test_one_page_has_one_spelling() -> None:
    """Escaped and plain letters were several rows; the path as it was sent is kept beside the page."""
    said = [_event(e="pv", url=f"https://a.example/{path}") for path in ("café", "caf%C3%A9", "caf%c3%a9")]

    assert [(event.page, event.page_raw) for event in said] == [
        ("/café", None), ("/café", "/caf%C3%A9"), ("/café", "/caf%c3%a9"),
    ]  # fmt: skip


def test_base64_is_decoded_once_and_only_once() -> None:
    """Either alphabet, padded or not; base64 inside base64 is no event."""
    plain = _ue("iglu:com.acme/x/jsonschema/1-0-0", {"text": "ÿ>?~ÿ"}).encode()
    url_safe, padded = urlsafe_b64encode(plain).decode(), b64encode(plain).decode()

    for spelled in (url_safe, url_safe.rstrip("="), padded, padded.rstrip("=")):
        event = _event(e="ue", ue_px=spelled)
        assert event.type == "com.acme:x"
        assert _properties(event)["ue"]["data"] == {"text": "ÿ>?~ÿ"}
    assert _refusal(e="ue", ue_px=b64encode(url_safe.encode()).decode()) == "bad_event"


def test_contexts_are_kept_in_both_spellings() -> None:
    """`co` and `cx` of one event are one list."""
    first, second = ({"schema": f"iglu:com.acme/{name}/jsonschema/1-0-0", "data": {"n": 1}} for name in "ab")
    coded = b64encode(_json(CONTEXTS, [second]).encode()).decode()

    assert _properties(_event(e="se", co=_json(CONTEXTS, [first]), cx=coded))["co"] == [first, second]


def test_what_has_no_column_is_a_property_as_it_was_sent() -> None:
    """Whatever a tracker says is kept, but for whom it says it of: that is for the policy."""
    event = _event(
        e="se", se_ca="shop", tv="js-4.0", res="1920x1080", uid="u", duid="d", sid="s", nuid="n", tnuid="t",
        ip="203.0.113.7", ua="Agent/1", aid="a", p="tv", fp="1", mac="2",
    )  # fmt: skip

    assert _properties(event) == {"se_ca": "shop", "tv": "js-4.0", "res": "1920x1080"}
    assert (event.user, event.visitor, event.session, event.app, event.platform) == ("u", "d", "s", "a", "tv")


@pytest.mark.parametrize(
    ("fields", "visitor"),
    [
        ({"duid": "d", "tnuid": "t", "nuid": "n"}, "d"),
        ({"tnuid": "t", "nuid": "n"}, "t"),
        ({"nuid": "n"}, "n"),
        ({"nuid": ID + ".k3Vx9q.Zt0YpQ1c3aUeB4mN8rS2wA"}, ID),
        ({"nuid": ID + "x"}, ID + "x"),
        ({}, "cookie"),
    ],
)
def test_visitor_is_the_steadiest_pseudonym(fields: dict[str, str], visitor: str) -> None:
    """The tracker's own before a server's word before our cookie."""
    assert _event([(NETWORK_USER, b"cookie")], e="se", **fields).visitor == visitor


def test_campaign_and_referrer_are_read_from_their_urls() -> None:
    """Decoded once; what is none is left out."""
    event = _event(
        e="pv", url=URL + "?utm_campaign=Spr%C3%BCng+25&x=1#utm_campaign=no", refr="https://Search.example/?q"
    )

    assert (event.campaign, event.referrer_host) == ("Sprüng 25", "search.example")
    assert _event(e="pv", url=URL + "?utm_campaign=%ff", refr="not a url").campaign == "%FF"
    assert _event(e="pv", url=URL + "#?utm_campaign=x").campaign is None


def test_bare_pixel_counts_the_page_it_stands_on() -> None:
    """A `<noscript>` image tells no page; its Referer does."""
    event = _event([(b"referer", b"https://www.example.com/home?token=1")], e="pv", p="web", tv="no-js-0.1.0")

    assert (event.host, event.page) == ("www.example.com", "/home")

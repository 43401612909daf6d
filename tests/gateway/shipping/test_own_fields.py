"""Fields of our own wire with columns of their own: read alike from a query and from JSON, or refused by name."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from harness.hits import batch, pixel
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.decode import units
from latchstring_gateway.shipping.event import Event, Unit
from latchstring_gateway.shipping.own_fields import FIELDS

_HEARTBEAT: dict[str, Any] = {
    "type": "heartbeat",
    "page": "/watch/salt",
    "id": "e-1",
    "app": "lantern",
    "platform": "web",
    "session": "s-1",
    "user": "u-1",
    "visitor": "p-1",
    "consent": "granted",
    "viewing": "v-1",
    "campaign": "Autumn 2026",
    "media": "salt-and-static",
    "referrer": "https://Search.Example/find?q=secret",
    "link": "https://Shop.Example/buy?token=secret#top",
    "play_state": "playing",
    "position_ms": 61_500,
    "playback_rate": 1.25,
    "ping": 4,
    "sent": 1_800_000_000_000,
}


def _unit(data: bytes) -> Unit:
    (unit,) = units(payload.decode(data))
    return unit


def _event(data: bytes) -> Event:
    unit = _unit(data)
    assert isinstance(unit, Event)
    return unit


def test_every_field_lands_in_its_column() -> None:
    """What has a column is in it and not in the properties; of addresses only what is needed."""
    event = _event(batch(json.dumps(_HEARTBEAT).encode()))

    told = {column: getattr(event, column) for column, _ in FIELDS.values()}
    assert event.properties is None
    assert told == {
        **{name: _HEARTBEAT[name] for name in ("app", "platform", "session", "user", "viewing", "campaign", "media")},
        **{name: _HEARTBEAT[name] for name in ("play_state", "position_ms", "playback_rate", "ping")},
        **{name: _HEARTBEAT[name] for name in ("visitor", "consent")},
        "referrer_host": "search.example",
        "link": "https://shop.example/buy",
        "sent_at": 1_800_000_000_000,
    }


def test_a_pixel_and_a_batch_say_the_same_event() -> None:
    """A batch that seemed to be lost and went again as a pixel is a copy: same columns, same fingerprint."""
    as_pixel = _event(pixel(urlencode(_HEARTBEAT).encode()))

    assert as_pixel == _event(batch(json.dumps(_HEARTBEAT).encode()))


def test_a_retry_sent_later_says_the_same() -> None:
    """When it was sent, and what the banner said by then, is no part of what an event says; everything else is."""
    first = _event(batch(json.dumps(_HEARTBEAT).encode())).fingerprint

    for name, other in (("sent", 1_800_000_000_999), ("consent", "denied")):
        assert _event(batch(json.dumps({**_HEARTBEAT, name: other}).encode())).fingerprint == first
    for name, other in (
        ("visitor", "x"),
        ("position_ms", 61_501),
        ("ping", 5),
        ("media", "x"),
        ("campaign", "x"),
        ("playback_rate", 1),
    ):
        assert _event(batch(json.dumps({**_HEARTBEAT, name: other}).encode())).fingerprint != first


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(("app", said) for said in ("a b", "x" * 65, True, ["a"])),
        ("platform", "web\n"),
        *(("session", said) for said in ("x" * 256, "a\nb", ["s"], "\u202ex")),
        ("user", "\u00e4" * 128),
        ("viewing", {}),
        *(("campaign", said) for said in ("x" * 129, "a\x1bb", "x" * 1_000_000, True)),
        ("media", "x" * 257),
        *(
            ("referrer", said)
            for said in (
                "a/b",
                "https://user@evil.example/",
                "a b",
                "https://",
                1,
                "ftp://a.example/",
                "android-app://a/",
            )
        ),
        *(("link", said) for said in ("javascript:alert(1)", "mailto:a@b", "/a\r\nb", "/" + "x" * 1_024, 7)),
        ("play_state", "\u0661"),
        *(("position_ms", said) for said in (-1, True, "-1", "1:30", "\u0661", 2**53, "9" * 16, 10**310, [1])),
        *(("playback_rate", said) for said in (-1, 100.5, True, "fast", "1e3", "nan", "inf", 10**310)),
        ("ping", "0x1"),
        *(("sent", said) for said in (-1, 9_999_999_999_999, "yesterday", True, "2026-13-01T00:00:00Z")),
        ("id", ["e"]),
        ("time", {}),
    ],
)
def test_a_field_that_cannot_be_read_is_left_out_by_name_and_the_event_counts(name: str, said: object) -> None:
    """One secondary field made the whole event a dead letter."""
    event = _event(batch(json.dumps({"page": "/a", "media": "m", "n": 1, name: said}).encode()))

    assert event.dropped == f"bad_{name}"
    assert (event.page, event.properties) == ("/a", '{"n":1}')
    assert getattr(event, {"id": "event_id", "time": "occurred_at"}.get(name) or FIELDS[name][0]) is None


@pytest.mark.parametrize("name", [*FIELDS, "id", "time", "type", "e", "t"])
@pytest.mark.parametrize("said", ["", None])
def test_empty_and_null_mean_not_stated(name: str, said: str | None) -> None:
    """Every direct visit has an empty `document.referrer`; it was `bad_referrer`, and the view was lost."""
    event = _event(batch(json.dumps({"page": "/a", name: said}).encode()))

    assert event == _event(batch(b'{"page":"/a"}'))
    assert event.dropped is None


@pytest.mark.parametrize(
    ("name", "said", "kept"),
    [
        ("position_ms", "0061", 61),
        ("position_ms", 12345.678, 12_346),
        ("position_ms", "12345.678", 12_346),
        ("position_ms", 22345.0, 22_345),
        ("position_ms", " 22345", 22_345),
        ("position_ms", "1e3", 1_000),
        ("position_ms", "1.23457e+07", 12_345_700),
        ("ping", "4.0", 4),
        ("sent", "1796000000000", 1_796_000_000_000),
        ("sent", 1796000000000.5, 1_796_000_000_001),
        ("sent", "1.796E12", 1_796_000_000_000),
        ("sent", 1_796_000_000, 1_796_000_000_000),
        ("sent", "2026-11-30T18:00:00+01:00", 1_796_058_000_000),
        ("session", 12345, "12345"),
        ("user", "j\u00f6rg@example.de", "j\u00f6rg@example.de"),
        ("user", "auth0|5f7c1e", "auth0|5f7c1e"),
        ("media", 7.0, "7"),
        ("consent", True, "granted"),
        ("consent", False, "denied"),
        ("consent", "false", "denied"),
        ("consent", " Denied", "denied"),
        ("gdpr_consent", "TRUE", "granted"),
        ("link", "/caf%c3%a9", "/caf\u00e9"),
        ("link", "https://a.example/caf%C3%A9", "https://a.example/caf\u00e9"),
        ("media", "/caf%C3%A9", "/caf\u00e9"),
        ("ping", 0, 0),
        ("playback_rate", 0, 0.0),
        ("playback_rate", "1", 1.0),
        ("playback_rate", 100, 100.0),
        ("referrer", "Search.Example:8080", "search.example:8080"),
        ("link", "/buy?x#y", "/buy"),
        ("link", "HTTPS://A.example", "https://a.example/"),
        ("campaign", "\u00dcber 'Autumn'", "\u00dcber 'Autumn'"),
    ],
)
def test_values_are_kept_in_one_spelling(name: str, said: object, kept: object) -> None:
    """Two spellings of one value are one value."""
    event = _event(batch(json.dumps({"page": "/a", name: said}).encode()))

    assert getattr(event, FIELDS[name][0]) == kept

"""Well-known schemas: clicks, screens and media fill columns; persons are not kept among the properties."""

from typing import Any

import pytest

from latchstring_gateway.shipping.self_describing import SelfDescribing
from latchstring_gateway.shipping.snowplow_schemas import (
    Meaning,
    meaning_of,
    person_in,
    viewing_in,
    without_person,
)

SNOWPLOW = "com.snowplowanalytics.snowplow"
MEDIA = "com.snowplowanalytics.snowplow.media"


def _said(vendor: str, name: str, data: Any) -> SelfDescribing:
    return SelfDescribing(vendor, name, "1-0-0", data)


def _player(**said: Any) -> SelfDescribing:
    return _said(SNOWPLOW, "media_player", {"paused": False, "ended": False, **said})


def test_click_has_its_target() -> None:
    """Without query and fragment, like every link; what is no link leaves the column empty."""
    assert meaning_of(_said(SNOWPLOW, "link_click", {"targetUrl": "https://Shop.example/a?b#c"}), []) == Meaning(
        "click", link="https://shop.example/a"
    )
    for target in ("mailto:a@b.example", "javascript:x", None, 7, "https://a\r\nb"):
        assert meaning_of(_said(SNOWPLOW, "link_click", {"targetUrl": target}), []) == Meaning("click")


@pytest.mark.parametrize("vendor", [SNOWPLOW, "com.snowplowanalytics.mobile"])
def test_screen_is_a_view(vendor: str) -> None:
    """The screens of a TV app stand among the popular pages, by their names."""
    assert meaning_of(_said(vendor, "screen_view", {"name": "Home"}), []) == Meaning("view", page="Home")
    assert meaning_of(_said(vendor, "screen_view", {"id": "x"}), []).type == f"{vendor}:screen_view"


@pytest.mark.parametrize(
    ("player", "expected"),
    [
        ({"currentTime": 12.3456, "playbackRate": 1.5, "label": "T7"}, ("T7", "playing", 12_346, 1.5)),
        ({"currentTime": 0, "paused": True}, (None, "paused", 0, None)),
        ({"currentTime": 9, "paused": True, "ended": True}, (None, "ended", 9_000, None)),
        ({"currentTime": -1, "playbackRate": -2}, (None, "playing", None, None)),
        ({"currentTime": 1e308, "playbackRate": True, "label": ["x"]}, (None, "playing", None, None)),
        ({"currentTime": "x", "label": "a\nb"}, (None, "playing", None, None)),
        ({"currentTime": "7.5", "label": "a"}, ("a", "playing", 7_500, None)),
    ],
)
@pytest.mark.parametrize(("vendor", "name"), [(MEDIA, "ping_event"), (SNOWPLOW, "media_player_event")])
def test_media_event_is_a_heartbeat_as_its_player_stands(
    vendor: str, name: str, player: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    """Title, state, position, speed; a figure that is none leaves its column empty."""
    means = meaning_of(_said(vendor, name, {}), [_said("com.acme", "x", 1), _player(**player)])

    assert means.type == "heartbeat"
    assert (means.media, means.play_state, means.position_ms, means.playback_rate) == expected


def test_any_other_schema_is_a_type_of_its_own() -> None:
    """Also a media event that tells nothing of its player, and one of a foreign vendor."""
    assert meaning_of(_said("com.acme", "link_click", {"targetUrl": "/a"}), []).type == "com.acme:link_click"
    assert meaning_of(_said(MEDIA, "ping_event", {}), []).type == f"{MEDIA}:ping_event"
    assert meaning_of(_said(SNOWPLOW, "link_click", "text"), []).type == "click"


def test_viewing_of_a_title_comes_before_that_of_a_page() -> None:
    """Heartbeats of one title belong together, whatever page it plays on."""
    page = _said(SNOWPLOW, "web_page", {"id": "p-1"})
    title = _said(MEDIA, "session", {"mediaSessionId": "m-1"})

    assert viewing_in([page, title]) == "m-1"
    assert viewing_in([page]) == "p-1"
    assert viewing_in([_said(SNOWPLOW, "web_page", {"id": {"x": 1}})]) is None
    assert viewing_in([]) is None


def test_persons_are_columns_and_no_properties() -> None:
    """Session and user of a client go where the policy decides; what is built into a device goes nowhere."""
    client = _said(SNOWPLOW, "client_session", {"sessionId": "s", "userId": "u", "sessionIndex": 3})
    phone = _said(SNOWPLOW, "mobile_context", {"appleIdfa": "x", "androidIdfa": "y", "osType": "ios"})

    assert person_in([phone, client]) == ("s", "u")
    assert person_in([_said(SNOWPLOW, "client_session", {"sessionId": [7], "userId": ""})]) == (None, None)
    assert without_person(client).data == {"sessionIndex": 3}
    assert without_person(phone).data == {"osType": "ios"}
    for vendor, name, personal, rest in (
        (SNOWPLOW, "geolocation_context", "latitude", "timestamp"),
        ("com.google.analytics", "cookies", "_ga", "other"),
        ("com.google.ga4", "cookies", "session_cookies", "cookie_prefix"),
        ("org.ietf", "http_cookie", "value", "name"),
    ):
        assert without_person(_said(vendor, name, {personal: "x", rest: "y"})).data == {rest: "y"}
    assert without_person(_said("com.acme", "http_cookie", {"value": "x"})).data == {"value": "x"}
    assert without_person(_said(SNOWPLOW, "client_session", [1])).data == [1]

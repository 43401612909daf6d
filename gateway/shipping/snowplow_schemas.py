"""What well-known schemas of Snowplow's say, as far as there are columns for it; and where in them people are named.

link_click, uri_redirect   a click and its target
screen_view                a view, whose page is the screen's name
media events               a heartbeat: title, state, position and speed, as the media_player context has them
any other                  its type is "vendor:name"

What does not fit its column stands in the properties only, like all the rest.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from .numbers import number
from .own_fields import FIELDS, a_name
from .page_address import readable
from .self_describing import SelfDescribing

_SNOWPLOW: Final = "com.snowplowanalytics.snowplow"
_MOBILE: Final = "com.snowplowanalytics.mobile"
_MEDIA: Final = "com.snowplowanalytics.snowplow.media"

#: Where a click leads, by schema.
_CLICKS: Final = {"link_click": "targetUrl", "uri_redirect": "uri"}
#: The context that tells which viewing an event belongs to, and its field: a title being watched, or a page being read.
_VIEWINGS: Final = {(_MEDIA, "session"): "mediaSessionId", (_SNOWPLOW, "web_page"): "id"}
_MAX_SCREEN_CHARS: Final = 1_024
_MAX_SECONDS: Final = 1e12

#: Fields that tell one person or device from all others, or to the metre where it is. Session and user of a client are
#: columns, for the policy to decide on; the rest is kept nowhere.
_PERSONS: Final = {
    (_SNOWPLOW, "client_session"): frozenset({"userId", "sessionId", "previousSessionId", "firstEventId"}),
    (_SNOWPLOW, "mobile_context"): frozenset({"appleIdfa", "appleIdfv", "androidIdfa", "openIdfa"}),
    (_SNOWPLOW, "geolocation_context"): frozenset({"latitude", "longitude", "altitude", "bearing", "speed"}),
    ("com.google.analytics", "cookies"): frozenset({"__utma", "__utmb", "__utmc", "__utmv", "__utmz", "_ga"}),
    ("com.google.ga4", "cookies"): frozenset({"_ga", "session_cookies"}),
    ("org.ietf", "http_cookie"): frozenset({"value"}),
}


class Meaning(NamedTuple):
    """The columns an event has by its schema."""

    type: str
    page: str | None = None
    link: str | None = None
    media: str | None = None
    play_state: str | None = None
    position_ms: int | None = None
    playback_rate: float | None = None


def meaning_of(about: SelfDescribing, contexts: Iterable[SelfDescribing]) -> Meaning:
    """What a self-describing event is."""
    said = _fields(about)
    if about.vendor == _SNOWPLOW and about.name in _CLICKS:
        link = _column("link", said.get(_CLICKS[about.name]))
        return Meaning("click", link=None if link is None else readable(link))
    if about.vendor in (_SNOWPLOW, _MOBILE) and about.name == "screen_view":
        screen = said.get("name")
        if isinstance(screen, str) and 0 < len(screen) <= _MAX_SCREEN_CHARS and screen.isprintable():
            return Meaning("view", page=screen)
    if about.vendor == _MEDIA or (about.vendor == _SNOWPLOW and about.name == "media_player_event"):
        for context in contexts:
            if (context.vendor, context.name) == (_SNOWPLOW, "media_player"):
                return _watched(_fields(context), said)
    return Meaning(f"{about.vendor}:{about.name}")


def _fields(said: SelfDescribing) -> dict[str, Any]:
    return said.data if isinstance(said.data, dict) else {}


def _column(name: str, value: Any) -> Any:
    """The value, if the column of our own wire's field `name` takes it."""
    return FIELDS[name][1](value)


def _watched(player: dict[str, Any], said: dict[str, Any]) -> Meaning:
    return Meaning(
        "heartbeat",
        media=_column("media", player.get("label") or said.get("label")),
        play_state="ended" if player.get("ended") is True else "paused" if player.get("paused") is True else "playing",
        position_ms=_column("position_ms", _milliseconds(player.get("currentTime"))),
        playback_rate=_column("playback_rate", player.get("playbackRate")),
    )


def _milliseconds(said: Any) -> int | None:
    seconds = number(said)
    return round(seconds * 1_000) if seconds is not None and 0 <= seconds < _MAX_SECONDS else None


def viewing_in(contexts: Iterable[SelfDescribing]) -> str | None:
    """The id of the viewing, of a title rather than of a page."""
    found = {
        key: value
        for context in contexts
        if (key := (context.vendor, context.name)) in _VIEWINGS
        and (value := a_name(_fields(context).get(_VIEWINGS[key]))) is not None
    }
    return next((found[key] for key in _VIEWINGS if key in found), None)


def person_in(contexts: Iterable[SelfDescribing]) -> tuple[str | None, str | None]:
    """Session and visitor as a mobile or TV tracker tells them."""
    for context in contexts:
        if (context.vendor, context.name) == (_SNOWPLOW, "client_session"):
            said = _fields(context)
            return a_name(said.get("sessionId")), a_name(said.get("userId"))
    return None, None


def without_person(said: SelfDescribing) -> SelfDescribing:
    """The same without the fields that name a person or device."""
    names = _PERSONS.get((said.vendor, said.name))
    if names is None or not isinstance(said.data, dict):
        return said
    return said._replace(data={name: value for name, value in said.data.items() if name not in names})

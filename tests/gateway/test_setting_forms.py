"""The forms of settings: a mistake is told at start, never at the first request."""

import pytest

from latchstring_gateway.setting_forms import listed
from latchstring_gateway.settings import SettingsError, read


@pytest.mark.parametrize(
    "overrides",
    [
        {"snowplow_paths": "acme/track"},
        {"snowplow_paths": "/acme/track,/v1/sessions"},
        {"snowplow_paths": "/verify"},
        {"snowplow_paths": "/a//b"},
        {"snowplow_paths": "/{x}"},
        {"snowplow_paths": "/a\r\nb"},
        {"snowplow_cookie": "sp;"},
        {"snowplow_cookie": "__Host-sp"},
        {"snowplow_cookie": "__secure-sp"},
        {"snowplow_cookie_domains": "https://example.com"},
        {"snowplow_cookie_domains": "example.com; Secure"},
        {"snowplow_cookie_domains": ".example.com"},
        {"snowplow_adopt_cookies": "perhaps"},
        {"tv_clients": "living room"},
        {"tv_clients": "a,b/c"},
        {"tv_clients": "x" * 65},
        {"tv_codes": "words"},
        {"ja4_header": "x ja4"},
        {"ja4_header": "Cookie"},
        {"trial_days": 0},
        {"trial_shared_after": 49},
        {"activation_url": "www.example.com/tv"},
    ],
)
def test_mistake_is_told_by_its_name(overrides: dict[str, object]) -> None:
    """Paths of our own, names no browser takes, domains that are none."""
    with pytest.raises(SettingsError, match=next(iter(overrides)).upper()):
        read(**overrides)


def test_lists_are_between_commas() -> None:
    """Spaces do not matter, nor the case of domains."""
    chosen = read(
        snowplow_paths="/acme/track, /t ",
        snowplow_cookie_domains="Example.com , acme.example",
        tv_clients="tv, console,",
        ja4_header="X-JA4",
    )

    assert chosen.trackers_paths() == ["/acme/track", "/t"]
    assert listed(chosen.tv_clients) == ["tv", "console"]
    assert chosen.ja4_header == "x-ja4"
    assert chosen.snowplow_cookie_domains == "example.com , acme.example"

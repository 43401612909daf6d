"""Click-through of Snowplow's form: never a way to a host that nobody has allowed, never a header of a stranger's."""

from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.snowplow.redirect import Redirects
from latchstring_gateway.tokens.keyfile import dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing

ALLOWED = "https://www.example.com"
REDIRECTS = Redirects(
    KeyRing.from_json(dump([new_key(0, not_before_ms=0)]), ManualClock()), [ALLOWED, "http://m.example:8080"]
)


def _target(url: str, **more: str) -> bytes | None:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in {"u": url, **more}.items())
    return REDIRECTS.target_of(query.encode())


@pytest.mark.parametrize(
    ("url", "location"),
    [
        (ALLOWED, ALLOWED),
        (ALLOWED + "/", ALLOWED + "/"),
        ("https://WWW.Example.com/a?b=c&d#e", "https://WWW.Example.com/a?b=c&d#e"),
        (ALLOWED + "?next=https://evil.example/", ALLOWED + "?next=https://evil.example/"),
        (ALLOWED + "/caf\u00e9 au lait", ALLOWED + "/caf%C3%A9%20au%20lait"),
        (ALLOWED + "/%0d%0a", ALLOWED + "/%0d%0a"),
        ("http://m.example:8080/x", "http://m.example:8080/x"),
    ],
)
def test_allowed_origin_is_a_way_on(url: str, location: str) -> None:
    """Whatever comes behind the origin stays as it is; beyond ASCII it is percent-encoded."""
    assert _target(url) == location.encode()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/",
        "http://www.example.com/",
        "https://www.example.com:8443/",
        "https://www.example.com.evil.example/",
        "https://www.example.com@evil.example/",
        "https://evil.example@www.example.com/",
        "https://evil.example\\@www.example.com/",
        "https://www.example.com\\.evil.example/",
        "https://www.example.com\uff0fevil.example/",
        "https://www\u3002example.com/",
        "https://www.example.com\r\n.evil.example/",
        "https://www.example.com/\r\nSet-Cookie: a=b",
        "https://www.example.com/\x00",
        "https://www.example.com/\u2028",
        "//www.example.com/",
        "///www.example.com/",
        "/\\www.example.com",
        "https:www.example.com",
        "https:///www.example.com/",
        " https://www.example.com/",
        "\thttps://www.example.com/",
        "javascript://www.example.com/%0aalert(1)",
        "data:text/html,x",
        "https://www.example.com%2f@evil.example/",
        "https://[::1]/",
        ALLOWED + "/" + "a" * 5_000,
    ],
)
def test_anything_else_is_none(url: str) -> None:
    """Foreign hosts, however they are dressed up."""
    assert _target(url) is None


def test_seal_lets_one_target_through_and_no_other() -> None:
    """Another target, another text of the same, a seal cut or made up: none."""
    foreign = "https://partner.example/sale?x=1"
    sealed = dict(parse_qsl(REDIRECTS.sealed(foreign).partition("?")[2]))

    assert _target(foreign, seal=sealed["seal"]) == foreign.encode()
    for url, seal in (
        ("https://evil.example/", sealed["seal"]),
        (foreign + "&y", sealed["seal"]),
        (foreign, sealed["seal"][:-1]),
        (foreign, ""),
        (foreign, "\u00e9"),
    ):
        assert _target(url, seal=seal) is None


def test_only_a_url_is_sealed() -> None:
    """The operator hears of a slip of the pen when he makes the link."""
    for url in ("partner.example", "javascript:x", "https://a\r\nb/", "https://user@partner.example/"):
        with pytest.raises(ValueError, match="expected"):
            REDIRECTS.sealed(url)


def test_first_of_two_targets_counts() -> None:
    """The one that the shipper reads, too."""
    assert REDIRECTS.target_of(b"u=https%3A%2F%2Fwww.example.com%2F&u=https%3A%2F%2Fevil.example%2F") is not None
    assert REDIRECTS.target_of(b"u=https%3A%2F%2Fevil.example%2F&u=https%3A%2F%2Fwww.example.com%2F") is None


@given(st.binary(max_size=80))
def test_no_bytes_make_another_location(query: bytes) -> None:
    """What is answered is a URL of an allowed origin in visible ASCII, or nothing."""
    for tried in (
        query,
        b"u=" + query,
        b"u=https://www.example.com" + query,
        b"u=https%3A%2F%2Fwww.example.com" + query,
    ):
        target = REDIRECTS.target_of(tried)
        if target is not None:
            assert target == ALLOWED.encode() or target[: len(ALLOWED) + 1].lower() in (
                (ALLOWED + end).encode() for end in "/?#"
            )
            assert all(0x21 <= byte <= 0x7E for byte in target)

"""Return targets: every trick of notes on open redirects ends at "/"."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.sessions import return_path
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken, ReturnTo

_NOW_MS = 1_800_000_000_000
_HOUR_MS = 3_600_000


def _codec(secret: bytes = bytes(range(32))) -> Codec:
    key = RingKey("tEst01", KeyState.ACTIVE, _NOW_MS, _NOW_MS, secret)
    return Codec(KeyRing.from_json(dump([key]), ManualClock()))


CODEC = _codec()

#: The lists of oauth2-proxy, Django and others: none is a path on this host.
ELSEWHERE = [
    "//redirect",
    "///evil.com",
    "/ /evil.com",
    "/\t/evil.com",
    "/\t\\evil.com",
    "/\v/evil.com",
    "/\n\\evil.com",
    "/\r\n/evil.com",
    "/\\evil.com",
    "\\\\evil.com",
    "/./\\evil.com",
    "/./../../\\evil.com",
    "/\\tevil.com",
    "http://foo.bar.evil.corp/redirect",
    "http://evil.corp/redirect?rd=foo.bar",
    "foo.bar/redirect",
    "http://baz.bar.foo:3838/",
    "//google%E3%80%82com",
    "\u3031google.com",
    "/\u2044evil.com",
    "/\uff0fevil.com",
    "http://;@localdomain.pw",
    "http://x@0xd8.0x3a.214.206",
    "http:example.com@[::216.58.214.206]",
    "http://google.com\\texample.com/",
    "javascript://https://www.whitelisteddomain.tld/?z=%0Aalert(1)",
    "\x08//example.com",
    "http:///example.com",
    "http://testserver\\@example.com",
    "http:999999999",
    "http://[2001:cdba:0000:0000:0000:0000:3257:9652/",
    "java\nscript:alert(x)",
    "/\x00/evil.com",
    "/watch\r\nset-cookie: a=b",
    "/watch me",
    "/caf\xe9",
    "",
    "?next=/",
    "*",
]
#: Odd, but on this host however a browser reads them.
HERE = [
    "/",
    "/watch?title=7",
    "/watch?next=https://evil.com",
    "/%2f%2fevil.com",
    "/%5cevil.com",
    "/%09/evil.com",
    "/..%2f..%2f",
    "/.//evil.com",
    "/@evil.com",
    "/:443/evil.com",
    "/a//b",
    "/a#b",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_target_that_may_leave_the_host_becomes_the_front_page(target: str) -> None:
    """It is refused when it is sealed, and again when it is opened."""
    assert not return_path.is_own(target)
    assert return_path.open_target(CODEC, return_path.seal(CODEC, target, now_ms=_NOW_MS), now_ms=_NOW_MS) == "/"


@pytest.mark.parametrize("target", HERE)
def test_a_target_on_this_host_comes_back_unchanged(target: str) -> None:
    """The visitor goes where he wanted to, query and all."""
    sealed = return_path.seal(CODEC, target, now_ms=_NOW_MS)

    assert return_path.open_target(CODEC, sealed, now_ms=_NOW_MS) == target


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_whatever_is_sealed_stays_on_the_host_that_a_client_resolves_it_on(target: str) -> None:
    """Resolved against our origin by an independent parser, no accepted target changes scheme, host or port."""
    if not return_path.is_own(target):
        return
    resolved = httpx.URL("https://www.example.com/sign-in").join(target)

    assert (resolved.scheme, resolved.host, resolved.port) == ("https", "www.example.com", None)


def test_a_sealed_double_slash_is_judged_again_when_opened() -> None:
    """The token's own limits let "//" pass, so a target sealed by another version is refused at the door."""
    sealed = CODEC.seal(ReturnTo("//evil.com", _NOW_MS)).decode()

    assert return_path.open_target(CODEC, sealed, now_ms=_NOW_MS) == "/"


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "/watch",
        "https://evil.com",
        "v1.a.b.c",
        "\udcff\u20ac",
        _codec(bytes(32)).seal(ReturnTo("/watch", _NOW_MS)).decode(),
        CODEC.seal(DeviceToken(b"b" * 16, _NOW_MS)).decode(),
        CODEC.seal(ReturnTo("/watch", _NOW_MS)).decode() + "=",
        CODEC.seal(ReturnTo("/watch", _NOW_MS - _HOUR_MS - 1)).decode(),
        CODEC.seal(ReturnTo("/watch", _NOW_MS + _HOUR_MS + 1)).decode(),
    ],
    ids=["empty", "bare", "url", "junk", "no text", "foreign key", "other purpose", "re-spelled", "expired", "future"],
)
def test_what_we_did_not_seal_within_the_hour_leads_to_the_front_page(sealed: str) -> None:
    """Nobody sends our visitors anywhere with our help."""
    assert return_path.open_target(CODEC, sealed, now_ms=_NOW_MS) == "/"


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/" + "a" * 699, "/" + "a" * 699),
        ("/" + "a" * 700, "/"),
        ("/grid?f=" + "x" * 692, "/grid?f=" + "x" * 692),
        ("/grid?f=" + "x" * 693, "/grid"),
        ("/grid?f=" + "x" * 16_000, "/grid"),
        ("/" + "a" * 700 + "?f=x", "/"),
        ("/grid?f=a\\b", "/grid?f=a%5Cb"),
        ("/grid?f=" + "\\" * 300, "/grid"),
        ("/grid?f=a b", "/grid"),
        ("/grid?f=\xe9", "/grid"),
        ("/grid?\x00", "/grid"),
        ("/grid\\a?f=b", "/"),
        ("//evil.example?f=a\\b", "/"),
        ("/\\evil.example?f=a", "/"),
        ("/?f=" + "x" * 701, "/"),
    ],
    ids=lambda text: text[:24],
)
def test_of_a_target_that_cannot_be_kept_whole_the_path_is_kept(target: str, kept: str) -> None:
    """A query of 701 characters, or a backslash in it, sent visitors to the front page after they had signed in."""
    assert return_path.open_target(CODEC, return_path.seal(CODEC, target, now_ms=_NOW_MS), now_ms=_NOW_MS) == kept

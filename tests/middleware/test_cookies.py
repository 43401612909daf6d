"""Cookies by exact name from raw header bytes, however hostile, and the lines that set and clear them."""

from http.cookies import SimpleCookie

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from latchstring_middleware.cookies import (
    MAX_AGE_SECONDS,
    MAX_HEADER_BYTES,
    MAX_PAIRS,
    careful_cookies,
    clear_cookie,
    foreign_cookie,
    named_cookies,
    set_cookie,
)

SESSION = b"__Host-session"
DEVICE = b"__Host-device"
NAMES = frozenset({SESSION, DEVICE, b"__Host-run"})


def cookies(*lines: bytes) -> dict[bytes, bytes]:
    """What a request with these cookie headers gives."""
    return named_cookies([(b"host", b"a.example"), *((b"cookie", line) for line in lines)], NAMES)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), {}),
        ((b"",), {}),
        ((b"__Host-session=v1.k.p-_.s",), {SESSION: b"v1.k.p-_.s"}),
        ((b"a=1; __Host-session=x; b=2",), {SESSION: b"x"}),
        ((b"a=1;__Host-session=x;b=2",), {SESSION: b"x"}),
        ((b"__Host-session=x; __Host-device=y",), {SESSION: b"x", DEVICE: b"y"}),
        # A browser on HTTP/2 may send one header a cookie.
        ((b"a=1", b"__Host-session=x", b"__Host-device=y"), {SESSION: b"x", DEVICE: b"y"}),
        # Only space and tab are trimmed, around name and value.
        ((b" \t__Host-session \t= \tx\t ",), {SESSION: b"x"}),
        ((b"__Host-session=x;",), {SESSION: b"x"}),
        ((b";;__Host-session=x;;",), {SESSION: b"x"}),
        # Our name inside another's name or value is not ours.
        ((b"a__Host-session=evil; __Host-session=x",), {SESSION: b"x"}),
        ((b"__Host-session-id=other; __Host-session=x",), {SESSION: b"x"}),
        ((b"a=__Host-session=evil",), {}),
        ((b"a= __Host-session=evil",), {}),
        ((b"a=1, __Host-session=evil",), {}),
        ((b'a="; __Host-session=x; "',), {SESSION: b"x"}),
    ],
)
def test_the_cookies_of_ours_are_found_by_exact_name(lines: tuple[bytes, ...], expected: dict[bytes, bytes]) -> None:
    """Whatever other cookies a browser sends, ours are found, and only ours."""
    assert cookies(*lines) == expected


@pytest.mark.parametrize(
    "space", [bytes([b]) for b in (0x00, 0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x1F, 0x7F, 0x85, 0xA0)]
)
def test_a_name_behind_a_strange_space_is_not_ours(space: bytes) -> None:
    """A sibling host cannot forge `__Host-session` by a byte that some parser takes for white space."""
    assert cookies(space + b"__Host-session=evil") == {}
    assert cookies(b"__Host-session=good; " + space + b"__Host-session=evil") == {SESSION: b"good"}
    assert cookies(b"__Host-session" + space + b"=evil") == {}
    assert cookies(b"__Host-session=evil" + space) == {}


@pytest.mark.parametrize(
    "lines",
    [
        (b"__Host-session=good; __Host-session=evil",),
        (b"__Host-session=good; __Host-session=good",),
        (b"__Host-session=good", b"__Host-session=evil"),
        (b"__Host-session=good;__Host-session=evil",),
        (b"__Host-session=good; \t__Host-session\t=evil",),
        (b"__Host-session=good; __Host-session=",),
        (b'__Host-session=good; __Host-session="evil"',),
        (b"__Host-session=; __Host-session=good",),
        (b"__Host-session=1; __Host-session=2; __Host-session=3",),
    ],
)
def test_a_cookie_sent_twice_counts_as_not_sent(lines: tuple[bytes, ...]) -> None:
    """Nobody can say which of two is the real one, so neither is used; other cookies are untouched."""
    assert cookies(*lines, b"__Host-device=y") == {DEVICE: b"y"}


@pytest.mark.parametrize(
    "pair",
    [
        b"__Host-session",
        b"=__Host-session=evil",
        b"__Host-session=",
        b"__Host-session=  ",
        b'__Host-session="quoted"',
        b'__Host-session="a\\073b"',
        b"__Host-session=a b",
        b"__Host-session=a=",
        b"__Host-session==a",
        b"__Host-session=%%%garbage",
        b"__Host-session=a,b",
        b"__Host-session=\xc3\xa9",
        b"__Host-session=a\x00",
        b"__host-session=x",
        b"__HOST-SESSION=x",
        b"__Host-Session=x",
        b"$Version=1,__Host-session=x",
    ],
)
def test_a_malformed_cookie_counts_as_not_sent(pair: bytes) -> None:
    """A value outside our alphabet, quoted, empty, or a name in another spelling is not our cookie."""
    assert cookies(pair) == {}
    assert cookies(pair + b"; __Host-device=y") == {DEVICE: b"y"}


def test_a_cookie_bomb_hides_all_our_cookies() -> None:
    """Over 16 KiB or 256 pairs nothing is believed, in one header or several."""
    ours = b"__Host-session=x"

    assert cookies(ours + b"; a=1" * (MAX_PAIRS - 1)) == {SESSION: b"x"}
    assert cookies(ours + b"; a=1" * MAX_PAIRS) == {}
    assert cookies(ours, *[b"a=1"] * (MAX_PAIRS - 1)) == {SESSION: b"x"}
    assert cookies(ours, *[b"a=1"] * MAX_PAIRS) == {}
    padding = MAX_HEADER_BYTES - len(ours) - len(b"; a=")
    assert cookies(ours + b"; a=" + b"b" * padding) == {SESSION: b"x"}
    assert cookies(ours + b"; a=" + b"b" * (padding + 1)) == {}
    assert cookies(ours, b"a=" + b"b" * (padding + 1)) == {}


def naive_cookies(lines: list[bytes], names: frozenset[bytes]) -> dict[bytes, bytes]:
    """The rules as prose would put them, byte by byte; the oracle."""
    raw = b"; ".join(lines)
    segments = raw.split(b";")
    if len(raw) > MAX_HEADER_BYTES or len(segments) > MAX_PAIRS:
        return {}
    seen: dict[bytes, list[bytes]] = {}
    for segment in segments:
        if b"=" not in segment:
            continue
        name, value = segment.split(b"=", 1)
        while name[:1] in (b" ", b"\t"):
            name = name[1:]
        while name[-1:] in (b" ", b"\t"):
            name = name[:-1]
        while value[:1] in (b" ", b"\t"):
            value = value[1:]
        while value[-1:] in (b" ", b"\t"):
            value = value[:-1]
        seen.setdefault(name, []).append(value)
    ours = {}
    for name in names:
        values = seen.get(name, [])
        if (
            len(values) == 1
            and values[0]
            and all(chr(b).isascii() and (chr(b).isalnum() or b in b"-_.") for b in values[0])
        ):
            ours[name] = values[0]
    return ours


pieces = st.sampled_from(
    [
        b"__Host-session",
        b"__Host-device",
        b"__Host-",
        b"=",
        b";",
        b"; ",
        b" ",
        b"\t",
        b"a",
        b"x.y",
        b'"',
        b"\xa0",
        b"\x00",
    ]
)
lines_of_pieces = st.lists(st.lists(pieces, max_size=14).map(b"".join), max_size=3)


@given(lines_of_pieces)
@example([b"__Host-session=good; \xa0__Host-session=evil"])
@example([b" __Host-session=a"])
@example([b"; __Host-session=a"])
@example([b"__Host-session=a;__Host-device=b"])
def test_the_fast_and_the_careful_parser_agree_with_a_naive_one(lines: list[bytes]) -> None:
    """Three parsers written apart give one answer for any mixture of the bytes that matter."""
    headers = [(b"cookie", line) for line in lines]

    expected = naive_cookies(lines, NAMES)

    assert named_cookies(headers, NAMES) == expected
    assert careful_cookies(headers, NAMES) == expected


@given(st.lists(st.binary(max_size=40), max_size=3), st.frozensets(st.sampled_from([b"a", b"aa", b"ab", b"b"])))
def test_any_bytes_and_short_names_agree_with_the_naive_parser(lines: list[bytes], names: frozenset[bytes]) -> None:
    """Names that are parts of each other do not confuse the substring search."""
    assert named_cookies([(b"cookie", line) for line in lines], names) == naive_cookies(lines, names)


@given(st.lists(st.sampled_from([b"a", b"aa", b"=", b";", b"; ", b" "]), max_size=16).map(b"".join))
def test_overlapping_names_agree_with_the_naive_parser(line: bytes) -> None:
    """A name that overlaps itself is not found where it is not."""
    names = frozenset({b"a", b"aa"})

    assert named_cookies([(b"cookie", line)], names) == naive_cookies([line], names)


def test_a_session_cookie_line_carries_every_host_prefix_attribute() -> None:
    """Without a lifetime it ends with the browser; Secure, Path=/, HttpOnly and SameSite=Lax are always there."""
    assert set_cookie("__Host-run", "1", max_age_seconds=None) == "__Host-run=1; Path=/; Secure; SameSite=Lax; HttpOnly"


def test_a_lasting_cookie_line_says_how_long() -> None:
    """Max-Age in seconds, and Partitioned and a script-readable cookie on request."""
    line = set_cookie("__Host-choices", "a.b", max_age_seconds=60, http_only=False, partitioned=True)

    assert line == "__Host-choices=a.b; Path=/; Secure; SameSite=Lax; Max-Age=60; Partitioned"


@pytest.mark.parametrize(
    ("name", "value", "max_age_seconds"),
    [
        ("session", "x", None),
        ("__Host-", "x", None),
        ("__Secure-session", "x", None),
        ("__Host-a b", "x", None),
        ("__Host-a\r\nSet-Cookie: b", "x", None),
        ("__Host-a\n", "x", None),
        ("__Host-é", "x", None),
        ("__Host-a", "", None),
        ("__Host-a", "x; Domain=evil.example", None),
        ("__Host-a", "x\r\n", None),
        ("__Host-a", "x\n", None),
        ("__Host-a", '"x"', None),
        ("__Host-a", "x" * (4096 - 7), None),
        ("__Host-a", "x", 0),
        ("__Host-a", "x", -1),
        ("__Host-a", "x", MAX_AGE_SECONDS + 1),
    ],
)
def test_a_cookie_browsers_would_drop_is_refused(name: str, value: str, max_age_seconds: int | None) -> None:
    """What a browser would silently drop, cut or split is an error here."""
    with pytest.raises(ValueError):
        set_cookie(name, value, max_age_seconds=max_age_seconds)


def test_the_largest_cookie_is_still_made() -> None:
    """Exactly 4096 bytes of name and value, for exactly 400 days."""
    assert "Max-Age=34560000" in set_cookie("__Host-a", "x" * (4096 - 8), max_age_seconds=MAX_AGE_SECONDS)


def test_clearing_repeats_the_attributes_the_cookie_was_set_with() -> None:
    """A deletion without Secure and Path=/ would be ignored by browsers."""
    morsel = SimpleCookie(clear_cookie("__Host-session"))["__Host-session"]

    assert (morsel.value, morsel["path"], morsel["max-age"]) == ("", "/", "0")
    assert morsel["secure"]
    assert morsel["httponly"]
    assert clear_cookie("__Host-session", partitioned=True).endswith("; Partitioned")
    with pytest.raises(ValueError):
        clear_cookie("session")


@given(st.text("abcXYZ019-_.", min_size=1, max_size=50))
def test_what_is_set_is_found_again(value: str) -> None:
    """A value given to `set_cookie` comes back from the header a browser makes of it."""
    line = set_cookie("__Host-session", value, max_age_seconds=60)

    assert cookies(line.partition(";")[0].encode()) == {SESSION: value.encode()}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((b"sid=s%3Aabc.d+/=",), b"s%3Aabc.d+/="),
        ((b'a=1; sid="x,y"',), b'"x,y"'),
        ((b"a=1", b"sid= x "), b"x"),
        ((b"sid=a=b",), b"a=b"),
        ((), None),
        ((b"sid=",), None),
        ((b"sid",), None),
        ((b"sid=x; sid=x",), None),
        ((b"sid=x", b"sid=y"), None),
        ((b"sid=two words",), None),
        ((b"sid=\xe9",), None),
        ((b"sid=\x00",), None),
        ((b"\xa0sid=x",), None),
        ((b"sid=" + b"x" * MAX_HEADER_BYTES,), None),
    ],
)
def test_a_cookie_of_another_system_is_taken_byte_for_byte_or_not_at_all(
    lines: tuple[bytes, ...], expected: bytes | None
) -> None:
    """Its quotes and escapes are not ours to read; what could be two cookies, or a smuggled header, is none."""
    assert foreign_cookie([(b"cookie", line) for line in lines], b"sid") == expected

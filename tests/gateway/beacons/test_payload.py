"""The raw payload of a hit: read back as written, and only what may be written down."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.beacons.payload import BATCH, FORMAT, RawHit, decode, encode, kept_cookies, kept_headers
from latchstring_gateway.wire import Head


@given(st.binary(), st.binary(), st.lists(st.tuples(st.binary(), st.binary())))
def test_payload_comes_back_as_it_was(target: bytes, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """A struct and a tuple of its fields are the same payload, and decode gives the struct, names in lower case."""
    headers = [(name.lower(), value) for name, value in headers]
    hit = RawHit(FORMAT, BATCH, 5, "::1", b"POST", target, headers, body, len(body))

    assert decode(encode(hit)) == hit
    assert encode(msgspec.structs.astuple(hit)) == encode(hit)


@given(st.binary(max_size=100))
def test_garbage_is_a_value_error(data: bytes) -> None:
    """What is no payload is told apart by one kind of error."""
    try:
        decode(data)
    except ValueError:
        return


def test_payload_of_another_format_is_refused() -> None:
    """A payload of a later version is not guessed at."""
    with pytest.raises(ValueError, match="format 1, got 2"):
        decode(encode((2, "pixel", 5, "::1", b"GET", b"/", [], b"", 0)))


@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        (b"", b""),
        (b"__Host-session=s", b""),
        (b"a=__Host-visitor=x", b""),
        (b"__Host-visitor=x", b"__Host-visitor=x"),
        (b"a=1; \t__Host-visitor=x;__Host-choices=y", b" \t__Host-visitor=x;__Host-choices=y"),
        (b"__Host-visitor=x; __Host-visitor=y", b"__Host-visitor=x; __Host-visitor=y"),
        (b"\xa0__Host-visitor=x", b""),
        (b"__host-visitor=x", b""),
    ],
)
def test_only_our_two_analytics_cookies_are_kept(cookie: bytes, kept: bytes) -> None:
    """Exact names only; duplicates stay visible, so that the reader can refuse them."""
    assert kept_cookies(cookie) == kept


def test_names_are_kept_as_they_came_and_read_in_lower_case() -> None:
    """The hot path has no time for spelling."""
    fields = (FORMAT, BATCH, 5, "::1", b"POST", b"/b", [(b"X-Forwarded-For", b"A")], b"", 0)

    assert decode(encode(fields)).headers == [(b"x-forwarded-for", b"A")]


def test_headers_keep_their_order_and_repetition() -> None:
    """Two X-Forwarded-For lines stay two lines in their order."""
    headers = [(b"x-forwarded-for", b"a"), (b"accept", b"*/*"), (b"x-forwarded-for", b"b"), (b"cookie", b"a=b")]

    assert kept_headers(Head(b"GET", b"/b.gif", headers, "192.0.2.1")) == [
        (b"x-forwarded-for", b"a"),
        (b"x-forwarded-for", b"b"),
    ]

"""JA4 is believed from trusted peers, in the one header that was named, and only if it can be one."""

import pytest

from latchstring_gateway.fingerprint.ja4 import ja4_of, ja4_told
from latchstring_middleware.forwarded import TrustedProxies

_JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"
_TRUSTED = TrustedProxies.parse("127.0.0.1")
_HEADERS = [(b"x-ja4", _JA4.encode())]


@pytest.mark.parametrize("text", [_JA4, "q13d0312h3_55b375c5d22e_06cda9e17597", "t12i010000_000000000000_000000000000"])
def test_what_is_ja4_is_taken(text: str) -> None:
    """Of TCP and QUIC, with a server's name and without."""
    assert ja4_of(text) == text


@pytest.mark.parametrize(
    "text", ["", "x", _JA4.upper(), _JA4 + "\n", _JA4[:-1], _JA4 + "0", f"{_JA4}, {_JA4}", "771,4865-4866,0-23,29,0"]
)
def test_what_is_none_says_nothing(text: str) -> None:
    """Also JA3, which Chrome shuffles."""
    assert ja4_of(text) == ""


def test_a_stranger_tells_nothing() -> None:
    """Nor does anybody while no header is named, in another header, or twice."""
    assert ja4_told("127.0.0.1", _HEADERS, _TRUSTED, header="x-ja4") == _JA4
    assert ja4_told("203.0.113.9", _HEADERS, _TRUSTED, header="x-ja4") == ""
    assert ja4_told("127.0.0.1", _HEADERS, _TRUSTED, header="") == ""
    assert ja4_told("127.0.0.1", _HEADERS, _TRUSTED, header="x-other") == ""
    assert ja4_told("127.0.0.1", _HEADERS * 2, _TRUSTED, header="x-ja4") == ""
    assert ja4_told("127.0.0.1", [(b"x-ja4", b"\xff")], _TRUSTED, header="x-ja4") == ""

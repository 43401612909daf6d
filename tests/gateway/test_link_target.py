"""Where a link leads: one reading, and none for what two readers may read differently."""

import pytest

from latchstring_gateway.link_target import origin_of


@pytest.mark.parametrize(
    ("target", "origin"),
    [
        ("https://www.example.com", "https://www.example.com"),
        ("https://WWW.Example.com/A?b#c", "https://www.example.com"),
        ("http://m.example:8080?x", "http://m.example:8080"),
        ("https://www.example.com/?next=https://evil.example/", "https://www.example.com"),
    ],
)
def test_origin_is_scheme_host_and_port(target: str, origin: str) -> None:
    """The host in lower case, whatever follows."""
    assert origin_of(target) == origin


@pytest.mark.parametrize(
    "target",
    [
        "",
        "//www.example.com/",
        "https:/www.example.com",
        "https:///www.example.com/",
        "HTTPS://www.example.com/",
        "https://user@www.example.com/",
        "https://www.example.com@evil.example/",
        "https://www.example.com\\@evil.example/",
        "https://www.example.com/\\evil.example",
        "https://www.example.com:443443/",
        "https://www.example.com:/",
        "https://[::1]/",
        "https://www.example.com\uff0fevil.example/",
        "https://www.example.com/ x",
        "https://www.example.com/\n",
        "https://www.example.com\n",
        "javascript://www.example.com/%0aalert(1)",
    ],
)
def test_what_may_be_read_in_two_ways_has_none(target: str) -> None:
    """Users, backslashes, odd schemes, white space, and characters that some take for a slash."""
    assert origin_of(target) is None

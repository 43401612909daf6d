"""The parser that hands over no lines: what it calls plain is one GET and nothing else."""

import pytest

from latchstring_gateway.server.scout import Scout
from latchstring_gateway.wire import Head, HotRoute, Reply


def take(_head: Head) -> Reply:
    """A handler."""
    return Reply(204)


ROUTES = {b"/a": HotRoute(take), b"/body": HotRoute(take, max_body_bytes=1)}
PLAIN = b"GET /a?b HTTP/1.1\r\nHost: a\r\nX-Y:z\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (PLAIN, True),
        (b"GET /a HTTP/1.1\r\n\r\n", True),
        (b"GET /a HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", True),
        # Another one behind it, the connection's end, another protocol or version.
        (PLAIN + PLAIN, False),
        (b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nProxy-Connection: close\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", False),
        (b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET /a HTTP/1.0\r\n\r\n", False),
        # Bodies, whole or still to come.
        (b"GET /a HTTP/1.1\r\nContent-Length: 5\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nContent-Length: 5\r\n\r\na\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nCookie: a\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", False),
        # Spellings that the parser tolerates, and what it does not.
        (b"GET  /a HTTP/1.1\r\n\r\n", False),
        (b"GET /a  HTTP/1.1\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\na: b\r\n c\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\na: b\nc: d\r\n\r\n", False),
        (b"GET /a#b HTTP/1.1\r\n\r\n", False),
        # Of no hot route, or of one that takes a body.
        (b"GET /other HTTP/1.1\r\n\r\n", False),
        (b"GET /body HTTP/1.1\r\n\r\n", False),
        (b"GARBAGE\r\n\r\n", False),
    ],
)
def test_only_one_whole_get_is_plain(data: bytes, *, plain: bool) -> None:
    """Whatever came before, and whatever comes after."""
    scout = Scout(ROUTES)
    expected = take if plain else None

    assert scout.handler_of(data) is expected
    assert scout.handler_of(PLAIN) is take
    assert scout.target == b"/a?b"
    assert scout.handler_of(data) is expected

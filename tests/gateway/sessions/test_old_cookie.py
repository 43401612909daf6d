"""Who is sent over the bridge, and who is left alone."""

import pytest

from latchstring_gateway.sessions.old_cookie import OldCookie, mark
from latchstring_gateway.sessions.visit import read
from latchstring_gateway.wire import Head, Reply

_NAVIGATION = [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]


def _redirect(*cookies: bytes, method: bytes = b"GET", open_to_all: bool = False) -> Reply | None:
    head = Head(method, b"/watch", [*_NAVIGATION, *((b"cookie", line) for line in cookies)], "", b"")
    visited = read(head, None, arrived_ns=0)
    return OldCookie(b"sid").redirect(head, visited, "v1.k.p.s", open_to_all=open_to_all)


@pytest.mark.parametrize("line", [b"sid=x", b"a=1; sid=s%3Ax.y==; b=2", b'sid="quoted"'])
def test_a_page_with_the_old_cookie_alone_leads_over_the_bridge(line: bytes) -> None:
    """With its sealed target, into no cache, and without a cookie."""
    reply = _redirect(line)

    assert reply is not None
    assert reply.status == 303
    assert reply.headers[:2] == ((b"location", b"/latch/bridge?to=v1.k.p.s"), (b"cache-control", b"no-store"))
    assert b"set-cookie" not in dict(reply.headers)
    everybody = _redirect(line, open_to_all=True)
    assert everybody is not None
    assert everybody.headers[0][1].endswith(b"&open=1")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"sid=",),
        (b"sid=x; sid=y",),
        (b"xsid=x",),
        (b"sid=x; __Host-session=v1.a.b.c",),
        (b"sid=x; " + mark(600).partition(";")[0].encode(),),
    ],
)
def test_everybody_else_is_left_alone(lines: tuple[bytes, ...]) -> None:
    """No old cookie, an ambiguous one, a cookie of ours, or the mark of one who was refused."""
    assert _redirect(*lines) is None


def test_a_form_does_not_lead_over_the_bridge() -> None:
    """Its body would be lost."""
    assert _redirect(b"sid=x", method=b"POST") is None

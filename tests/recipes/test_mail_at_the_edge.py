"""Links, pixels, the page script and verdicts through each proxy, as browsers and mail programs meet them."""

import pytest

from harness.edge_browser import raw, request
from harness.edge_gateway import EdgeGateway
from harness.proxies import Proxy

pytestmark = pytest.mark.edge

_ORIGIN = "https://localhost:8443"


def _made(gateway: EdgeGateway) -> tuple[str, str]:
    """The paths of a link and of its mail's pixel."""
    asked = {"campaign": "autumn", "targets": [f"{_ORIGIN}/sale?a=b"]}
    (mail,) = gateway.client.post("/v1/links", json=asked).json()["mails"]
    return mail["links"][0].removeprefix(_ORIGIN), mail["pixel"].removeprefix(_ORIGIN)


def test_a_link_leads_on_and_a_pixel_is_a_picture(edge: Proxy, gateway: EdgeGateway) -> None:
    """To strangers, without asking whether they are signed in; and the proxy changes nothing of it."""
    link, pixel = _made(gateway)

    followed, fetched, head = (
        request(edge, link.encode()),
        request(edge, pixel.encode()),
        raw(edge, b"HEAD %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close" % (link.encode(), edge.port)),
    )

    assert (followed.status, followed.one("location")) == (302, f"{_ORIGIN}/sale?a=b")
    assert (fetched.status, fetched.one("content-type"), len(fetched.body)) == (200, "image/gif", 43)
    assert (head.status, head.body) == (302, b"")
    for answer in (followed, fetched):
        assert answer.one("cache-control") == "no-store"


def test_a_link_that_was_altered_is_a_page_in_words(edge: Proxy, gateway: EdgeGateway) -> None:
    """400 through the proxy too, and no Location."""
    link, _ = _made(gateway)

    answer = request(edge, link[:-1].encode())

    assert (answer.status, answer.all("location")) == (400, [])
    assert b"perhaps it was cut" in answer.body


def test_the_script_and_verdicts_pass(edge: Proxy) -> None:
    """The script with its caching; `Prefer` on its way in, what was applied on its way out."""
    script = request(edge, b"/latch/page.js")
    body = b'[{"page":"/a"},{"page":"nowhere"}]'
    told = raw(
        edge,
        b"POST /b HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\nPrefer: verdict\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (edge.port, len(body), body),
    )

    assert (script.status, script.one("cache-control")) == (200, "public, max-age=3600")
    assert (told.status, told.one("preference-applied")) == (200, "verdict")
    assert told.json() == {"events": [{"verdict": "good"}, {"verdict": "bad", "code": "bad_page"}]}

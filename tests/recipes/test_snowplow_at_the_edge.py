"""The proxy snippets of docs/snowplow.md: trackers reach the collector, and nothing is injected on the way."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from harness.edge_browser import Answer, raw, request
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.proxies import STARTERS, Certificate, Proxy

pytestmark = pytest.mark.edge

_BLOCKS: Final[list[str]] = re.findall(
    r"^```\w*\n(.*?)^```$", (Path(__file__).parents[2] / "docs" / "snowplow.md").read_text(), re.M | re.S
)
#: Before which line of the recipe the snippet stands.
_PLACES: Final = {
    "nginx": "    # --- Routes of the website.",
    "caddy": "\t\t# The gateway's own pages and public keys.",
}
TP2: Final = b"/com.snowplowanalytics.snowplow/tp2"
ORIGIN: Final = b"Origin: https://shop.example"
EVENT: Final = {"e": "pv", "url": "https://www.example.com/", "p": "web", "tv": "x"}
PAYLOAD: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


def _snippet(name: str) -> str:
    begins = {"nginx": "location ~", "caddy": "@trackers"}[name]
    (found,) = [block for block in _BLOCKS if block.startswith(begins)]
    return found


@pytest.fixture(scope="module", params=sorted(STARTERS))
def trackers_edge(
    request: pytest.FixtureRequest, certificate: Certificate, gateway: EdgeGateway, website: EchoWebsite
) -> Iterator[Proxy]:
    """The recipe with the document's snippet."""
    name = request.param
    changes = [(_PLACES[name], _snippet(name) + "\n" + _PLACES[name])]
    if name == "nginx":
        changes.append(("large_client_header_buffers 4 16k", "large_client_header_buffers 4 32k"))
    running = STARTERS[name](certificate, gateway.address, website.address, *changes)
    yield running
    running.close()


def _post(proxy: Proxy, body: bytes, *headers: bytes, target: bytes = TP2) -> Answer:
    lines = [
        b"POST %s HTTP/1.1" % target,
        b"Host: localhost:%d" % proxy.port,
        b"Connection: close",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return raw(proxy, b"\r\n".join(lines) + b"\r\n\r\n" + body)


def _body(events: int = 1) -> bytes:
    return json.dumps({"schema": PAYLOAD, "data": [EVENT] * events}).encode()


def test_events_pixels_and_preflights_pass(trackers_edge: Proxy) -> None:
    """With the headers that a browser on another origin needs, and the cookie."""
    posted = _post(trackers_edge, _body(), ORIGIN, b"Content-Type: application/json; charset=UTF-8")
    pixel = request(trackers_edge, b"/i?e=pv&p=web&url=https%3A%2F%2Fwww.example.com%2F", ORIGIN)

    assert (posted.status, posted.body) == (200, b"ok")
    assert (pixel.status, len(pixel.body)) == (200, 43)
    for answer in (posted, pixel):
        assert answer.one("access-control-allow-origin") == "https://shop.example"
        assert answer.one("access-control-allow-credentials") == "true"
        assert answer.one("set-cookie").startswith("sp=")
        assert "no-store" in answer.one("cache-control")
    preflight = raw(
        trackers_edge,
        b"OPTIONS %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n%s" % (TP2, trackers_edge.port, ORIGIN),
    )
    assert (preflight.status, preflight.one("access-control-allow-headers")) == (200, "Content-Type, SP-Anonymous")


@pytest.mark.parametrize(
    "send",
    [
        lambda edge: _post(edge, b"foo"),
        lambda edge: _post(edge, b""),
        lambda edge: _post(edge, b"x" * 3_000_000),
        lambda edge: _post(edge, _body(2_000), b"Content-Encoding: gzip"),
        lambda edge: _post(edge, b"a=b", b"Content-Type: application/x-www-form-urlencoded"),
        lambda edge: _post(edge, b"\xff\xfe", b"Content-Type: application/json; charset=utf-16"),
        lambda edge: request(edge, b"/i?" + b"x" * 20_000),
        lambda edge: request(edge, b"/ice.png"),
        lambda edge: request(edge, TP2),
        lambda edge: _post(edge, b"{}", target=b"/com.snowplowanalytics.iglu/v1"),
    ],
)
def test_no_tracker_hears_404_405_413_or_414(trackers_edge: Proxy, send: Callable[[Proxy], Answer]) -> None:
    """It would send the same again for ever; what is wrong with it is found out later."""
    assert send(trackers_edge).status == 200


@pytest.mark.parametrize(
    "header",
    [
        b"Origin: https://a.example\tx",
        b"Origin: https://a.example; Domain=evil.example",
        b"Origin: https://a.example%0d%0aSet-Cookie: evil=1",
        b"Origin: <script>",
        b"Cookie: sp=evil%0d%0aSet-Cookie:evil=1",
        b"Cookie: sp=3f2c6d0e-8a51-4c0b-9d7e-0c5a1e2b4f60; Domain=evil.example",
        b"Host-Evil: x",
    ],
)
def test_nothing_a_client_says_is_repeated_as_a_header(trackers_edge: Proxy, header: bytes) -> None:
    """Origin and cookie come back only if they are well formed; ours then."""
    answer = request(trackers_edge, b"/i?e=pv&nuid=evil", header)

    assert answer.status == 200
    assert "evil" not in repr([(name, value) for name, value in answer.headers if name != "location"])
    assert answer.one("access-control-allow-origin") in ("*",)
    assert len(answer.all("set-cookie")) == 1


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"https%3A%2F%2Flocalhost%3A8443%2Fsale%3Fa%3Db", "https://localhost:8443/sale?a=b"),
        (b"https%3A%2F%2Flocalhost%3A8443%2F%0d%0aSet-Cookie:%20evil=1", ""),
        (b"https%3A%2F%2Fevil.example%2F", ""),
        (b"https%3A%2F%2Flocalhost%3A8443%40evil.example%2F", ""),
        (b"//evil.example/", ""),
        (b"", ""),
    ],
)
def test_redirect_leads_to_the_website_only(trackers_edge: Proxy, target: bytes, location: str) -> None:
    """302 there, 400 without a Location anywhere else."""
    answer = request(trackers_edge, b"/r/tp2?u=" + target)

    assert (answer.status, answer.one("location")) == (302 if location else 400, location)
    assert "evil" not in repr(answer.headers)


def test_only_the_trackers_paths_pass(trackers_edge: Proxy) -> None:
    """Neither the API nor the checks nor Micro are reachable by it; other paths are the website's."""
    for target in (b"/v1/sessions", b"/verify", b"/micro/all", b"/sink-health", b"/metrics", b"/com.acme/x"):
        answer = request(trackers_edge, target)
        assert answer.status in (401, 303, 404), target

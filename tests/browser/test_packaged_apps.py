"""Pages of packaged apps in Chromium: a file, and a frame without an origin, may send with credentials and count."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from harness.tracked import Tracked, tracked
from latchstring_gateway.beacons.script import page_script

pytestmark = pytest.mark.browser

_APP = "usr/palm/applications/com.acme.tv"
_VIEW = "e=pv&url=https%3A%2F%2Fa.example%2F"
#: Each of what a page may fetch: whether a browser lets it read the answer, with credentials.
_FETCHES = """
Promise.all([
    ["POST", "/b", '{"page":"/by-fetch"}', "text/plain"],
    ["POST", "/b", '{"page":"/by-json"}', "application/json"],
    ["GET", "/b.gif?p=/by-pixel"],
    ["GET", "/i?%s"],
    ["GET", "/com.snowplowanalytics.snowplow/tp2?%s"],
    ["POST", "/com.snowplowanalytics.snowplow/tp2", SNOWPLOW, "application/json"],
].map(async ([method, path, body, type]) => {
    const headers = type ? {"content-type": type} : {};
    const answer = await fetch(EDGE + path, {method, body, headers, credentials: "include"}).catch(() => null);
    return `${method} ${path.split("?")[0]} ${answer?.status}`;
})).then((said) => (document.title = JSON.stringify(said)))
""" % (_VIEW, _VIEW)  # noqa: UP031 - braces are JavaScript's
_EXPECTED = [
    "POST /b 204",
    "POST /b 204",
    "GET /b.gif 200",
    "GET /i 200",
    "GET /com.snowplowanalytics.snowplow/tp2 200",
    "POST /com.snowplowanalytics.snowplow/tp2 200",
]


@pytest.fixture(scope="module")
def edge() -> Iterator[Tracked]:
    """A running gateway."""
    with tracked() as running:
        yield running


def _script(edge: Tracked) -> str:
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    body = json.dumps({"schema": schema, "data": [{"e": "pv", "url": "https://a.example/"}]})
    return _FETCHES.replace("EDGE", json.dumps(edge.url)).replace("SNOWPLOW", json.dumps(body))


def _page(directory: Path, html: str) -> str:
    folder = directory / _APP
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(f"<!doctype html><meta charset=utf-8>{html}")
    return (folder / "index.html").as_uri()


def _said(page: Page) -> Any:
    page.wait_for_function("document.title.startsWith('[')")
    return json.loads(page.title())


def test_a_page_in_a_file_may_send_with_credentials(browser: Browser, edge: Tracked, tmp_path: Path) -> None:
    """A browser refuses "*" there: `fetch` failed in every packaged app, though the hit was kept."""
    page = browser.new_page()
    page.goto(_page(tmp_path, f"<script>{_script(edge)}</script>"))

    assert _said(page) == _EXPECTED


def test_a_sandboxed_frame_may_send_with_credentials(browser: Browser, edge: Tracked, tmp_path: Path) -> None:
    """Its origin is `null` as well."""
    inner = f"<script>{_script(edge)}; setInterval(() => parent.postMessage(document.title, '*'), 50)</script>"
    outer = "<script>onmessage = (event) => (document.title = event.data)</script>"
    frame = f'<iframe sandbox="allow-scripts" srcdoc="{inner.replace(chr(34), "&quot;")}"></iframe>'
    page = browser.new_page()
    page.goto(_page(tmp_path, outer + frame))

    assert _said(page) == _EXPECTED


@pytest.mark.parametrize("carried", [False, True], ids=["from the edge", "in the package"])
def test_our_script_counts_views_of_a_packaged_app(browser: Browser, tmp_path: Path, carried: bool) -> None:
    """It said `null/usr/…`, which was `bad_page`; carried in the package it asked the package for `/b`."""
    with tracked() as edge:
        source = "page.js" if carried else f"{edge.url}/latch/page.js"
        tag = f'<script src="{source}" data-edge="{edge.url}" defer></script>'
        address = _page(tmp_path, f"{tag}<audio></audio><button data-conversion=trial>Try</button>")
        (tmp_path / _APP / "page.js").write_bytes(page_script().content)
        page = browser.new_page()

        with page.expect_response(lambda answer: answer.url.endswith("/b")) as answered:
            page.goto(address + "?utm_campaign=autumn#/home")
        page.click("button")
        page.wait_for_timeout(300)
        edge.ship()

        assert answered.value.status == 204
        (path,) = {row["page"] for row in edge.rows()}
        assert path.endswith(f"/{_APP}/index.html")
        assert [(row["type"], row["scheme"], row["host"], row["app"]) for row in edge.rows()] == [
            ("view", "file", None, "com.acme.tv"),
            ("conversion", "file", None, "com.acme.tv"),
        ]
        assert {row["campaign"] for row in edge.rows()} == {"autumn"}
        assert edge.letters() == []

"""Style sheet and pictures at addresses that change with the content."""

import re

import httpx
import pytest
from starlette.applications import Starlette

from latchstring_gateway.pages.static import static_routes, static_url


@pytest.fixture
def client() -> httpx.AsyncClient:
    """An app that serves nothing but the files."""
    app = Starlette(routes=static_routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge")


async def test_a_file_may_be_kept_for_a_year(client: httpx.AsyncClient) -> None:
    """The address carries the content's hash, so the answer is immutable."""
    address = static_url("style.css")

    answer = await client.get(address)

    assert re.fullmatch(r"/latch/static/style\.[0-9a-f]{12}\.css", address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_another_hash_is_not_found_and_not_kept(client: httpx.AsyncClient) -> None:
    """A page of another version never gets the wrong sheet."""
    answer = await client.get("/latch/static/style.000000000000.css")

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["style.css", "..%2frender.py", "%2e%2e/render.py", "", "a/b"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    """Only the listed files exist, whatever a path says."""
    assert (await client.get(f"/latch/static/{name}")).status_code == 404


async def test_the_sheet_asks_no_other_host(client: httpx.AsyncClient) -> None:
    """No url() and no @import: fonts are the system's and pictures are inline."""
    sheet = (await client.get(static_url("style.css"))).text

    assert "url(" not in sheet
    assert "@import" not in sheet
    for wanted in ("prefers-color-scheme: dark", "prefers-reduced-motion: reduce", ":focus-visible"):
        assert wanted in sheet

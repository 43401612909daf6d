"""The page script as it is served: small, at an address that carries its hash, with the integrity that pages name."""

import base64
import gzip
import hashlib
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from latchstring_gateway.beacons import script

#: What the script may weigh when it reaches a browser.
MAX_BYTES = 2_048
_SOURCE = Path(script.__file__).parent / "static" / "page.js"


@pytest.fixture
def client() -> httpx.AsyncClient:
    """An app that serves nothing but the script."""
    app = Starlette(routes=script.routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge")


def test_the_script_is_at_most_two_kibibytes_compressed() -> None:
    """By gzip itself, and as we send it."""
    packed = subprocess.run(["gzip", "-9", "-c", _SOURCE], check=True, capture_output=True).stdout

    assert len(packed) <= MAX_BYTES
    assert len(script.compressed()) <= MAX_BYTES


async def test_its_address_may_be_kept_for_ever_and_says_what_it_is(client: httpx.AsyncClient) -> None:
    """What comes is what was written, and what `integrity` promises, for pages of any host."""
    answer = await client.get(script.script_path())

    digest = base64.b64encode(hashlib.sha384(answer.content).digest()).decode()
    assert answer.content == _SOURCE.read_bytes()
    assert script.integrity() == f"sha384-{digest}"
    assert re.fullmatch(r"/latch/page\.[0-9a-f]{12}\.js", script.script_path())
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_client_that_cannot_unpack_gets_it_plain(client: httpx.AsyncClient) -> None:
    """And no cache mixes the two up."""
    answer = await client.get(script.script_path(), headers={"accept-encoding": "identity"})

    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "accept-encoding"
    assert gzip.decompress(script.compressed()) == answer.content


async def test_the_stable_name_is_asked_for_again_within_the_hour(client: httpx.AsyncClient) -> None:
    """And costs no body if nothing has changed."""
    first = await client.get(script.STABLE_PATH)
    again = await client.get(script.STABLE_PATH, headers={"if-none-match": first.headers["etag"]})
    other = await client.get(script.STABLE_PATH, headers={"if-none-match": '"page.000000000000.js"'})

    assert first.headers["cache-control"] == "public, max-age=3600"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (other.status_code, other.content) == (200, first.content)


async def test_the_script_of_another_version_is_not_there(client: httpx.AsyncClient) -> None:
    """A page that names an old hash never gets other code."""
    assert (await client.get("/latch/page.000000000000.js")).status_code == 404


def test_tags_escape_what_they_are_given() -> None:
    """The id of a site and an origin cannot leave their attributes."""
    hostile = '"><script>alert(1)</script>'

    assert script.script_tag(app=hostile, origin=hostile).count("<") == 2
    assert script.noscript_tag(app=hostile, origin=hostile).count("<") == 3


def test_the_script_leaves_nothing_in_the_browser() -> None:
    """No cookie, no storage, and nothing that a strict policy would refuse."""
    source = _SOURCE.read_text()

    for word in ("cookie =", "Storage", "indexedDB", "eval(", "innerHTML", "document.write", "caches"):
        assert word not in source

"""The script that pages of a website include to tell the edge what happens on them (static/page.js, docs/beacons.md).

It is served as it was written: under a name that carries its hash, which may be kept for ever, and under a name that
always means the present version, which is asked for again within the hour.
"""

import gzip
import hashlib
from base64 import b64encode
from functools import cache
from html import escape
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..pages.static import KEPT_FOR_EVER, StaticFile, static_files
from .hit import PATH as PIXEL_PATH

#: The name that always means the present version.
STABLE_PATH: Final = "/latch/page.js"
_KEPT_FOR_AN_HOUR: Final = "public, max-age=3600"

_HEADERS: Final = {
    # Pages of other hosts include it too, and with `integrity` a browser wants to be allowed to read it.
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}


@cache
def page_script() -> StaticFile:
    """The script as it is served."""
    return static_files(__package__)["page.js"]


@cache
def compressed() -> bytes:
    """The script as nearly every browser gets it; the same bytes whenever it is made."""
    return gzip.compress(page_script().content, 9, mtime=0)


def script_path() -> str:
    """The path that belongs to this very content."""
    return f"/latch/{page_script().name}"


def integrity() -> str:
    """What a page writes into `integrity` beside `script_path` (W3C, Subresource Integrity)."""
    return "sha384-" + b64encode(hashlib.sha384(page_script().content).digest()).decode()


def script_tag(*, app: str = "", origin: str = "") -> str:
    """The HTML for the head of a page.

    `app` is what the events say in that field. `origin` is the edge's ("https://edge.example"), where that is not the
    page's own.
    """
    named = f' data-app="{escape(app)}"' if app else ""
    source = f'src="{escape(origin)}{script_path()}" integrity="{integrity()}"'
    return f'<script {source} crossorigin="anonymous" defer{named}></script>'


def noscript_tag(*, app: str = "", origin: str = "") -> str:
    """The HTML for the body of the same page: a pixel for browsers without JavaScript. Its Referer is the page."""
    named = f"&amp;app={quote(app)}" if app else ""
    source = f"{escape(origin)}{PIXEL_PATH.decode()}?e=view&amp;platform=web{named}"
    return f'<noscript><img src="{source}" width="1" height="1" alt=""></noscript>'


def routes() -> list[Route]:
    """The two names."""
    tag = f'"{page_script().name}"'

    def answer(request: Request, cache_control: str) -> Response:
        headers = {**_HEADERS, "cache-control": cache_control, "etag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = page_script().content
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            content = compressed()
        return Response(content, media_type=page_script().media_type, headers=headers)

    async def kept(request: Request) -> Response:
        return answer(request, KEPT_FOR_EVER)

    async def stable(request: Request) -> Response:
        return answer(request, _KEPT_FOR_AN_HOUR)

    return [Route(script_path(), kept), Route(STABLE_PATH, stable)]

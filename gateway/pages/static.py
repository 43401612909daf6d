"""The style sheet and pictures of our pages, at addresses that carry a hash of the content, so caches may keep them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

STATIC_PREFIX: Final = "/latch/static"
#: The Cache-Control of what has its hash in its address.
KEPT_FOR_EVER: Final = "public, max-age=31536000, immutable"

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_HASH_CHARS: Final = 12
#: A picture that somebody opens by itself is a document: it may do nothing then either.
_PICTURE_POLICY: Final = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is served: `name` carries the hash ("style.3f2a….css")."""

    name: str
    media_type: str
    content: bytes


def static_files(package: str) -> dict[str, StaticFile]:
    """The files in the folder `static` of a package, by their plain name ("style.css")."""
    found: dict[str, StaticFile] = {}
    for entry in files(package).joinpath("static").iterdir():
        if entry.name[entry.name.rfind(".") :] in _MEDIA_TYPES:
            found[entry.name] = hashed(entry.name, entry.read_bytes())
    return found


def hashed(name: str, content: bytes) -> StaticFile:
    """A file to be served; `name` ("logo.png") has one of the endings that we serve."""
    stem, dot, ending = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARS]
    return StaticFile(f"{stem}.{digest}.{ending}", _MEDIA_TYPES[dot + ending], content)


@cache
def _own_files() -> dict[str, StaticFile]:
    return static_files(__package__)


def static_url(name: str) -> str:
    """Where a page finds the file `name`; KeyError if there is no such file."""
    return url_of(_own_files()[name])


def url_of(file: StaticFile) -> str:
    """Where a page finds a file."""
    return f"{STATIC_PREFIX}/{file.name}"


def static_routes(prefix: str = STATIC_PREFIX, *, further: Iterable[StaticFile] = ()) -> list[Route]:
    """The routes that serve these files and `further` ones, to be kept for a year: other content has another address.

    `prefix` is the path as the app sees it; pages always point at `STATIC_PREFIX`.
    """
    by_served_name = {file.name: file for file in (*_own_files().values(), *further)}

    async def serve(request: Request) -> Response:
        file = by_served_name.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("not found", 404, {"cache-control": "no-store"})
        return Response(
            file.content,
            media_type=file.media_type,
            headers={
                "cache-control": KEPT_FOR_EVER,
                "x-content-type-options": "nosniff",
                **(_PICTURE_POLICY if file.media_type == "image/svg+xml" else {}),
            },
        )

    return [Route(f"{prefix}/{{name}}", serve)]

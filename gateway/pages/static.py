"""The style sheet and pictures of our pages, at addresses that carry a hash of the content, so caches may keep them."""

import hashlib
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
    ".svg": "image/svg+xml",
}
_HASH_CHARS: Final = 12


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
        stem, dot, ending = entry.name.rpartition(".")
        media_type = _MEDIA_TYPES.get(dot + ending)
        if media_type is not None:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARS]
            found[entry.name] = StaticFile(f"{stem}.{digest}.{ending}", media_type, content)
    return found


@cache
def _own_files() -> dict[str, StaticFile]:
    return static_files(__package__)


def static_url(name: str) -> str:
    """Where a page finds the file `name`; KeyError if there is no such file."""
    return f"{STATIC_PREFIX}/{_own_files()[name].name}"


def static_routes(prefix: str = STATIC_PREFIX) -> list[Route]:
    """The routes that serve these files, to be kept for a year: other content has another address.

    `prefix` is the path as the app sees it; pages always point at `STATIC_PREFIX`.
    """
    by_served_name = {file.name: file for file in _own_files().values()}

    async def serve(request: Request) -> Response:
        file = by_served_name.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("not found", 404, {"cache-control": "no-store"})
        return Response(
            file.content,
            media_type=file.media_type,
            headers={"cache-control": KEPT_FOR_EVER, "x-content-type-options": "nosniff"},
        )

    return [Route(f"{prefix}/{{name}}", serve)]

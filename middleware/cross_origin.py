"""Cross-site request forgery is refused by what browsers say about a request: Sec-Fetch-Site, else Origin against Host.

No token, no cookie, no state; the rules are those of Go's `http.CrossOriginProtection`. Two differences: a request that
says nothing at all is refused unless allowed, and WebSocket handshakes count as unsafe, for they carry cookies and
browsers let any page open one.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from .problems import problem_body, problem_messages

Headers: TypeAlias = list[tuple[bytes, bytes]]

#: TRACE is safe by definition but nothing a browser may send, so it is not worth trust.
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_ORIGIN: Final = re.compile(r"https?://[a-z0-9._-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_NOTHING: Final[frozenset[bytes]] = frozenset()
_DETAIL: Final = "this request came from another website; open the page here and try again"


def refuses(
    method: str,
    headers: Headers,
    *,
    trusted_origins: Collection[bytes] = _NOTHING,
    allow_non_browser: bool = False,
) -> str | None:
    """The reason code for which a request is refused, or None if it may pass.

    `trusted_origins` are other origins that may call, such as b"https://login.example", in lower case. Codes:
    cross_origin_ambiguous (Origin, Host or Sec-Fetch-Site twice), cross_origin_site, cross_origin_mismatch, and
    cross_origin_unknown, the last if neither header is there; `allow_non_browser` lets that pass, for clients that
    prove themselves by something no browser adds on its own.

    "same-site" is refused: a sibling host (a user's page, a forgotten subdomain) is somebody else, and its requests
    carry our SameSite=Lax cookies. Origin and Host are compared without the scheme, which a proxy may have taken off;
    that http:// does not forge https:// is for HSTS to see to.
    """
    if method in SAFE_METHODS:
        return None
    said: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in (b"sec-fetch-site", b"origin", b"host"):
            if name in said:
                return "cross_origin_ambiguous"
            said[name] = value
    site = said.get(b"sec-fetch-site")
    origin = said.get(b"origin")
    if site in (b"same-origin", b"none") or (origin is not None and origin.lower() in trusted_origins):
        return None
    if site is not None:
        return "cross_origin_site"
    if origin is None:
        return None if allow_non_browser else "cross_origin_unknown"
    scheme, separator, authority = origin.lower().partition(b"://")
    if separator and scheme in (b"http", b"https") and authority and authority == said.get(b"host", b"").lower():
        return None
    return "cross_origin_mismatch"


class CrossOriginProtection:
    """Answers 403 to unsafe requests that another website may have caused; and to such WebSocket handshakes.

    `trusted_origins`: other origins that may call, e.g. "https://login.example". `exempt_paths`: exact paths that are
    protected otherwise (a webhook with a signature, an API with a bearer token); no prefixes, no patterns, because
    those grow. Raises ValueError, naming all, for entries that can never match.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted_origins: Iterable[str] = (),
        exempt_paths: Iterable[str] = (),
        allow_non_browser: bool = False,
    ) -> None:
        origins = list(trusted_origins)
        paths = list(exempt_paths)
        bad = [repr(origin) for origin in origins if _ORIGIN.fullmatch(origin) is None]
        bad += [repr(path) for path in paths if not path.startswith("/") or "*" in path or "?" in path]
        if bad:
            raise ValueError(f"expected origins such as 'https://a.example' and exact paths; got {', '.join(bad)}")
        self._app = app
        self._trusted_origins = frozenset(origin.encode() for origin in origins)
        self._exempt_paths = frozenset(paths)
        self._allow_non_browser = allow_non_browser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or scope["path"] in self._exempt_paths:
            await self._app(scope, receive, send)
            return
        reason = refuses(
            scope["method"] if kind == "http" else "WEBSOCKET",
            scope["headers"],
            trusted_origins=self._trusted_origins,
            allow_non_browser=self._allow_non_browser,
        )
        if reason is None:
            await self._app(scope, receive, send)
        elif kind == "websocket":
            # Closing before accepting makes the server answer the handshake with 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            for message in problem_messages(403, problem_body(403, reason, "Not allowed", _DETAIL)):
                await send(message)

"""Security headers on every answer: HSTS, nosniff, Referrer-Policy, and for HTML COOP and a strict CSP; else no-store.

Whatever the app set itself stays as it is.
"""

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STRICT_CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ONE_YEAR_SECONDS: Final = 31_536_000


class ResponseHeaders:
    """Adds the headers that an app has not set.

    `hsts_seconds` 0 sends no HSTS; `hsts_subdomains` speaks for all hosts below, so it is off. None switches a policy
    off; `accept_client_hints` names the hints that are asked for with HTML. Answers under `static_prefixes` (each ends
    in "/") may be cached; all others are `no-store` unless the app says otherwise. Raises ValueError for a policy that
    is no header value and a prefix that says more than it means.

    The referrer policy is not "no-referrer": under that, browsers send `Origin: null` with the forms of our own pages,
    and those without Sec-Fetch-Site could not be told from a forgery.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        content_security_policy: str | None = STRICT_CSP,
        referrer_policy: str | None = "same-origin",
        opener_policy: str | None = "same-origin",
        hsts_seconds: int = ONE_YEAR_SECONDS,
        hsts_subdomains: bool = False,
        static_prefixes: Iterable[str] = (),
        accept_client_hints: str | None = None,
    ) -> None:
        self._app = app
        self._static_prefixes = tuple(static_prefixes)
        bad = [
            repr(prefix) for prefix in self._static_prefixes if not (prefix.startswith("/") and prefix.endswith("/"))
        ]
        if bad:
            raise ValueError(f'expected static prefixes that begin and end in "/"; got {", ".join(bad)}')
        hsts = f"max-age={hsts_seconds}" + ("; includeSubDomains" if hsts_subdomains else "") if hsts_seconds else None
        self._always = _present(
            (b"strict-transport-security", hsts),
            (b"x-content-type-options", "nosniff"),
            (b"referrer-policy", referrer_policy),
        )
        self._html = _present(
            (b"content-security-policy", content_security_policy),
            (b"cross-origin-opener-policy", opener_policy),
            # For a document only: browsers heed it on nothing else.
            (b"accept-ch", accept_client_hints),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cacheable = scope["path"].startswith(self._static_prefixes) if self._static_prefixes else False

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._completed(list(message.get("headers", ())), cacheable=cacheable)}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _completed(self, headers: list[tuple[bytes, bytes]], *, cacheable: bool) -> list[tuple[bytes, bytes]]:
        present = {name.lower(): value for name, value in headers}
        added = [header for header in self._always if header[0] not in present]
        if present.get(b"content-type", b"").lower().startswith((b"text/html", b"application/xhtml+xml")):
            added += [header for header in self._html if header[0] not in present]
        if not cacheable and b"cache-control" not in present:
            added.append((b"cache-control", b"no-store"))
        return headers + added


def _present(*policies: tuple[bytes, str | None]) -> tuple[tuple[bytes, bytes], ...]:
    bad = [
        name.decode() for name, value in policies if value is not None and not (value.isascii() and value.isprintable())
    ]
    if bad:
        raise ValueError(f"expected printable ASCII in one line as the value of {', '.join(bad)}")
    return tuple((name, value.encode("ascii")) for name, value in policies if value is not None)

"""Identity headers come from the proxy or not at all: drops every X-Latch-* header a client sent, in any spelling.

CGI, WSGI, PHP and several proxies fold "-", "_" and "." into one character, so `X_Latch_Account` and `X.Latch.Account`
can reach a website as `X-Latch-Account`.
"""

from collections import Counter
from typing import Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from .forwarded import UNIX, TrustedProxies

Headers: TypeAlias = list[tuple[bytes, bytes]]

PREFIX: Final = b"x-latch-"
#: Visible ASCII but "%": what an account's name keeps in a header.
_AS_IT_IS: Final = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"

_FOLD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_.", b"abcdefghijklmnopqrstuvwxyz--")


def account_to_header(account: str) -> bytes:
    """An account as `X-Latch-Account` carries it: in visible ASCII, every other byte of its UTF-8, and "%", as %XX."""
    return quote(account, safe=_AS_IT_IS).encode("ascii")


def account_from_header(value: str | bytes) -> str:
    """The account that `X-Latch-Account` names. Raises ValueError for what `account_to_header` never writes."""
    text = value.decode("ascii") if isinstance(value, bytes) else value
    account = unquote_to_bytes(text).decode()
    if account_to_header(account).decode() != text:
        raise ValueError("expected an account in the one spelling that the edge gives it")
    return account


def is_identity_alias(name: bytes, prefix: bytes = PREFIX) -> bool:
    """Whether some server may read the header `name` as one that begins with `prefix` (lower case, with hyphens)."""
    return name.translate(_FOLD).startswith(prefix)


def strip_identity(headers: Headers, prefix: bytes = PREFIX) -> Headers:
    """The headers without any that is, or may be read as, an identity header; the same list if there is none."""
    kept = [header for header in headers if not header[0].translate(_FOLD).startswith(prefix)]
    return headers if len(kept) == len(headers) else kept


def keep_proxys_identity(headers: Headers, prefix: bytes = PREFIX) -> Headers:
    """The headers as a trusted proxy may send them: identity headers in exact spelling and once each, no aliases.

    A name that came twice is dropped altogether: a proxy that adds instead of overwriting passes the client's along.
    """
    times = Counter(name for name, _ in headers if name.startswith(prefix))
    return [
        header
        for header in headers
        if not is_identity_alias(header[0], prefix)
        or (times[header[0]] == 1 and b"_" not in header[0] and b"." not in header[0])
    ]


class StripIdentity:
    """Drops identity headers before the app sees the request; of HTTP requests and WebSocket handshakes alike.

    Without `trusted_proxies`, from everybody: right for an app that faces browsers. With them, a trusted peer keeps the
    headers of `keep_proxys_identity`: right for a website behind the proxy that sets them. A scope without a client
    address counts as a peer on a Unix socket.
    """

    def __init__(self, app: ASGIApp, *, trusted_proxies: TrustedProxies | None = None, prefix: bytes = PREFIX) -> None:
        if not prefix.endswith(b"-") or prefix != prefix.translate(_FOLD):
            raise ValueError(f'expected a prefix in lower case, with hyphens, that ends in "-"; got {prefix!r}')
        self._app = app
        self._trusted = trusted_proxies
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] in ("http", "websocket"):
            headers = list(scope["headers"])
            client = scope.get("client")
            if self._trusted is not None and self._trusted.trusts(client[0] if client else UNIX):
                headers = keep_proxys_identity(headers, self._prefix)
            else:
                headers = strip_identity(headers, self._prefix)
            # A copy: the server's own scope stays as it came.
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)

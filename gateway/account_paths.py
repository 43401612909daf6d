"""Accounts in URLs: `/v1/accounts/{account}/…`, where the name may hold whatever a path segment can be escaped to.

    /v1/accounts/ada@example.com/devices
    /v1/accounts/auth0%7C5f7c1e/devices        auth0|5f7c1e
    /v1/accounts/urn:x%2Fy/devices             urn:x/y

A server hands the path on decoded, where "%2F" is one more "/". So the segment is read from the path as it came, and
stands in the scope in one spelling, without a "/".
"""

from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import BadRequest

PREFIX: Final = "/v1/accounts/"
_RAW_PREFIX: Final = PREFIX.encode()


def path_of(account: str, rest: str = "") -> str:
    """The path of an account, in the one spelling; `rest` begins with "/"."""
    return f"{PREFIX}{quote(account, safe=_SAFE)}{rest}"


#: What may stand in a segment as it is (RFC 3986 section 3.3).
_SAFE: Final = "@:!$&'()*+,;="


class AccountPaths:
    """ASGI: puts the account of a path into its one spelling. Raises BadRequest if its bytes are no UTF-8."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            scope = {**scope, "path": _spelled(scope["path"], scope.get("raw_path") or b"")}
        await self._app(scope, receive, send)


def _spelled(path: str, raw: bytes) -> str:
    if not raw.startswith(_RAW_PREFIX):
        # Spelled oddly before the account, or by a server that tells no raw path.
        account, slash, rest = path.removeprefix(PREFIX).partition("/")
        return path_of(account, slash + rest)
    segment, raw_slash, raw_rest = raw.removeprefix(_RAW_PREFIX).partition(b"/")
    try:
        account = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise BadRequest("bad_account", "expected UTF-8, percent-encoded") from None
    rest = unquote((raw_slash + raw_rest).decode("latin-1"))
    return path_of(account, rest)

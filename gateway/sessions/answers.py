"""How a denied or undecidable visit is answered, by the kind of request: a redirect, a problem, or "come back"."""

from typing import Final

from latchstring_middleware.cookies import clear_cookie
from latchstring_middleware.problems import problem_body

from ..wire import Header, Reply
from .check import Denied
from .policy import SESSION_COOKIE
from .visit import Visit

_PROBLEM: Final = (b"content-type", b"application/problem+json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_CLEAR: Final = (b"set-cookie", clear_cookie(SESSION_COOKIE).encode())
#: Seconds a client is asked to wait when the store is away.
RETRY_AFTER_SECONDS: Final = 2

#: The body of a refusal again as a header: nginx throws the body of an auth_request answer away.
PROBLEM_HEADER: Final = b"x-latch-problem"


def _refusal(status: int, code: str, title: str, detail: str, *more: Header) -> Reply:
    body = problem_body(status, code, title, detail)
    return Reply(status, (_PROBLEM, _NO_STORE, (PROBLEM_HEADER, body), *more), body)


AWAY: Final = _refusal(
    503,
    "store_away",
    "Temporarily unavailable",
    "it cannot be checked now; you stay signed in, try again",
    (b"retry-after", b"%d" % RETRY_AFTER_SECONDS),
)
FRESH_REQUIRED: Final = _refusal(401, "fresh_required", "Not signed in", "enter your password again to go on")
_PLAIN: Final = _refusal(401, "not_signed_in", "Not signed in", "sign in and try again")


def denied(visit: Visit, verdict: Denied, *, sign_in_url: str, sealed_return: str) -> Reply:
    """The answer to somebody who is not signed in.

    A page navigation is sent to sign in (303) with its sealed target, and a cookie that was proved bad is cleared on
    the way. Everything else, and everything but GET, gets 401 and keeps its cookies: a sub-resource clears nothing.
    """
    if not visit.navigation:
        return _PLAIN
    headers: list[Header] = [(b"location", _with_return(sign_in_url, sealed_return)), _NO_STORE]
    if verdict.clear:
        headers.append(_CLEAR)
    return Reply(303, tuple(headers))


def fresh_required(visit: Visit, *, sign_in_url: str, sealed_return: str) -> Reply:
    """The answer to somebody who is recognised but must show the password again."""
    if not visit.navigation:
        return FRESH_REQUIRED
    return Reply(303, ((b"location", _with_return(sign_in_url, sealed_return) + b"&fresh=1"), _NO_STORE))


def _with_return(sign_in_url: str, sealed: str) -> bytes:
    mark = "&" if "?" in sign_in_url else "?"
    return f"{sign_in_url}{mark}return={sealed}".encode()

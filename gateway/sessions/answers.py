"""How a denied or undecidable visit is answered, by the kind of request: a redirect, a problem, or "come back"."""

from collections.abc import Mapping
from typing import Final

from latchstring_middleware.cookies import clear_cookie
from latchstring_middleware.problems import CHALLENGE, CHALLENGE_HEADER, problem_body

from ..recognition.hints import ACCEPT_CH
from ..tokens.app_keys import ALGORITHMS
from ..wire import Header, Reply
from .check import Denied
from .policy import SESSION_COOKIE
from .requirement import BadRequirement
from .visit import Visit

_PROBLEM: Final = (b"content-type", b"application/problem+json")
_NO_STORE: Final = (b"cache-control", b"no-store")
#: So that the sign-in itself comes with the model: Chromium heeds it on a redirect, too.
_ASK: Final = (b"accept-ch", ACCEPT_CH.encode())
_CLEAR: Final = (b"set-cookie", clear_cookie(SESSION_COOKIE).encode())
#: Seconds a client is asked to wait when the store is away.
RETRY_AFTER_SECONDS: Final = 2

#: The body of a refusal again as a header: nginx throws the body of an auth_request answer away.
PROBLEM_HEADER: Final = b"x-latch-problem"
#: RFC 9470 section 3.
_STEP_UP: Final = "insufficient_user_authentication"
_NO_MEMBERS: Final[Mapping[str, str | int]] = {}


def _refusal(
    status: int,
    code: str,
    title: str,
    detail: str,
    *more: Header,
    members: Mapping[str, str | int] = _NO_MEMBERS,
) -> Reply:
    body = problem_body(status, code, title, detail, members=members)
    return Reply(status, (_PROBLEM, _NO_STORE, (PROBLEM_HEADER, body), *more), body)


AWAY: Final = _refusal(
    503,
    "store_away",
    "Temporarily unavailable",
    "it cannot be checked now; you stay signed in, try again",
    (b"retry-after", b"%d" % RETRY_AFTER_SECONDS),
)
#: With whatever credentials, ours or not: a cookie has no scheme, and an app may show a token instead.
_PLAIN: Final = _refusal(401, "not_signed_in", "Not signed in", "sign in and try again", (CHALLENGE_HEADER, CHALLENGE))
_NOT_GOOD: Final = "this access token is not good any more"


def bad_requirement(problem: BadRequirement) -> Reply:
    """The answer to a proxy whose X-Latch-Require cannot be read: nobody comes in."""
    return _refusal(400, "bad_requirement", "Bad request", str(problem))


def token_refused(visit: Visit, verdict: Denied, nonce: str) -> Reply:
    """The answer to an app whose access token, or the proof beside it, is not good (RFC 6750 section 3.1).

    `nonce` is for the proof of its next try, where its token is bound to a key (RFC 9449 sections 7.1 and 9).
    """
    code, detail = (verdict.reason, verdict.detail) if verdict.detail else ("invalid_token", _NOT_GOOD)
    challenge = _challenge(visit, code, detail)
    more = [] if visit.shown is None or visit.shown.proofs is None else [(b"dpop-nonce", nonce.encode())]
    return _refusal(401, code, "Not signed in", detail, challenge, *more, members={"error": code})


def denied(visit: Visit, verdict: Denied, *, sign_in_url: str, sealed_return: str) -> Reply:
    """The answer to somebody who is not signed in.

    A page navigation is sent to sign in (303) with its sealed target, and a cookie that was proved bad is cleared on
    the way. Everything else, and everything but GET, gets 401 and keeps its cookies: a sub-resource clears nothing.
    """
    if not visit.navigation:
        return _PLAIN
    headers: list[Header] = [(b"location", sign_in_at(sign_in_url, sealed_return).encode()), _NO_STORE, _ASK]
    if verdict.clear:
        headers.append(_CLEAR)
    return Reply(303, tuple(headers))


def step_up(visit: Visit, code: str, *, max_age_seconds: int | None, sign_in_url: str, sealed_return: str) -> Reply:
    """The answer to somebody who is recognised but must show the password again; no cookie is touched.

    A navigation is sent to sign in with `fresh=1`. Anything else gets 401 with the challenge of RFC 9470 section 3, in
    WWW-Authenticate and as members of the problem.
    """
    if not visit.navigation:
        detail = "enter your password again to go on"
        members: dict[str, str | int] = {"error": _STEP_UP}
        age = ""
        if max_age_seconds is not None:
            age = f', max_age="{max_age_seconds}"'
            members["max_age"] = max_age_seconds
        return _refusal(401, code, "Not signed in", detail, _challenge(visit, _STEP_UP, detail, age), members=members)
    return Reply(303, ((b"location", sign_in_at(sign_in_url, sealed_return, fresh=True).encode()), _NO_STORE, _ASK))


def _challenge(visit: Visit, error: str, detail: str, more: str = "") -> Header:
    scheme = "Bearer" if visit.shown is None else visit.shown.scheme
    if scheme == "DPoP":
        more += f', algs="{" ".join(ALGORITHMS)}"'
    return b"www-authenticate", f'{scheme} error="{error}", error_description="{detail}"{more}'.encode()


def sign_in_at(sign_in_url: str, sealed_return: str, *, fresh: bool = False) -> str:
    """Where to sign in; `fresh` where the password is wanted of somebody who is signed in."""
    mark = "&" if "?" in sign_in_url else "?"
    return f"{sign_in_url}{mark}return={sealed_return}" + ("&fresh=1" if fresh else "")

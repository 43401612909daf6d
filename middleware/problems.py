"""RFC 9457 answers: an error becomes `application/problem+json`, an unexpected one a 503 with an id and nothing more.

Example: `{"type":"about:blank","title":"Not signed in","status":401,"code":"session_expired","detail":"sign in again"}`
"""

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, runtime_checkable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE: Final = b"application/problem+json"

#: RFC 9110 section 15.5.2 wants a challenge with every 401. Browsers ask for a password by themselves for Basic, Digest
#: and Negotiate, and for nothing else.
CHALLENGE_HEADER: Final = b"www-authenticate"
CHALLENGE: Final = b'Bearer realm="latchstring"'

_log = logging.getLogger("latchstring.problems")


@runtime_checkable
class Problem(Protocol):
    """What an exception must carry to be told to a client.

    `retry_after_seconds` (int or None) and `challenge` (str, for WWW-Authenticate) are optional.
    """

    @property
    def status(self) -> int:
        """The HTTP status, 400 to 599."""
        ...

    @property
    def code(self) -> str:
        """The machine-readable word, snake_case."""
        ...

    @property
    def title(self) -> str:
        """What kind of problem, the same for every occurrence."""
        ...

    @property
    def detail(self) -> str:
        """What to do about this one; no secret."""
        ...


class MiddlewareError(Exception):
    """Base of the errors of this package: they reach a client as they are, so `detail` holds no secret."""

    def __init__(self, status: int, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def problem_body(
    status: int,
    code: str,
    title: str,
    detail: str,
    instance: str | None = None,
    *,
    members: Mapping[str, object] | None = None,
) -> bytes:
    """The JSON of a problem; `code` is the machine-readable word, an extension member (RFC 9457 section 3.2).

    `members` are further extension members.
    """
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if instance is not None:
        problem["instance"] = instance
    problem.update(members or {})
    return json.dumps(problem, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def problem_messages(
    status: int, body: bytes, extra_headers: Iterable[tuple[bytes, bytes]] = ()
) -> tuple[Message, Message]:
    """The two ASGI messages that answer with a problem; never stored by a cache.

    A 401 without a challenge among `extra_headers` gets the one that opens no window in a browser.
    """
    headers = [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *extra_headers,
    ]
    if status == 401 and all(name != CHALLENGE_HEADER for name, _ in headers):
        headers.append((CHALLENGE_HEADER, CHALLENGE))
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


class ProblemAnswers:
    """Turns exceptions of the app into problem answers.

    A `Problem` is told as it is. `translations` maps foreign exception classes to the problem to tell instead, the
    first match in order. Anything else is a bug: a 503 with a random id that is also in the log, next to the stack
    trace the client never sees; `unexpected(id, error)` is called instead of logging, if there is one. An exception
    after the response began is raised on: the server must cut the connection, so that no half answer looks whole. A
    client that hangs up before its body is complete (Starlette's ClientDisconnect) is no error and gets no answer;
    `hung_up` is called, and nothing is logged, for anybody could fill the log with it.
    """

    def __init__(
        self,
        app: ASGIApp,
        translations: Mapping[type[Exception], Problem] | None = None,
        *,
        hung_up: Callable[[], object] = lambda: None,
        unexpected: Callable[[str, Exception], object] | None = None,
    ) -> None:
        self._app = app
        self._translations = tuple((translations or {}).items())
        self._hung_up = hung_up
        self._unexpected = unexpected or _logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            self._hung_up()
        except Exception as error:
            if started:
                raise
            for message in self._answer(error):
                await send(message)

    def _answer(self, error: Exception) -> tuple[Message, Message]:
        problem = self._problem_of(error)
        if problem is None:
            problem_id = secrets.token_urlsafe(12)
            self._unexpected(problem_id, error)
            return _bug(problem_id)
        headers = []
        retry_after_seconds = getattr(problem, "retry_after_seconds", None)
        if retry_after_seconds is not None:
            headers.append((b"retry-after", b"%d" % retry_after_seconds))
        challenge = getattr(problem, "challenge", None)
        if challenge:
            headers.append((CHALLENGE_HEADER, challenge.encode()))
        body = problem_body(problem.status, problem.code, problem.title, problem.detail)
        return problem_messages(problem.status, body, headers)

    def _problem_of(self, error: Exception) -> Problem | None:
        for kind, problem in self._translations:
            if isinstance(error, kind):
                return problem
        # isinstance looks for the four attributes; a foreign error may have them with other meanings.
        if isinstance(error, Problem) and isinstance(error.status, int) and isinstance(error.code, str):
            return error
        return None


def _logged(problem_id: str, error: Exception) -> None:
    _log.error("unexpected error %s", problem_id, exc_info=error)


def _bug(problem_id: str) -> tuple[Message, Message]:
    detail = f"something went wrong on our side; quote {problem_id} if you ask about it"
    body = problem_body(
        503, "internal_error", "Internal error", detail, instance=f"urn:latchstring:problem:{problem_id}"
    )
    return problem_messages(503, body, [(b"retry-after", b"5")])

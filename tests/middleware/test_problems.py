"""Errors as RFC 9457 answers: known ones in their own words, unknown ones as an id that is also in the log."""

import json
import logging
from typing import ClassVar

import httpx
import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.asgi import ask
from latchstring_middleware.problems import MiddlewareError, Problem, ProblemAnswers, problem_body


class StoreAwayError(Exception):
    """An application's own error, shaped as a problem without importing anything."""

    status: ClassVar[int] = 503
    title: ClassVar[str] = "Temporarily unavailable"

    def __init__(self, retry_after_seconds: int | None) -> None:
        self.code = "store_away"
        self.detail = "try again"
        self.retry_after_seconds = retry_after_seconds


def raising(error: Exception) -> ASGIApp:
    """An app that only fails."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app


async def answer_to(app: ASGIApp) -> httpx.Response:
    """What a client sees of GET /."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://a.example") as client:
        return await client.get("/")


async def test_an_error_shaped_as_a_problem_is_told_in_its_own_words() -> None:
    """Status, code, title and detail reach the client, with Retry-After, and no cache keeps them."""
    response = await answer_to(ProblemAnswers(raising(StoreAwayError(7))))

    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["retry-after"] == "7"
    assert response.json() == {
        "type": "about:blank",
        "title": "Temporarily unavailable",
        "status": 503,
        "code": "store_away",
        "detail": "try again",
    }


@pytest.mark.parametrize("error", [StoreAwayError(None), MiddlewareError(400, "bad", "Bad request", "mend it")])
async def test_without_a_time_to_come_back_there_is_no_retry_after(error: Exception) -> None:
    """Retry-After is only sent if the error says when."""
    response = await answer_to(ProblemAnswers(raising(error)))

    assert "retry-after" not in response.headers


async def test_an_unexpected_error_tells_only_an_id(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a 503 with an id; message and stack trace are in the log under that id, and nowhere else."""
    with caplog.at_level(logging.ERROR, "latchstring.problems"):
        response = await answer_to(ProblemAnswers(raising(RuntimeError("password is hunter2"))))

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "hunter2" not in response.text
    assert "Traceback" not in response.text
    problem_id = response.json()["instance"].rpartition(":")[2]
    assert problem_id in response.json()["detail"]
    assert problem_id in caplog.text
    assert "hunter2" in caplog.text


async def test_who_wants_to_report_errors_itself_is_told_instead_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the id that the client was told."""
    told: list[tuple[str, Exception]] = []
    error = RuntimeError("x")
    app = ProblemAnswers(raising(error), unexpected=lambda problem_id, error: told.append((problem_id, error)))

    response = await answer_to(app)

    assert told == [(response.json()["instance"].rpartition(":")[2], error)]
    assert caplog.text == ""


async def test_every_unexpected_error_has_its_own_id() -> None:
    """Two failures can be told apart in the log."""
    app = ProblemAnswers(raising(RuntimeError("x")))

    first, second = await answer_to(app), await answer_to(app)

    assert first.json()["instance"] != second.json()["instance"]


async def test_a_foreign_error_can_be_translated() -> None:
    """The first class that fits says what is told."""
    unavailable = MiddlewareError(504, "too_slow", "Too slow", "try again")
    app = ProblemAnswers(raising(TimeoutError("internal")), {TimeoutError: unavailable, Exception: StoreAwayError(1)})

    response = await answer_to(app)

    assert (response.status_code, response.json()["code"]) == (504, "too_slow")


class LooksAlikeError(Exception):
    """A foreign error whose attributes mean something else."""

    status = "ENOENT"
    code = 2
    title = None
    detail = object()


async def test_an_error_that_merely_looks_alike_is_unexpected() -> None:
    """Attributes of the right names and wrong types do not make a problem."""
    response = await answer_to(ProblemAnswers(raising(LooksAlikeError())))

    assert response.json()["code"] == "internal_error"


async def test_an_error_after_the_answer_began_goes_on_to_the_server() -> None:
    """A half answer must not be completed to look whole: the server cuts the connection."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise StoreAwayError(1)

    with pytest.raises(StoreAwayError):
        await ask(ProblemAnswers(app))


async def test_what_is_not_http_passes() -> None:
    """A failing start-up is the server's to see."""
    with pytest.raises(StoreAwayError):
        await ask(ProblemAnswers(raising(StoreAwayError(1))), type="lifespan")


def test_a_problem_body_is_json_whatever_the_words() -> None:
    """Quotes, newlines, other scripts and lone surrogates cannot break the document."""
    body = problem_body(400, "bad", 'a "title"\n', "détail \ud800", instance="urn:x")

    assert json.loads(body) == {
        "type": "about:blank",
        "title": 'a "title"\n',
        "status": 400,
        "code": "bad",
        "detail": "détail ?",
        "instance": "urn:x",
    }


def test_an_error_of_this_package_is_a_problem() -> None:
    """It names its code in its text, for logs."""
    error = MiddlewareError(400, "bad", "Bad request", "mend it")

    assert isinstance(error, Problem)
    assert str(error) == "bad: mend it"


async def test_a_client_that_hangs_up_in_mid_body_gets_no_answer_and_no_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each one wrote a stack trace of 34 lines, so that anybody could flood the log."""
    times: list[None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        raise AssertionError("not reached")

    answers = ProblemAnswers(app, hung_up=lambda: times.append(None))
    answer = await ask(answers, chunks=[])

    assert answer.messages == []
    assert len(times) == 1
    assert caplog.records == []


async def test_a_401_carries_a_challenge_that_opens_no_window(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9110 wants one with every 401; a browser would ask for a password for Basic, Digest or Negotiate."""
    plain = MiddlewareError(401, "absent", "Not signed in", "sign in")
    own = MiddlewareError(401, "bad", "Not signed in", "sign in")
    own.challenge = 'Bearer realm="x", error="invalid_token"'  # type: ignore[attr-defined]

    answers = [await answer_to(ProblemAnswers(raising(error))) for error in (plain, own)]

    assert [answer.headers["www-authenticate"] for answer in answers] == [
        'Bearer realm="latchstring"',
        'Bearer realm="x", error="invalid_token"',
    ]
    forbidden = await answer_to(ProblemAnswers(raising(MiddlewareError(403, "no", "Not allowed", "no"))))
    assert "www-authenticate" not in forbidden.headers

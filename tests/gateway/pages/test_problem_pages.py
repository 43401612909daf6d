"""Problems as pages, for people, and as they are for scripts."""

import json

import pytest
from starlette.types import Receive, Scope, Send

from harness.asgi import Answered, ask
from harness.pages import pages
from latchstring_gateway.pages.problem_pages import ProblemPages
from latchstring_middleware.problems import problem_body, problem_messages

_PERSON = [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers problems by path, and for "/fine" a text in two parts."""
    if scope["path"] == "/fine":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})
        return
    status = int(scope["path"].rpartition("/")[2])
    for message in problem_messages(status, problem_body(status, "some_code", "T", "for programs"), [(b"x-own", b"1")]):
        await send(message)


async def _ask(path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Answered:
    app = ProblemPages(_app, pages(), scripts_only=("/v1/",))
    return await ask(app, path=path, method=method, headers=list(headers))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 410, 413, 415, 429, 500, 503])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_person_gets_a_page(status: int, method: str) -> None:
    """With status, code and own headers of the problem, under the policy of every page."""
    answer = await _ask(f"/{status}", *_PERSON, method=method)

    assert answer.status == status
    assert answer.header(b"content-type") == b"text/html; charset=utf-8"
    assert answer.header(b"content-length") == str(len(answer.body)).encode()
    assert answer.header(b"x-own") == b"1"
    assert answer.header(b"cache-control") == b"private, no-store"
    assert (answer.header(b"www-authenticate") is not None) is (status == 401)
    assert b"some_code" in answer.body
    assert b"for programs" not in answer.body


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/404", [(b"sec-fetch-mode", b"cors"), (b"sec-fetch-dest", b"empty")]),
        ("/404", [(b"accept", b"*/*")]),
        ("/v1/404", _PERSON),
    ],
)
async def test_a_script_keeps_its_problem(path: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Byte for byte; and whoever calls the backend's URLs is one."""
    answer = await _ask(path, *headers)

    assert answer.header(b"content-type") == b"application/problem+json"
    assert json.loads(answer.body)["code"] == "some_code"


async def test_what_is_no_problem_passes_as_it_comes() -> None:
    """Message by message."""
    answer = await _ask("/fine", *_PERSON)

    assert (answer.status, answer.body, len(answer.messages)) == (200, b"ab", 3)

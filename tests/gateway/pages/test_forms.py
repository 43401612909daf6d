"""Posted forms: small, UTF-8, each field once."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from latchstring_gateway.errors import EdgeError
from latchstring_gateway.pages.forms import MAX_FORM_BYTES, form_fields

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def client() -> httpx.AsyncClient:
    """An app that answers with the fields, or with the error's code."""

    async def echo(request: Request) -> Response:
        try:
            return JSONResponse(await form_fields(request))
        except EdgeError as error:
            return JSONResponse(error.code, error.status)

    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge")


async def test_fields_come_decoded(client: httpx.AsyncClient) -> None:
    """Plus signs and percent signs are decoded, blanks are kept."""
    answer = await client.post("/", content=b"name=M%C3%BCller+TV&empty=", headers=FORM)

    assert answer.json() == {"name": "Müller TV", "empty": ""}


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "form_expected"),
        (b"name=x", "", 415, "form_expected"),
        (b"a=" + b"x" * MAX_FORM_BYTES, FORM["content-type"], 413, "form_too_large"),
        (b"name=%ff%fe", FORM["content-type"], 400, "bad_form"),
        (b"name=\xff", FORM["content-type"], 400, "bad_form"),
        (b"name=a&name=b", FORM["content-type"], 400, "bad_form"),
        (b"&".join(b"f%d=1" % n for n in range(513)), FORM["content-type"], 400, "bad_form"),
    ],
)
async def test_a_bad_form_is_refused(
    client: httpx.AsyncClient, body: bytes, media_type: str, status: int, code: str
) -> None:
    """Wrong type, too long, not UTF-8, doubled or too many fields: each has its code."""
    answer = await client.post("/", content=body, headers={"content-type": media_type})

    assert (answer.status_code, answer.json()) == (status, code)

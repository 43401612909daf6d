"""What a backend's request says is read strictly, and what is wrong with it is told without repeating it."""

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct
from starlette.requests import Request

from latchstring_gateway.api_requests import MAX_BYTES, account_of, read_json, repeat_key_of
from latchstring_gateway.errors import BadRequest, EdgeError


class Shape(Struct, forbid_unknown_fields=True):
    """A body."""

    name: Annotated[str, Meta(max_length=10)]
    count: int = 0


def _request(body: bytes = b"", headers: dict[str, str] | None = None, account: str = "ada") -> Request:
    chunks = [body[i : i + 20_000] for i in range(0, len(body), 20_000)] or [b""]
    messages: list[Any] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]

    async def receive() -> Any:
        return messages.pop(0)

    sent = {"content-type": "application/json"} if headers is None else headers
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    return Request({"type": "http", "method": "POST", "headers": raw, "path_params": {"account": account}}, receive)


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_a_good_body_is_read(media_type: str) -> None:
    """By its shape, whatever the case of its media type."""
    shape = await read_json(_request(b'{"name":"K\xc3\xbcche"}', {"content-type": media_type}), Shape)

    assert (shape.name, shape.count) == ("Küche", 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"name=x", "bad_json"),
        (b'{"name":"\xff"}', "bad_json"),
        (b'{"name":"a"} trailing', "bad_json"),
        (b"null", "bad_field"),
        (b"[]", "bad_field"),
        (b"[" * 10_000, "bad_field"),
        (b'{"name":' + b"[" * 10_000, "bad_field"),
        (b"{}", "bad_field"),
        (b'{"name":7}', "bad_field"),
        (b'{"name":"a secret too long to keep"}', "bad_field"),
        (b'{"name":"a","count":1e999}', "bad_field"),
        (b'{"name":"a","' + b"k" * 60_000 + b'":1}', "bad_field"),
        (b'{"name":"a"}' + b" " * MAX_BYTES, "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_without_being_repeated(body: bytes, code: str) -> None:
    """A code and a short word on what was expected; never what came."""
    with pytest.raises(EdgeError) as refused:
        await read_json(_request(body), Shape)

    assert refused.value.code == code
    assert len(refused.value.detail) <= 200
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_another_media_type_is_refused(media_type: str) -> None:
    """A form that another website makes a browser send cannot be JSON."""
    with pytest.raises(EdgeError) as refused:
        await read_json(_request(b'{"name":"a"}', {"content-type": media_type}), Shape)

    assert (refused.value.status, refused.value.code) == (415, "expected_json")


@pytest.mark.parametrize("account", ["", "a" * 256, "a b", "a\u202eb", "a\u00a0b", "\u00e4" * 128, "a\n", ".."])
def test_an_account_that_nobody_can_see_whole_is_refused(account: str) -> None:
    """The whole table is in test_account_paths.py."""
    with pytest.raises(BadRequest):
        account_of(_request(account=account))


def test_the_idempotency_key_is_taken_as_it_is() -> None:
    """Absent is None; visible ASCII passes."""
    assert repeat_key_of(_request()) is None
    assert repeat_key_of(_request(headers={"idempotency-key": "a-1!" * 16})) == "a-1!" * 16

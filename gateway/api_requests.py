"""Reading what a backend's request says: its JSON body, the account in its path, its idempotency key."""

from typing import Final, TypeVar
from urllib.parse import unquote

import msgspec
from starlette.requests import Request

from .errors import BadRequest, TooLarge, WrongMediaType
from .ids import Account, account_problem

T = TypeVar("T", bound=msgspec.Struct)

MAX_BYTES: Final = 65_536
_MAX_DETAIL_CHARS: Final = 200
MAX_REPEAT_KEY_CHARS: Final = 64


async def read_json(request: Request, shape: type[T]) -> T:
    """The body as `shape`.

    Raises WrongMediaType (not application/json), TooLarge (over 64 KiB), BadRequest (not JSON, or not of this shape;
    the detail names the field and never repeats its value).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise WrongMediaType("expected_json", "expected content-type application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge("body_too_large", f"expected at most {MAX_BYTES} bytes")
    try:
        return msgspec.json.decode(bytes(body), type=shape)
    except msgspec.ValidationError as error:
        # An unknown field is named, and a name can be as long as the body.
        raise BadRequest("bad_field", str(error)[:_MAX_DETAIL_CHARS]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("bad_json", "expected a JSON object") from None


def account_of(request: Request) -> Account:
    """The account in the path (account_paths.py). Raises BadRequest as `checked_account` does."""
    return checked_account(unquote(str(request.path_params["account"]), errors="surrogateescape"))


def checked_account(account: str) -> Account:
    """An account's name as it came. Raises BadRequest unless `ids.account_problem` finds nothing wrong with it."""
    problem = account_problem(account)
    if problem:
        raise BadRequest("bad_account", problem)
    return Account(account)


def repeat_key_of(request: Request) -> str | None:
    """The Idempotency-Key header. Raises BadRequest unless it is 1 to 64 visible ASCII characters."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_REPEAT_KEY_CHARS or not all("\x21" <= c <= "\x7e" for c in key):
        raise BadRequest("bad_idempotency_key", "expected 1 to 64 visible ASCII characters")
    return key

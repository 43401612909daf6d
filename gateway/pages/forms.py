"""The fields of a posted form, without surprises: small, UTF-8, one value a name."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from ..errors import BadRequest, TooLarge, WrongMediaType

MAX_FORM_BYTES: Final = 16 * 1024
#: More boxes that were ticked on the page that makes room do not fit the size either.
_MAX_FIELDS: Final = 512


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body.

    Raises WrongMediaType, TooLarge (over 16 KiB, found before the whole body is read) and BadRequest (not UTF-8, too
    many fields, or a name given twice).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise WrongMediaType("form_expected", "expected a form (application/x-www-form-urlencoded)")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise TooLarge("form_too_large", f"expected a form of at most {MAX_FORM_BYTES} bytes")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS, separator="&"
        )
    except ValueError as error:
        raise BadRequest("bad_form", "expected a form in UTF-8 with few fields") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest("bad_form", "expected each field once")
    return fields

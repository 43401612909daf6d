"""What OAuth 2.0 asks of every request and answer here: forms, public clients, errors as JSON (RFC 6749)."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ..errors import EdgeError
from ..pages.forms import form_fields

#: Cookies are neither read nor set here, so a TV app that is a web page of any origin may read the answers.
_HEADERS: Final = {"cache-control": "no-store", "pragma": "no-cache", "access-control-allow-origin": "*"}
#: What a client has no business to send: it is public, and has nothing to show (RFC 6749 section 2.1).
_SECRETS: Final = ("client_secret", "client_assertion", "client_assertion_type")

Endpoint = Callable[[Request], Awaitable[Response]]


class OAuthError(Exception):
    """A refusal in the words of RFC 6749 section 5.2, RFC 7009 section 2.2.1 and RFC 8628 section 3.5."""

    def __init__(self, code: str, detail: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.headers = headers or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def answer(content: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    body = json.dumps(content, separators=(",", ":"))
    return Response(body, status, {**_HEADERS, **(headers or {})}, media_type="application/json")


def answering(endpoint: Endpoint) -> Endpoint:
    """`endpoint`, with every error in the form that OAuth clients read."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OAuthError as error:
            told = {"error": error.code, "error_description": error.detail}
            return answer(told, error.status, error.headers)
        except EdgeError as error:
            headers = {}
            if error.retry_after_seconds is not None:
                headers["retry-after"] = str(error.retry_after_seconds)
            # A store that is away is no reason to forget a token: no code of RFC 6749 may be taken for one.
            code = "temporarily_unavailable" if error.status >= 500 else "invalid_request"
            return answer({"error": code, "error_description": error.detail}, error.status, headers)

    return answered


async def fields_of(request: Request) -> dict[str, str]:
    """The parameters of a request; one without a value counts as not sent (RFC 6749 section 3.1).

    Raises errors.EdgeError for what is no form, or names a parameter twice.
    """
    return {name: value for name, value in (await form_fields(request)).items() if value}


def client_of(request: Request, fields: Mapping[str, str], clients: Collection[str]) -> str:
    """The registered client that asks. Raises OAuthError."""
    if "authorization" in request.headers:
        # RFC 6749 section 5.2: who tried to authenticate by this header is answered with its scheme.
        raise _unknown_client({"www-authenticate": 'Basic realm="clients"'})
    if any(name in fields for name in _SECRETS):
        raise _unknown_client()
    if required(fields, "client_id") not in clients:
        raise _unknown_client()
    return fields["client_id"]


def required(fields: Mapping[str, str], name: str) -> str:
    """The value of a parameter. Raises OAuthError if it was not sent."""
    value = fields.get(name)
    if value is None:
        raise OAuthError("invalid_request", f"expected the parameter {name}")
    return value


def no_scope(fields: Mapping[str, str]) -> None:
    """Raises OAuthError if a scope is asked for: there are none."""
    if "scope" in fields:
        raise OAuthError("invalid_scope", "there are no scopes here: leave the parameter out")


def _unknown_client(headers: Mapping[str, str] | None = None) -> OAuthError:
    detail = "expected client_id of a client that the operator registered, and nothing to authenticate it"
    return OAuthError("invalid_client", detail, status=401, headers=headers)

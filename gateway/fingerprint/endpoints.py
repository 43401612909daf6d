"""The backend's URL to forget what was kept of devices under one key of the ring."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..api_requests import read_json
from .keep import Fingerprints


class ForgetRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/fingerprints/forget."""

    key_id: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{4,8}\Z")]


class FingerprintEndpoints:
    """The route below /v1; the app lets only service credentials through to it."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints

    def routes(self) -> list[Route]:
        """See the class."""
        return [Route("/v1/fingerprints/forget", self.forget, methods=["POST"])]

    async def forget(self, request: Request) -> JSONResponse:
        """How many signals were forgotten. Raises BadRequest, StoreAway: repeat it."""
        asked = await read_json(request, ForgetRequest)
        return JSONResponse({"signals": await self._fingerprints.forget_key(asked.key_id)})

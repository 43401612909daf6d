"""The backend's URLs to erase a person: events by the names they go by, and the account with its devices."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..api_requests import checked_account, read_json, repeat_key_of
from ..errors import BadRequest, NotFound
from ..ids import is_id, to_bytes
from ..revocation.revoke import Revoker
from ..store.client import Store
from ..trials.claims import Trials
from .all_nodes import AllNodes
from .choices import ChoiceCookies
from .erasing import Erasing, told
from .forget import forget

NameText = Annotated[str, Meta(min_length=1, max_length=128)]
Names = Annotated[list[NameText], Meta(max_length=100)]


class EraseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/erasures. The account's name is also taken for a user's and for a recipient's."""

    account: str | None = None
    users: Names = []
    visitors: Names = []
    trackers: Names = []
    recipients: Names = []
    cookie: Annotated[str, Meta(max_length=16_384)] = ""


class ErasureEndpoints:
    """The routes below /v1; the app lets only service credentials through to them."""

    def __init__(
        self,
        erasing: Erasing,
        all_nodes: AllNodes,
        cookies: ChoiceCookies,
        store: Store,
        revoker: Revoker,
        trials: Trials,
    ) -> None:
        self._erasing = erasing
        self._all_nodes = all_nodes
        self._cookies = cookies
        self._store = store
        self._revoker = revoker
        self._trials = trials

    def routes(self) -> list[Route]:
        """See the class."""
        return [
            Route("/v1/erasures", self.erase, methods=["POST"]),
            Route("/v1/erasures/{erasure}", self.find, methods=["GET"]),
        ]

    async def erase(self, request: Request) -> JSONResponse:
        """202 with the receipt so far; 503 StoreAway if other nodes or the account's rows are not done: repeat it."""
        asked = await read_json(request, EraseRequest)
        repeat_key = repeat_key_of(request)
        account = None if asked.account is None else checked_account(asked.account)
        visitors = [_visitor(visitor) for visitor in asked.visitors]
        brought = self._cookies.read([(b"cookie", asked.cookie.encode("latin-1", "replace"))]).visitor
        if brought is not None:
            visitors.append(brought.visitor)
        names = [] if account is None else [account]
        users, recipients = [*asked.users, *names], [*asked.recipients, *names]
        if not (users or visitors or asked.trackers or recipients):
            raise BadRequest(
                "nobody_to_erase", "expected an account, users, visitors, trackers, recipients, or a visitor's cookie"
            )
        erasure = await self._erasing.ask(
            users=users, visitors=visitors, trackers=asked.trackers, recipients=recipients, repeat_key=repeat_key
        )
        await self._all_nodes.tell(erasure)
        answer: dict[str, Any] = told(erasure)
        if account is not None:
            forgotten = await forget(self._store, self._revoker, self._trials, account)
            answer["account"] = forgotten.as_dict()
        return JSONResponse(answer, 202)

    async def find(self, request: Request) -> JSONResponse:
        """The receipt as of now: 200 once it is complete, else 202."""
        erasure = str(request.path_params["erasure"])
        if not is_id(erasure):
            raise NotFound("unknown_erasure", "this node knows no erasure of this id")
        found = await self._erasing.find(erasure)
        return JSONResponse(told(found), 200 if found.state == "complete" else 202)


def _visitor(text: str) -> bytes:
    try:
        return to_bytes(text)
    except ValueError:
        raise BadRequest("bad_visitor", "expected the id of a visitor, 22 base64url characters") from None

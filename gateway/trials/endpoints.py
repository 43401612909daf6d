"""The backend's URLs of free trials: ask, claim, override, forget."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from latchstring_middleware.problems import MEDIA_TYPE, problem_body

from ..api_requests import checked_account, read_json
from ..errors import BadRequest
from .claims import Decision, Trials
from .identifiers import Identifiers, Kind, normalised

TrialText = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
#: No "@" and no blank: a sign of who acts, not his address.
ByText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]
#: It goes into the log.
ReasonText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9 _.,:#-]{0,119}\Z")]
KeyIdText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{4,8}\Z")]


class CheckRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/trials/check."""

    trial: TrialText
    account: str | None = None
    identifiers: Identifiers = Identifiers()


class ClaimRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/trials/claim."""

    trial: TrialText
    account: str
    identifiers: Identifiers = Identifiers()


class OverrideRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/trials/override."""

    trial: TrialText
    account: str
    by: ByText
    reason: ReasonText


class ForgetRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/trials/forget: of one account, or whatever was claimed under one key."""

    account: str | None = None
    key_id: KeyIdText | None = None


class TrialEndpoints:
    """The routes below /v1; the app lets only service credentials through to them."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials

    def routes(self) -> list[Route]:
        """See the class."""
        acts = {"check": self.check, "claim": self.claim, "override": self.override, "forget": self.forget}
        return [Route(f"/v1/trials/{name}", act, methods=["POST"]) for name, act in acts.items()]

    async def check(self, request: Request) -> JSONResponse:
        """Whether a claim would be granted now, and why not. Raises BadRequest, StoreAway."""
        asked = await read_json(request, CheckRequest)
        account = None if asked.account is None else checked_account(asked.account)
        identifiers, ignored = normalised(asked.identifiers)
        if account is None and not identifiers:
            raise BadRequest("nobody_to_check", "expected an account or an identifier that identifies somebody")
        decision = await self._trials.check(asked.trial, account, identifiers)
        return JSONResponse({"eligible": decision.outcome == "granted", **_told(decision, ignored)})

    async def claim(self, request: Request) -> Response:
        """201 granted, 200 held since an earlier claim of the account, 409 refused. Raises BadRequest, StoreAway."""
        asked = await read_json(request, ClaimRequest)
        identifiers, ignored = normalised(asked.identifiers)
        decision = await self._trials.claim(asked.trial, checked_account(asked.account), identifiers)
        told = _told(decision, ignored)
        if decision.outcome == "refused":
            detail = "this trial was had before by somebody with one of these identifiers"
            body = problem_body(409, "trial_refused", "Conflict", detail, members=told)
            return Response(body, 409, media_type=MEDIA_TYPE.decode())
        return JSONResponse(told, 201 if decision.outcome == "granted" else 200)

    async def override(self, request: Request) -> JSONResponse:
        """Let an account's next claim be granted, once. Raises BadRequest, StoreAway: repeat it."""
        asked = await read_json(request, OverrideRequest)
        account = checked_account(asked.account)
        until_ms = await self._trials.override(asked.trial, account, by=asked.by, reason=asked.reason)
        return JSONResponse({"until_ms": until_ms})

    async def forget(self, request: Request) -> JSONResponse:
        """Forget the claims of an account, or those made under a key. Raises BadRequest, StoreAway: repeat it."""
        asked = await read_json(request, ForgetRequest)
        if asked.account is not None and asked.key_id is None:
            return JSONResponse({"claims": await self._trials.forget_account(checked_account(asked.account))})
        if asked.key_id is not None and asked.account is None:
            return JSONResponse({"claims": await self._trials.forget_key(asked.key_id)})
        raise BadRequest("what_to_forget", "expected either an account or a key_id")


def _told(decision: Decision, ignored: list[Kind]) -> dict[str, object]:
    return {
        "outcome": decision.outcome,
        "claim": decision.claim or None,
        "claimed_at_ms": decision.claimed_at_ms or None,
        "overridden": decision.overridden,
        "reasons": [reason.as_dict() for reason in decision.reasons],
        "ignored": ignored,
    }

"""What a token is good for, for a backend that receives one without forward auth before it (RFC 7662).

    POST /v1/introspect    field `token`; for service keys

Only access tokens are active: a service that is shown a refresh token must not let anybody in. Of a bound one it is
told the key (RFC 9449 section 6.2), and must ask for a proof of it.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..ids import to_text
from ..sessions.check import Accepted, Checker, Denied
from ..tokens.purposes import AccessToken, BoundAccessToken
from .oauth import answer, answering, fields_of, required


class Introspection:
    """The endpoint; `checker` judges as forward auth does."""

    def __init__(self, checker: Checker, *, issuer: str) -> None:
        self._checker = checker
        self._issuer = issuer

    def routes(self) -> list[Route]:
        """The route below /v1; the app lets only service credentials through to it."""
        return [Route("/v1/introspect", answering(self.introspect), methods=["POST"])]

    async def introspect(self, request: Request) -> Response:
        """200: whose token it is and until when, or that it is not active and no more; 503 if it cannot be known."""
        token = required(await fields_of(request), "token").encode("latin-1", "replace")
        verdict: Accepted | Denied = await self._checker.check_access(token)
        if isinstance(verdict, Denied):
            verdict = await self._checker.check_access(token, BoundAccessToken)
        if isinstance(verdict, Denied):
            return answer({"active": False})
        lease = verdict.lease
        content = lease.content
        assert isinstance(content, AccessToken)
        bound: dict[str, object] = {"token_type": "Bearer"}
        if isinstance(content, BoundAccessToken):
            bound = {"token_type": "DPoP", "cnf": {"jkt": to_text(content.thumbprint)}}
        return answer(
            {
                "active": True,
                **bound,
                "client_id": content.client,
                "sub": lease.account,
                "iss": self._issuer,
                "iat": content.issued_at_ms // 1000,
                "exp": lease.ends_at_ms // 1000,
                "auth_time": content.authenticated_at_ms // 1000,
                "session": lease.session,
                "device": lease.device,
            }
        )

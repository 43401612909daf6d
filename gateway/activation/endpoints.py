"""What a TV app talks to: device authorization (RFC 8628), token (RFC 6749) and revocation endpoint (RFC 7009).

POST /latch/oauth/device_authorization   client_id, maybe device_statement
POST /latch/oauth/token                  client_id, grant_type, device_code or refresh_token; header DPoP
    POST /latch/oauth/revoke                 client_id, token
"""

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..devices.place import Places, prefix_of
from ..fingerprint.signals import Observed
from ..ids import Account, to_text
from ..metrics import ACTIVATIONS
from ..recognition.describe import MAX_AGENT_CHARS, describe
from ..recognition.hints import read_hints
from ..recognition.makers import NO_MAKE, Make
from ..sessions.renew import From
from ..tokens.dpop import Proven
from ..tokens.hardware import tags
from ..tokens.keyring import KeyRing
from .binding import Binding, preflight
from .budget import OFFERS, Budgets
from .codes import read_device_code
from .grants import INTERVAL_SECONDS, Asking, Grants
from .oauth import OAuthError, answer, answering, client_of, fields_of, no_scope, required
from .statement import Statements
from .tokens import Pair, TvTokens

PREFIX: Final = "/latch/oauth/"
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT: Final = "refresh_token"

_REFUSALS: Final = {
    "pending": ("authorization_pending", "the person has not decided yet"),
    "slow_down": ("slow_down", "wait 5 seconds longer between two polls from now on"),
    "expired": ("expired_token", "the codes have expired: ask for new ones"),
    "refused": ("access_denied", "the person refused"),
    "unknown": ("invalid_grant", "this device code is not one of this client's, or was forgotten"),
}


class TvEndpoints:
    """Holds the collaborators. `verification_uri` is what a TV shows; `complete_uri` what its picture code says."""

    def __init__(
        self,
        *,
        clients: frozenset[str],
        grants: Grants,
        budgets: Budgets,
        tokens: TvTokens,
        binding: Binding,
        statements: Statements,
        ring: KeyRing,
        seen: Callable[[Account, str, str], None],
        places: Places,
        address_of: Callable[[Request], str],
        tls_of: Callable[[Request], str],
        verification_uri: str,
        complete_uri: str,
    ) -> None:
        self._clients = clients
        self._grants = grants
        self._budgets = budgets
        self._tokens = tokens
        self._binding = binding
        self._statements = statements
        self._ring = ring
        self._seen = seen
        self._places = places
        self._address_of = address_of
        self._tls_of = tls_of
        self._verification_uri = verification_uri
        self._complete_uri = complete_uri

    def routes(self) -> list[Route]:
        """The routes: for apps, without cookies, so outside of what guards pages against other sites."""
        return [
            Route(f"{PREFIX}device_authorization", answering(self.authorize), methods=["POST"]),
            Route(f"{PREFIX}token", self._binding.offering(answering(self.token)), methods=["POST"]),
            Route(f"{PREFIX}token", preflight, methods=["OPTIONS"]),
            Route(f"{PREFIX}revoke", answering(self.revoke), methods=["POST"]),
        ]

    async def authorize(self, request: Request) -> Response:
        """200 with a pair of codes; 429 for a network that asks for too many, 503 while too many wait anywhere."""
        fields = await fields_of(request)
        client = client_of(request, fields, self._clients)
        no_scope(fields)
        address = self._address_of(request)
        network = prefix_of(address)
        wait_seconds = await self._budgets.spend(OFFERS, network, OFFERS.most) if network else 0
        if wait_seconds:
            ACTIVATIONS.labels("too_many_codes").inc()
            raise _later("this network asks for too many codes", 429, wait_seconds)
        offered = await self._grants.offer(client, self._asking(request, client, fields, address))
        if offered is None:
            ACTIVATIONS.labels("too_many_codes").inc()
            raise _later("too many codes wait for their people", 503, INTERVAL_SECONDS)
        ACTIVATIONS.labels("offered").inc()
        shown = self._grants.form.shown(offered.user_code)
        return answer(
            {
                "device_code": offered.device_code,
                "user_code": shown,
                "verification_uri": self._verification_uri,
                "verification_uri_complete": f"{self._complete_uri}?user_code={shown}",
                "expires_in": offered.expires_in_seconds,
                "interval": INTERVAL_SECONDS,
            }
        )

    async def token(self, request: Request) -> Response:
        """200 with tokens, or the error that tells a client what to do next."""
        fields = await fields_of(request)
        client = client_of(request, fields, self._clients)
        proven = self._binding.proven_by(request, client)
        grant_type = required(fields, "grant_type")
        if grant_type == DEVICE_GRANT:
            return _tokens(await self._by_device_code(request, client, required(fields, "device_code"), proven))
        if grant_type == REFRESH_GRANT:
            no_scope(fields)
            lease = await self._tokens.open(required(fields, "refresh_token"), client, proven)
            await self._binding.spend(proven)
            pair = await self._tokens.renew(lease, proven, self._origin(request))
            content = lease.content
            self._seen(Account(content.account), to_text(content.device), _agent_of(request))
            return _tokens(pair)
        raise OAuthError("unsupported_grant_type", f"expected {DEVICE_GRANT} or {REFRESH_GRANT}")

    async def revoke(self, request: Request) -> Response:
        """200: the device is signed out everywhere, for good, or the token was none; 503 while that is not certain.

        `token_type_hint` is not needed to find out which of the two it is (RFC 7009 section 2.1).
        """
        fields = await fields_of(request)
        client = client_of(request, fields, self._clients)
        if not await self._tokens.deactivate(required(fields, "token"), client):
            raise _later("recorded, but a server could not be reached; repeat it", 503, INTERVAL_SECONDS)
        return answer({})

    async def _by_device_code(self, request: Request, client: str, text: str, proven: Proven | None) -> Pair:
        code = read_device_code(text)
        state = "unknown" if code is None else await self._grants.poll(code, client)
        if isinstance(state, str):
            raise OAuthError(*_REFUSALS[state])
        await self._binding.spend(proven)
        language = request.headers.get("accept-language", "")[:256].replace(" ", "").lower()
        observed = Observed(tls=self._tls_of(request), language=language)
        return await self._tokens.begin(state, client, proven, address=self._address_of(request), observed=observed)

    def _asking(self, request: Request, client: str, fields: Mapping[str, str], address: str) -> Asking:
        place = self._places.of(address)
        agent = read_hints(request.headers).applied_to(_agent_of(request))
        make, hardware = self._stated(client, fields.get("device_statement"))
        return Asking(agent, prefix_of(address), place.country or "", place.provider or "", make, hardware)

    def _stated(self, client: str, text: str | None) -> tuple[Make, str]:
        """What an app states of its device, and the tags of the hardware id, which goes no further."""
        if text is None:
            return NO_MAKE, ""
        stated = self._statements.read(client, text)
        if stated is None:
            raise OAuthError("invalid_request", "device_statement: expected a JWS that a key of this client signed")
        return stated.make, tags(self._ring, client, stated.hardware_id)

    def _origin(self, request: Request) -> From:
        agent = _agent_of(request)
        return From(prefix_of(self._address_of(request)), describe(agent).kind if agent else "")


def _agent_of(request: Request) -> str:
    return request.headers.get("user-agent", "")[:MAX_AGENT_CHARS]


def _tokens(pair: Pair) -> Response:
    return answer(
        {
            "access_token": pair.access,
            "token_type": "DPoP" if pair.is_bound else "Bearer",
            "expires_in": pair.expires_in_seconds,
            "refresh_token": pair.refresh,
        }
    )


def _later(detail: str, status: int, wait_seconds: int) -> OAuthError:
    return OAuthError("temporarily_unavailable", detail, status=status, headers={"retry-after": str(wait_seconds)})

"""The two tokens of a TV: one it shows with each request, one it exchanges; both carry what a lease says.

The access token is good without asking the store until its lease ends, a few minutes away. The refresh token is token n
of the sign-in (docs/rotation.md): the same engine as a browser's, with a longer grace.
"""

from dataclasses import dataclass

from msgspec.structs import asdict

from ..errors import BadRequest, Conflict, NotFound
from ..ids import Account
from ..metrics import ACTIVATIONS
from ..revocation.revoke import Revoker
from ..sessions.check import Checker, Denied
from ..sessions.renew import From
from ..sessions.start import OldSession, SignIn, Starter
from ..tokens.codec import Codec
from ..tokens.purposes import AccessToken, Lease, RefreshToken
from .grants import Approved
from .oauth import OAuthError

#: How the website reads in the record of a session that it began by a device grant.
METHOD = "device_code"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both tokens, and how long the first is good."""

    access: str
    refresh: str
    expires_in_seconds: int


class TvTokens:
    """Begins and ends the sign-ins of TVs and renews their tokens; `checker` and `starter` go by the policy of TVs."""

    def __init__(self, starter: Starter, checker: Checker, revoker: Revoker, codec: Codec) -> None:
        self._starter = starter
        self._checker = checker
        self._revoker = revoker
        self._codec = codec

    async def begin(self, approved: Approved, client: str, *, address: str) -> Pair:
        """The tokens of a grant that was approved, and again while the first answer may have been lost.

        Raises OAuthError (the account's state forbids it, or the device has its tokens already), StoreAway.
        """
        try:
            begun = await self._starter.begin(
                SignIn(
                    account=approved.account,
                    remember=True,
                    authenticated_at_ms=approved.authenticated_at_ms,
                    method=METHOD,
                    cookie="",
                    user_agent=approved.agent,
                    address=address,
                    old=OldSession(approved.session, approved.device, approved.approved_by),
                )
            )
        except Conflict as conflict:
            ACTIVATIONS.labels(conflict.code).inc()
            if conflict.code == "old_session_used":
                raise OAuthError("invalid_grant", "this device code was exchanged before") from None
            raise OAuthError("access_denied", conflict.detail) from None
        except BadRequest as wrong:
            raise OAuthError("access_denied", wrong.detail) from None
        ACTIVATIONS.labels("connected").inc()
        return self._pair(RefreshToken(**asdict(begun.lease), client=client))

    async def renew(self, token: str, client: str, origin: From) -> Pair:
        """New tokens for a refresh token, which is superseded when the new one is in use, and not before.

        Raises OAuthError (proved bad, over or ended, or another client's), StoreAway.
        """
        verdict = await self._checker.redeem(
            token.encode("latin-1", "replace"), RefreshToken, origin, allows=lambda lease: _client_of(lease) == client
        )
        if isinstance(verdict, Denied):
            raise OAuthError("invalid_grant", "this refresh token is not good any more: activate the device again")
        content = verdict.content
        assert isinstance(content, RefreshToken)
        return self._pair(content, verdict.token)

    async def deactivate(self, token: str, client: str) -> bool:
        """Sign the device of a token out, for good; False while a worker that cannot be reached may not know it.

        An access token is as good for it as a refresh token, and one that is over as good as another; what is no token
        of ours is nobody's. Safe to repeat. Raises OAuthError (another client's), StoreAway.
        """
        raw = token.encode("latin-1", "replace")
        opened = [self._checker.open(raw, kind) for kind in (RefreshToken, AccessToken)]
        lease = next((one for one in opened if not isinstance(one, Denied)), None)
        if lease is None:
            return True
        if _client_of(lease.content) != client:
            raise OAuthError("invalid_grant", "this token was given to another client")
        try:
            receipt = await self._revoker.revoke(
                Account(lease.account), [("device", lease.device)], reason="deactivated_on_device"
            )
        except NotFound:
            # Its row is gone, and no token of it is good without.
            return True
        ACTIVATIONS.labels("deactivated").inc()
        return receipt.status == "complete"

    def _pair(self, content: RefreshToken, sealed: bytes | None = None) -> Pair:
        return Pair(
            access=self._codec.seal(AccessToken(**asdict(content))).decode(),
            refresh=(sealed or self._codec.seal(content)).decode(),
            expires_in_seconds=(content.lease_end_ms - content.issued_at_ms) // 1000,
        )


def _client_of(lease: Lease) -> str:
    return lease.client if isinstance(lease, RefreshToken | AccessToken) else ""

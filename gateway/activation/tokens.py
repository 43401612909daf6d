"""The two tokens of a TV: one it shows with each request, one it exchanges; both carry what a lease says.

The access token is good without asking the store until its lease ends, a few minutes away. The refresh token is token n
of the sign-in (docs/rotation.md): the same engine as a browser's, with a longer grace. Both may be bound to a key
(binding.py).
"""

from dataclasses import dataclass

from msgspec.structs import asdict

from ..errors import BadRequest, Conflict, NotFound
from ..fingerprint.signals import Observed
from ..ids import Account
from ..metrics import ACTIVATIONS
from ..revocation.revoke import Revoker
from ..sessions.check import Checker, Denied
from ..sessions.leases import OpenLease
from ..sessions.renew import From
from ..sessions.sign_in import OldSession, SignIn
from ..sessions.start import Starter
from ..tokens.codec import Codec
from ..tokens.dpop import Proven
from ..tokens.purposes import AccessToken, BoundAccessToken, BoundRefreshToken, Lease, RefreshToken
from .grants import Approved
from .oauth import OAuthError

#: How the website reads in the record of a session that it began by a device grant.
METHOD = "device_code"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both tokens, how long the first is good, and whether they are bound to a key."""

    access: str
    refresh: str
    expires_in_seconds: int
    is_bound: bool


class TvTokens:
    """Begins and ends the sign-ins of TVs and renews their tokens; `checker` and `starter` go by the policy of TVs."""

    def __init__(self, starter: Starter, checker: Checker, revoker: Revoker, codec: Codec) -> None:
        self._starter = starter
        self._checker = checker
        self._revoker = revoker
        self._codec = codec

    async def begin(
        self, approved: Approved, client: str, proven: Proven | None, *, address: str, observed: Observed
    ) -> Pair:
        """The tokens of a grant that was approved, and again while the first answer may have been lost.

        The repeat is for who was answered first: for the key it proved then, or for who proved none.
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
                    stated=approved.make,
                    hardware=approved.hardware,
                    observed=observed,
                    old=OldSession(approved.session, approved.device, approved.approved_by, _thumbprint(proven)),
                )
            )
        except Conflict as conflict:
            ACTIVATIONS.labels(conflict.code).inc()
            if conflict.code == "old_session_used":
                raise OAuthError("invalid_grant", "this device code was exchanged before") from None
            raise OAuthError("access_denied", conflict.detail) from None
        except BadRequest as wrong:
            raise OAuthError("access_denied", wrong.detail) from None
        if not begun.is_repeated:
            ACTIVATIONS.labels("connected").inc()
        return self._pair(RefreshToken(**asdict(begun.lease), client=client), proven)

    async def open(self, token: str, client: str, proven: Proven | None) -> OpenLease:
        """A refresh token that this client may exchange if it is still good; one that is bound, only by its own key.

        Raises OAuthError (proved bad, another client's, or bound to another key), StoreAway.
        """
        lease = await self._opened(token, RefreshToken, BoundRefreshToken)
        if lease is None or _client_of(lease) != client:
            raise _not_good()
        content = lease.content
        if isinstance(content, BoundRefreshToken):
            if proven is None:
                raise OAuthError("invalid_dpop_proof", "this refresh token is bound to a key: send a DPoP header")
            if proven.thumbprint != content.thumbprint:
                raise OAuthError("invalid_grant", "this refresh token is bound to another key: activate again")
        return lease

    async def renew(self, lease: OpenLease, proven: Proven | None, origin: From) -> Pair:
        """New tokens for an open refresh token, which is superseded when the new one is in use, and not before.

        A sign-in that was not bound is from now on, if a key was proved, and so is every copy of its tokens.
        Raises OAuthError (over, ended, or bound to another key since), StoreAway.
        """
        verdict = await self._checker.redeem(lease, origin, bound_to=_thumbprint(proven))
        if isinstance(verdict, Denied):
            raise _not_good()
        content = verdict.content
        assert isinstance(content, RefreshToken)
        return self._pair(content, proven)

    async def deactivate(self, token: str, client: str) -> bool:
        """Sign the device of a token out, for good; False while a worker that cannot be reached may not know it.

        An access token is as good for it as a refresh token, and one that is over as good as another; what is no token
        of ours is nobody's. Safe to repeat. Raises OAuthError (another client's), StoreAway.
        """
        lease = await self._opened(token, RefreshToken, AccessToken, BoundRefreshToken, BoundAccessToken)
        if lease is None:
            return True
        if _client_of(lease) != client:
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

    async def _opened(self, token: str, *kinds: type[Lease]) -> OpenLease | None:
        raw = token.encode("latin-1", "replace")
        for kind in kinds:
            opened = await self._checker.open(raw, kind)
            if not isinstance(opened, Denied):
                return opened
        return None

    def _pair(self, content: RefreshToken, proven: Proven | None) -> Pair:
        said = asdict(content)
        access: AccessToken
        if proven is None:
            access = AccessToken(**said)
        else:
            said["thumbprint"] = proven.thumbprint
            content, access = BoundRefreshToken(**said), BoundAccessToken(**said)
        return Pair(
            access=self._codec.seal(access).decode(),
            refresh=self._codec.seal(content).decode(),
            expires_in_seconds=(content.lease_end_ms - content.issued_at_ms) // 1000,
            is_bound=proven is not None,
        )


def _thumbprint(proven: Proven | None) -> str:
    return "" if proven is None else proven.thumbprint.hex()


def _client_of(lease: OpenLease) -> str:
    content = lease.content
    assert isinstance(content, RefreshToken | AccessToken)
    return content.client


def _not_good() -> OAuthError:
    return OAuthError("invalid_grant", "this refresh token is not good any more: activate the device again")

"""The whole judgement of a visit: lease, revocation, fence, renewal, and what to do when the store is away."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from latchstring_middleware.cookies import set_cookie

from ..clock import Clock
from ..errors import StoreAway, StoreBusy, StoreRefused
from ..one_thread import StillHanging
from ..revocation.feed import Feed
from ..revocation.link import Link
from ..revocation.restored import Memory
from ..tokens.codec import Reason, Refused
from ..tokens.dpop import Proofs, Unproven
from ..tokens.keyring import KeyRing
from ..tokens.purposes import AccessToken, BoundAccessToken, Lease
from .leases import Leases, OpenLease
from .policy import SESSION_COOKIE, SessionPolicy
from .renew import From, Over, Renewals
from .story import Story
from .visit import Shown, Visit

Level: TypeAlias = Literal["fresh", "remembered"]

#: Sessions whose yes is remembered for requests that may carry no cookie; past it the oldest is forgotten.
_VOUCHED_MAX: Final = 10_000
#: An unknown key id makes a worker look at its key file again, at most this often.
_REREAD_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """Signed in, as judged at `at_ms` by the store's clock. `set_cookie` is the one Set-Cookie value, if any."""

    lease: OpenLease
    level: Level
    at_ms: int
    set_cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Not signed in, and why (a code for logs and metrics). `clear` if a cookie was proved bad or its session over.

    `detail` is told where a proof of a key is not what was expected.
    """

    reason: str
    clear: bool
    detail: str = ""


class Checker:
    """Judges visits for one worker."""

    def __init__(
        self,
        *,
        leases: Leases,
        ring: KeyRing,
        feed: Feed,
        memory: Memory,
        renewals: Renewals,
        clock: Clock,
        policy: SessionPolicy,
        story: Story,
        proofs: Proofs,
    ) -> None:
        self._leases = leases
        self._ring = ring
        self._feed = feed
        self._memory = memory
        self._renewals = renewals
        self._clock = clock
        self._policy = policy
        self._story = story
        self._proofs = proofs
        self._reread_ns = -_REREAD_NS
        #: By token and by whether it was asked for in the background, which extends nothing.
        self._vouched: dict[tuple[bytes, bool], OpenLease] = {}

    async def check(self, visit: Visit) -> Accepted | Denied:
        """Accept or deny a visit; every acceptance ends with the revocation test at the moment of answering.

        Raises StoreAway when it cannot be known: the visitor keeps what he has and comes back.
        """
        verdict = await self._judge(visit)
        if isinstance(verdict, Denied):
            self._story.refused(visit.token, verdict.reason)
        return verdict

    async def redeem(self, lease: OpenLease, origin: From, *, bound_to: str = "") -> OpenLease | Denied:
        """Exchange a token that is nothing but a credential for the one that follows it; the store is asked each time.

        `bound_to` is the thumbprint of the key that was proved. Raises StoreAway.
        """
        if self._is_revoked(lease):
            return Denied("revoked", clear=True)
        if self._feed.links[lease.partition].store_away or self._memory.contradicts(lease.content.issued_at_ms):
            raise StoreAway
        verdict = await self._renewals.renew(lease, advance=True, extend=True, origin=origin, bound_to=bound_to)
        if isinstance(verdict, Over):
            self._story.denied(lease, verdict.reason)
            return Denied(verdict.reason, clear=False)
        self._story.renewed(verdict.lease, verdict.note)
        return Denied("revoked", clear=True) if self._is_revoked(verdict.lease) else verdict.lease

    async def _judge(self, visit: Visit) -> Accepted | Denied:
        if visit.token is None:
            if visit.shown is None:
                return Denied("no_cookie", clear=False)
            return await self._check_shown(visit, visit.shown)
        lease = await self.open(visit.token)
        if isinstance(lease, Denied):
            return lease
        link = await self._link_for(lease)
        if self._is_revoked(lease):
            # What is revoked stays so, however old the knowledge.
            return Denied("revoked", clear=True)
        if link.holds():
            can_wait = visit.carry == "none" or not self._is_due(lease) or self._renewals.crowded
            if self._is_running(lease) and can_wait and not self._is_doubted(lease):
                return self._accept(lease, visit)
            if visit.carry == "none":
                vouched = self._vouched.get((lease.token, visit.background))
                if (
                    vouched is not None
                    and self._is_running(vouched)
                    and not self._is_revoked(vouched)
                    and not self._is_doubted(vouched)
                ):
                    return self._accept(vouched, visit)
        if link.store_away:
            # Nobody waits for a store that is known to be away; heartbeats find out when it is back.
            if not self._may_bridge(lease):
                raise StoreAway
            return self._accept(lease, visit)
        if self._memory.contradicts(lease.content.issued_at_ms):
            raise StoreAway
        return await self._ask_store(lease, visit)

    async def _check_shown(self, visit: Visit, shown: Shown) -> Accepted | Denied:
        if shown.proofs is None:
            return await self.check_access(shown.token)
        verdict = await self.check_access(shown.token, BoundAccessToken)
        if isinstance(verdict, Denied):
            return verdict
        # That the proof came before is not looked for (docs/decisions.md).
        proven = self._proofs.judge(
            shown.proofs, method=visit.method, target=visit.target, site=visit.site, access_token=shown.token
        )
        if isinstance(proven, Unproven):
            return Denied(proven.error, clear=False, detail=proven.detail)
        content = verdict.lease.content
        assert isinstance(content, BoundAccessToken)
        if proven.thumbprint != content.thumbprint:
            return Denied("invalid_dpop_proof", clear=False, detail="expected a proof of the key of this token")
        return verdict

    async def check_access(self, token: bytes, kind: type[AccessToken] = AccessToken) -> Accepted | Denied:
        """Judge an access token, but not who shows it: nothing renews it here, so it is good until it ends.

        Raises StoreAway.
        """
        lease = await self.open(token, kind)
        if isinstance(lease, Denied):
            return lease
        link = await self._link_for(lease)
        if self._is_revoked(lease):
            return Denied("revoked", clear=False)
        if not link.holds() and not self._may_bridge(lease):
            raise StoreAway
        # One in doubt is as good as over: the app refreshes, and the store decides.
        if link.holds() and (not self._is_running(lease) or self._is_doubted(lease)):
            return Denied("token_expired", clear=False)
        # No password was ever typed on it.
        return Accepted(lease, "remembered", max(self._store_ms(lease), lease.content.issued_at_ms))

    async def _link_for(self, lease: OpenLease) -> Link:
        link = self._feed.links[lease.partition]
        if not link.holds() and not link.store_away and self._is_running(lease):
            # A stall of this process, or a store that went away: one shared heartbeat tells which.
            await self._feed.refresh(lease.partition)
            link = self._feed.links[lease.partition]
        return link

    async def _ask_store(self, lease: OpenLease, visit: Visit) -> Accepted | Denied:
        try:
            verdict = await self._renewals.renew(
                lease, advance=visit.carry == "advance", extend=not visit.background, origin=From.of(visit)
            )
        except StoreAway as fault:
            # A store that is there and busy, or answers with an error of ours, is no outage.
            is_outage = not isinstance(fault, StoreRefused | StoreBusy)
            if not self._may_bridge(lease, is_outage=is_outage):
                raise
            return self._accept(lease, visit)
        if isinstance(verdict, Over):
            # What the store has lost, or never saw, may come back with it: the cookie stays.
            return Denied(verdict.reason, clear=verdict.reason not in ("lost", "unknown"))
        renewed = verdict.lease
        self._story.renewed(renewed, verdict.note)
        if self._is_revoked(renewed):
            return Denied("revoked", clear=True)
        if visit.carry == "none":
            self._vouch((lease.token, visit.background), renewed)
            return self._accept(renewed, visit)
        return self._accept(renewed, visit, set_cookie=self.cookie(renewed))

    def cookie(self, lease: OpenLease) -> str:
        """The Set-Cookie value of a lease: for the browser's run, or sliding as far as the user is remembered."""
        seconds = round(self._policy.remember_idle_seconds) if lease.content.remembered else None
        return set_cookie(SESSION_COOKIE, lease.token.decode(), max_age_seconds=seconds)

    async def open(self, token: bytes, kind: type[Lease] = Lease) -> OpenLease | Denied:
        """A token whose signature holds for this purpose; says nothing about time or revocation. Raises StoreAway while
        its key has not reached this host.
        """
        lease = self._leases.find(token, kind)
        if isinstance(lease, Refused) and lease.reason is Reason.UNKNOWN_KEY:
            now_ns = self._clock.boot_ns()
            if now_ns - self._reread_ns >= _REREAD_NS:
                self._reread_ns = now_ns
                if await self._reread():
                    self._leases.refresh()
                    self._feed.announce()
                # The task that watches the file may have taken it up meanwhile.
                lease = self._leases.find(token, kind)
        if isinstance(lease, Refused):
            if lease.reason is Reason.UNKNOWN_KEY and token.split(b".")[1].decode("latin-1") in self._ring.missing:
                raise StoreAway("the key of this cookie has not reached this host yet", code="keys_behind")
            # A key this worker has not seen yet is no proof against the token.
            return Denied(str(lease.reason), clear=lease.reason is not Reason.UNKNOWN_KEY)
        return lease

    async def _reread(self) -> bool:
        try:
            return await self._ring.follow()
        except StillHanging:
            # The disk does not answer; the task that watches the file says so.
            return False

    def _may_bridge(self, lease: OpenLease, *, is_outage: bool = True) -> bool:
        """Whether this lease stands although the store cannot be asked: it is good, or was at the last contact before
        an outage.
        """
        link, policy = self._feed.links[lease.partition], self._policy
        # What was loaded from a store that was put back lacks what was revoked since the backup.
        if self._is_revoked(lease) or self._is_doubted(lease) or self._memory.found:
            return False
        if link.holds() and self._is_running(lease):
            return True
        silent_ns = self._clock.boot_ns() - link.fence.contact_ns
        return (
            is_outage
            and policy.outage_rule == "last-known-good"
            and link.loaded
            and silent_ns <= policy.last_known_good_seconds * 1e9
            and lease.begins_at_ms <= link.fence.contact_store_ms < lease.ends_at_ms
        )

    def _accept(self, lease: OpenLease, visit: Visit, *, set_cookie: str | None = None) -> Accepted | Denied:
        content = lease.content
        # A worker that hears no heartbeat knows the store's time only from the lease that the store has just renewed.
        now_ms = max(self._store_ms(lease), content.issued_at_ms)
        fresh = now_ms < content.fresh_until_ms and visit.run == lease.run
        if not fresh and not content.remembered:
            # The browser was closed, or the session's own limits are over; the box was not ticked.
            return Denied("over", clear=True)
        return Accepted(lease, "fresh" if fresh else "remembered", now_ms, set_cookie)

    def _vouch(self, presented: tuple[bytes, bool], renewed: OpenLease) -> None:
        if len(self._vouched) >= _VOUCHED_MAX:
            self._vouched.pop(next(iter(self._vouched)))
        self._vouched[presented] = renewed

    def _store_ms(self, lease: OpenLease) -> int:
        return self._feed.links[lease.partition].store_ms()

    def _is_running(self, lease: OpenLease) -> bool:
        return lease.begins_at_ms <= self._store_ms(lease) < lease.ends_at_ms

    def _is_due(self, lease: OpenLease) -> bool:
        return self._store_ms(lease) >= lease.renew_at_ms

    def _is_doubted(self, lease: OpenLease) -> bool:
        return self._feed.doubts.doubts(lease.partition, lease.content.issued_at_ms)

    def _is_revoked(self, lease: OpenLease) -> bool:
        return self._feed.replica.is_revoked(lease.session, lease.device, lease.account, lease.content.generation)

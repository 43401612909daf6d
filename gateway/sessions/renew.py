"""Renewing a lease: one store round trip, shared by the requests that ask for the same before it is sent."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from msgspec.structs import replace

from ..devices.place import prefix_of
from ..errors import StoreAway, StoreBusy
from ..ids import new_id
from ..metrics import CREDENTIALS
from ..recognition.describe import describe
from ..revocation.feed import Feed
from ..revocation.pulse import CLOCK_TOLERANCE_MS
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from ..tokens.purposes import Lease
from .leases import Leases, OpenLease
from .policy import USED_AFTER_MS, SessionPolicy
from .visit import Visit

_RENEW = load(
    Path(__file__).parent / "renew.lua",
    keys=("session", "account", "device", "generations", "revocations", "number", "outbox"),
    args=(
        "prefix",
        "session_id",
        "presented",
        "issued_at_ms",
        "generation",
        "may_advance",
        "extend",
        "expected_ms",
        "may_accuse",
        "place",
        "kind",
        "lease_ms",
        "session_idle_ms",
        "session_absolute_ms",
        "remember_idle_ms",
        "rotate_every_ms",
        "grace_ms",
        "used_after_ms",
        "clock_tolerance_ms",
        "even_since_ms",
        "losses",
        "key_id",
        "event_id",
        "bound_to",
    ),
)

#: "lost": the store has lost the row or is younger than the token. "unknown": it has no row and that is not why.
#: "other_key": the family is bound to a key, and another or none was proved; nothing was consumed.
Ended: TypeAlias = Literal[
    "lost", "unknown", "ended", "device_removed", "signed_out", "disabled", "over", "reuse", "other_key"
]
#: A lease is cut by up to a tenth at random, so that leases made in one burst do not end in one.
_JITTER: Final = 0.1
#: Scripts under way at once: fewer than the pool holds, so that sign-ins and removals find a connection in any crowd.
AT_ONCE: Final = 24
#: From this many renewals waiting or under way, one that can wait does.
CROWD: Final = 16


@dataclass(frozen=True, slots=True)
class Renewed:
    """The session lives; `lease` is sealed anew and `note` says what rotation saw.

    "renewed", "advanced"; "replayed", "replayed_again" (twice in a day), "suspect" (from another network and kind of
    device): the previous token, whose successor nobody is known to have; "store_rollback": a token the store had lost.
    """

    lease: OpenLease
    note: str


@dataclass(frozen=True, slots=True)
class Over:
    """The session is proved over, and why."""

    reason: Ended


@dataclass(frozen=True, slots=True)
class From:
    """Where a token comes from, as far as it is kept: a network prefix and a kind of device; empty if unknown."""

    place: str
    kind: str

    @classmethod
    def of(cls, visit: Visit) -> "From":
        """The origin of a visit."""
        return cls(prefix_of(visit.client_address), describe(visit.agent).kind if visit.agent else "")


_Key: TypeAlias = tuple[bytes, bool, bool, From, str]


class Renewals:
    """Sends renewals; at most one unsent one for the same token and manner, at most `AT_ONCE` under way.

    In a crowd (after an outage, or on a slow store) whoever must be renewed waits in line, at most half the store's
    time limit, and whoever holds a lease that still runs is not renewed yet.
    """

    def __init__(self, store: Store, leases: Leases, feed: Feed, policy: SessionPolicy) -> None:
        self._store = store
        self._leases = leases
        self._feed = feed
        self._policy = policy
        self._unsent: dict[_Key, asyncio.Task[Renewed | Over]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._under_way = 0

    @property
    def crowded(self) -> bool:
        """Whether a lease that still runs should be let be: a later check renews it."""
        return self._under_way >= CROWD

    async def renew(
        self, lease: OpenLease, *, advance: bool, extend: bool, origin: From, bound_to: str = ""
    ) -> Renewed | Over:
        """Redeem the lease's token (design: one engine for rotating credentials).

        `advance` lets the counter move if it is due: only when the answer carries the cookie. `extend` is false for
        background polls, which do not keep a session from idling. `bound_to` is the thumbprint of the key that was
        proved: the first binds the family. The script is sent after this call. Raises StoreAway.
        """
        key = (lease.token, advance, extend, origin, bound_to)
        pending = self._unsent.get(key)
        if pending is None:
            pending = self._unsent[key] = asyncio.create_task(self._send(key, lease))
            self._under_way += 1
            pending.add_done_callback(self._is_done)
        return await asyncio.shield(pending)

    async def _send(self, key: _Key, lease: OpenLease) -> Renewed | Over:
        try:
            # Requests of one burst reach this worker in one turn of the loop.
            await asyncio.sleep(0)
            async with asyncio.timeout(self._store.timeout_seconds / 2):
                await self._turns.acquire()
        except TimeoutError:
            raise StoreBusy("too many wait for the store; try again") from None
        finally:
            # From here on it counts as sent: a later request may have come after what the script will read.
            del self._unsent[key]
        try:
            return await self._renew(key, lease)
        finally:
            self._turns.release()

    def _is_done(self, _renewal: asyncio.Task[Renewed | Over]) -> None:
        self._under_way -= 1

    async def _renew(self, key: _Key, lease: OpenLease) -> Renewed | Over:
        answer = await self._redeem(key, lease, may_accuse=False)
        if answer[0] in ("unsure", "unknown"):
            # What looks like theft or a stranger may be a store that has lost its last writes, or whose clock was set.
            # A heartbeat that begins now learns of it; where it fails, a fence from before may still hold.
            if not await self._feed.refresh(lease.partition) or self._feed.links[lease.partition].store_away:
                raise StoreAway
            answer = await self._redeem(key, lease, may_accuse=True)
        if answer[0] == "unsure":
            raise StoreBusy("the store's clock was set; try again")
        if answer[0] != "ok":
            reason = cast(Ended, answer[0])
            if reason == "unknown":
                reason = self._why_unknown(lease, answer[1])
            CREDENTIALS.labels(reason).inc()
            return Over(reason)
        _ok, now_ms, n, fresh_until_ms, note = answer
        CREDENTIALS.labels(note).inc()
        return Renewed(self._leases.seal(self._reissued(lease.content, now_ms, n, fresh_until_ms)), note)

    def _why_unknown(self, lease: OpenLease, now_ms: int) -> Ended:
        content = lease.content
        if now_ms >= content.authenticated_at_ms + self._policy.family_ms(remembered=content.remembered):
            # Its row is kept longer than any of its tokens is good, and was let go since.
            return "over"
        return "lost" if self._feed.links[lease.partition].history.may_lack(content.issued_at_ms) else "unknown"

    def _reissued(self, former: Lease, now_ms: int, n: int, fresh_until_ms: int) -> Lease:
        lease_ms = round(self._policy.lease_seconds * 1000)
        cut = secrets.randbelow(max(1, round(lease_ms * _JITTER)))
        return replace(
            former, n=n, issued_at_ms=now_ms, fresh_until_ms=fresh_until_ms, lease_end_ms=now_ms + lease_ms - cut
        )

    async def _redeem(self, key: _Key, lease: OpenLease, *, may_accuse: bool) -> tuple[str, int, int, int, str]:
        _token, advance, extend, origin, bound_to = key
        policy, partition = self._policy, lease.partition
        link = self._feed.links[partition]
        answer = await _RENEW(
            self._store,
            {
                "session": keys.session(partition, lease.session),
                "account": keys.account(lease.account),  # type: ignore[arg-type]  # checked by the codec
                "device": keys.device(partition, lease.device),
                "generations": keys.generations(partition),
                "revocations": keys.revocations(partition),
                "number": keys.number(partition),
                "outbox": keys.outbox(partition),
            },
            {
                "prefix": keys.prefix(partition),
                "session_id": lease.session,
                "presented": lease.content.n,
                "issued_at_ms": lease.content.issued_at_ms,
                "generation": lease.content.generation,
                "may_advance": int(advance),
                "extend": int(extend),
                "expected_ms": link.store_ms() if link.holds() else 0,
                "may_accuse": int(may_accuse),
                "place": origin.place,
                "kind": origin.kind,
                "lease_ms": round(policy.lease_seconds * 1000),
                "session_idle_ms": round(policy.session_idle_seconds * 1000),
                "session_absolute_ms": round(policy.session_absolute_seconds * 1000),
                "remember_idle_ms": round(policy.remember_idle_seconds * 1000),
                "rotate_every_ms": round(policy.rotate_every_seconds * 1000),
                "grace_ms": round(policy.grace_seconds * 1000),
                "used_after_ms": USED_AFTER_MS,
                "clock_tolerance_ms": CLOCK_TOLERANCE_MS,
                "even_since_ms": link.history.even_since_ms,
                "losses": link.history.losses,
                # Of the token that was shown, not of the one it is exchanged for: that one may never arrive.
                "key_id": lease.key_id,
                "event_id": f"evt_{new_id()}",
                "bound_to": bound_to,
            },
            # Of a former primary that others no longer follow, not even a yes counts.
            replicas=self._store.replicas.checks,
        )
        if answer[0] != "ok":
            return (answer[0], int(answer[1]), 0, 0, "")
        if len(answer) != 5:
            raise StoreAway("the store answered out of contract")
        return ("ok", int(answer[1]), int(answer[2]), int(answer[3]), answer[4])

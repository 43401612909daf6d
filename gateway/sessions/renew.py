"""Renewing a lease: one store round trip, shared by the requests that ask for the same before it is sent."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from msgspec.structs import replace

from ..errors import StoreAway
from ..ids import new_id
from ..revocation.feed import Feed
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from ..tokens.purposes import Lease
from .leases import Leases, OpenLease
from .policy import LOSS_WINDOW_MS, USED_AFTER_MS, SessionPolicy

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
        "fenced",
        "may_accuse",
        "lease_ms",
        "session_idle_ms",
        "session_absolute_ms",
        "remember_idle_ms",
        "rotate_every_ms",
        "grace_ms",
        "used_after_ms",
        "loss_window_ms",
        "epoch_stamp_ms",
        "event_id",
    ),
)

Ended: TypeAlias = Literal["unknown", "ended", "device_removed", "signed_out", "disabled", "over", "reuse"]
#: A lease is cut by up to a tenth at random, so that leases made in one burst do not end in one.
_JITTER: Final = 0.1
#: Scripts under way at once: fewer than the pool holds, so that sign-ins and removals find a connection in any crowd.
AT_ONCE: Final = 24
#: From this many renewals waiting or under way, one that can wait does.
CROWD: Final = 16


@dataclass(frozen=True, slots=True)
class Renewed:
    """The session lives; `lease` is sealed anew and `note` says what rotation saw (empty: nothing of interest)."""

    lease: OpenLease
    note: str


@dataclass(frozen=True, slots=True)
class Over:
    """The session is proved over, and why."""

    reason: Ended


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
        self._unsent: dict[tuple[bytes, bool, bool], asyncio.Task[Renewed | Over]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._under_way = 0

    @property
    def crowded(self) -> bool:
        """Whether a lease that still runs should be let be: a later check renews it."""
        return self._under_way >= CROWD

    async def renew(self, lease: OpenLease, *, advance: bool, extend: bool) -> Renewed | Over:
        """Redeem the lease's token (design: one engine for rotating credentials).

        `advance` lets the counter move if it is due: only when the answer carries the cookie. `extend` is false for
        background polls, which do not keep a session from idling. The script is sent after this call. Raises StoreAway.
        """
        key = (lease.token, advance, extend)
        pending = self._unsent.get(key)
        if pending is None:
            pending = self._unsent[key] = asyncio.create_task(self._send(key, lease))
            self._under_way += 1
            pending.add_done_callback(self._is_done)
        return await asyncio.shield(pending)

    async def _send(self, key: tuple[bytes, bool, bool], lease: OpenLease) -> Renewed | Over:
        try:
            # Requests of one burst reach this worker in one turn of the loop.
            await asyncio.sleep(0)
            async with asyncio.timeout(self._store.timeout_seconds / 2):
                await self._turns.acquire()
        except TimeoutError:
            raise StoreAway("too many wait for the store; try again") from None
        finally:
            # From here on it counts as sent: a later request may have come after what the script will read.
            del self._unsent[key]
        try:
            return await self._renew(key, lease)
        finally:
            self._turns.release()

    def _is_done(self, _renewal: asyncio.Task[Renewed | Over]) -> None:
        self._under_way -= 1

    async def _renew(self, key: tuple[bytes, bool, bool], lease: OpenLease) -> Renewed | Over:
        _token, advance, extend = key
        answer = await self._redeem(lease, advance=advance, extend=extend, may_accuse=False)
        if answer[0] == "ahead":
            # A heartbeat that begins now learns of the epoch in which the last writes were lost, if there is one.
            if not await self._feed.refresh():
                raise StoreAway
            answer = await self._redeem(lease, advance=advance, extend=extend, may_accuse=True)
        if answer[0] != "ok":
            return Over(cast(Ended, answer[0]))
        _ok, now_ms, n, fresh_until_ms, note = answer
        return Renewed(self._leases.seal(self._reissued(lease.content, now_ms, n, fresh_until_ms)), note)

    def _reissued(self, former: Lease, now_ms: int, n: int, fresh_until_ms: int) -> Lease:
        lease_ms = round(self._policy.lease_seconds * 1000)
        cut = secrets.randbelow(max(1, round(lease_ms * _JITTER)))
        return replace(
            former, n=n, issued_at_ms=now_ms, fresh_until_ms=fresh_until_ms, lease_end_ms=now_ms + lease_ms - cut
        )

    async def _redeem(
        self, lease: OpenLease, *, advance: bool, extend: bool, may_accuse: bool
    ) -> tuple[str, int, int, int, str]:
        policy, partition = self._policy, lease.partition
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
                "fenced": int(not self._feed.holds()),
                "may_accuse": int(may_accuse),
                "lease_ms": round(policy.lease_seconds * 1000),
                "session_idle_ms": round(policy.session_idle_seconds * 1000),
                "session_absolute_ms": round(policy.session_absolute_seconds * 1000),
                "remember_idle_ms": round(policy.remember_idle_seconds * 1000),
                "rotate_every_ms": round(policy.rotate_every_seconds * 1000),
                "grace_ms": round(policy.grace_seconds * 1000),
                "used_after_ms": USED_AFTER_MS,
                "loss_window_ms": LOSS_WINDOW_MS,
                "epoch_stamp_ms": self._feed.epoch_stamp_ms,
                "event_id": f"evt_{new_id()}",
            },
        )
        if answer[0] != "ok":
            return (answer[0], int(answer[1]), 0, 0, "")
        if len(answer) != 5:
            raise StoreAway("the store answered out of contract")
        return ("ok", int(answer[1]), int(answer[2]), int(answer[3]), answer[4])

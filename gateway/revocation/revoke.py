"""The act of forgetting: one script, then the barrier, then a receipt that says exactly what is certain."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from .. import logs, metrics
from ..clock import Clock
from ..errors import BadRequest, NotFound, StoreAway, TooFewReplicas
from ..ids import Account, new_id
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from ..tokens.log_names import LogNames
from .account_rows import AccountRows
from .barrier import Barrier
from .certify import Certifier
from .filed import Appended
from .idempotency import bind
from .receipt import Receipt

_REVOKE = load(
    Path(__file__).parent / "revoke.lua",
    keys=("account", "devices", "generations", "revocations", "number", "home", "receipt", "outbox", "repeat"),
    args=("prefix", "account", "revocation_id", "reply_to", "event_prefix", "reason", "before"),
)
#: Targets of one script: 50 devices cost the store some 10 ms.
SLICE: Final = 50
#: What can be revoked for an account; "disable" signs it out everywhere and lets nobody sign in any more.
Target: TypeAlias = Literal["device", "session", "account", "disable"]

_log = logs.get("revocation")


class Revoker:
    """Revokes on behalf of the worker `reply_to`, whose feed hears the acknowledgements."""

    def __init__(
        self, store: Store, clock: Clock, certifier: Certifier, barrier: Barrier, names: LogNames, *, reply_to: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._certifier = certifier
        self._barrier = barrier
        self._names = names
        self._reply_to = reply_to
        self._rows = AccountRows(store)

    async def revoke(
        self,
        account: Account,
        targets: Sequence[tuple[Target, str]],
        *,
        reason: str,
        repeat_key: str | None = None,
        act: str = "",
    ) -> Receipt:
        """Revoke all of `targets`, `SLICE` at a time, and wait for the receipt (milliseconds; or one fence).

        A complete receipt means that no worker on any node accepts them again. With `repeat_key` the call may be
        repeated safely for 24 hours, and is awaited like the first; `act` is what the key stands for, where that is
        not these very targets. Raises NotFound (unknown device or session: nothing was changed), BadRequest (no
        target), Conflict (the key of another act), StoreAway (not confirmed: repeat), TooFewReplicas (recorded, but a
        fail-over may lose it: repeat).
        """
        if not targets:
            raise BadRequest("nothing_to_revoke", "expected at least one device, session or account")
        if repeat_key is not None:
            await bind(self._store, repeat_key, act or _act_of(account, targets))
        revocation_id = f"{keys.partition_of(account):02x}.{new_id()}"
        started_ns = self._clock.boot_ns()
        self._barrier.open(revocation_id)
        open_ids = [revocation_id]
        try:
            if repeat_key is not None and len(targets) > SLICE and (made := await self._made(account, repeat_key)):
                return await self._certifier.again(made)
            earlier = await self._append_slices(account, targets, reason, open_ids)
            rest = targets[len(earlier) * SLICE :]
            entry = await self._append(account, revocation_id, rest, reason, repeat_key, open_ids[1:])
            if isinstance(entry, str):
                return await self._certifier.again(entry)
            self._tell(account, rest, reason)
            receipt = await self._certifier.certify(
                revocation_id, [*earlier, entry], started_ns=started_ns, reason=reason
            )
            if any(kind in ("account", "disable") for kind, _ in targets):
                await self._rows.clear(account)
            return receipt
        except StoreAway:
            metrics.REVOCATIONS.labels("unconfirmed").inc()
            raise
        finally:
            for one in open_ids:
                self._barrier.close(one)

    async def _append_slices(
        self, account: Account, targets: Sequence[tuple[Target, str]], reason: str, open_ids: list[str]
    ) -> list[Appended]:
        """All but the last `SLICE` targets, a script for each slice, so that none holds the store for long.

        What fails half-way is repeated as a whole: who is removed already is revoked once more, and told nobody twice.
        """
        if len(targets) <= SLICE:
            return []
        await self._rows.must_exist(account, targets)
        appended: list[Appended] = []
        for start in range(0, (len(targets) - 1) // SLICE * SLICE, SLICE):
            slice_id = f"{keys.partition_of(account):02x}.{new_id()}"
            open_ids.append(slice_id)
            self._barrier.open(slice_id)
            entry = await self._append(account, slice_id, targets[start : start + SLICE], reason, None)
            assert isinstance(entry, Appended), "a slice has an id of its own"
            appended.append(entry)
            # Told as it goes: thousands of lines at once would stall the worker.
            self._tell(account, targets[start : start + SLICE], reason)
        return appended

    async def close(self) -> None:
        """Listen for no late acknowledgements any more."""
        await self._certifier.close()

    def _tell(self, account: Account, targets: Sequence[tuple[Target, str]], reason: str) -> None:
        whose = self._names.of("account", account)
        for kind, subject in targets:
            if kind == "session":
                _log.info("session_ended", session=self._names.of(kind, subject), account=whose, reason=reason)
            elif kind == "device":
                _log.info("device_removed", device=self._names.of(kind, subject), account=whose, reason=reason)
            else:
                _log.info("account_signed_out", account=whose, reason=reason)

    async def repeated(self, account: Account, *, repeat_key: str, act: str) -> Receipt | None:
        """The receipt of what was revoked with this key before, awaited like the first time; None if nothing was.

        For acts whose targets are found out anew each time. Raises Conflict and StoreAway.
        """
        await bind(self._store, repeat_key, act)
        made = await self._made(account, repeat_key)
        return None if made is None else await self._certifier.again(made)

    async def _made(self, account: Account, repeat_key: str) -> str | None:
        """The id of what was revoked with this key."""
        made = await self._store.guard(self._store.redis.get(_repeat(account, repeat_key)))
        return None if made is None else str(made)

    async def find(self, revocation_id: str) -> Receipt:
        """The receipt of an earlier revocation, as of now (Certifier.find)."""
        return await self._certifier.find(revocation_id)

    async def _append(
        self,
        account: Account,
        revocation_id: str,
        targets: Sequence[tuple[Target, str]],
        reason: str,
        repeat_key: str | None,
        before: Sequence[str] = (),
    ) -> Appended | str:
        """The new entry, or the id of the revocation that has been made with this key before.

        `before` are the ids of the slices that went before it in one act.
        """
        partition = keys.partition_of(account)
        try:
            status, said, *home = await _REVOKE(
                self._store,
                {
                    "account": keys.account(account),
                    "devices": keys.devices(account),
                    "generations": keys.generations(partition),
                    "revocations": keys.revocations(partition),
                    "number": keys.number(partition),
                    "home": keys.home(partition),
                    "receipt": keys.receipt(partition, revocation_id),
                    "outbox": keys.outbox(partition),
                    "repeat": _repeat(account, repeat_key or revocation_id),
                },
                {
                    "prefix": keys.prefix(partition),
                    "account": account,
                    "revocation_id": revocation_id,
                    "reply_to": self._reply_to,
                    "event_prefix": f"evt_{new_id()}",
                    "reason": reason,
                    "before": " ".join(before),
                },
                tuple(word for target in targets for word in target),
                replicas=self._store.replicas.writes,
            )
        except TooFewReplicas:
            raise
        except StoreAway as fault:
            raise StoreAway(
                "the revocation is not confirmed; repeat it with the same Idempotency-Key",
                code="revocation_not_confirmed",
            ) from fault
        if status == "repeated":
            return str(said)
        if status != "ok":
            # A replica left behind knows nothing of what came since, and may not write: a heartbeat shows it.
            if not await self._certifier.follows(partition):
                raise StoreAway
            raise NotFound(status, f"no such {status.removeprefix('unknown_')} on this account")
        return Appended(revocation_id, partition, *home)


def _repeat(account: Account, repeat_key: str) -> str:
    # A name may hold ":", and then two pairs would make one key.
    whose = quote(account, safe="@+")
    return f"{keys.prefix(keys.partition_of(account))}repeat:{whose}:{repeat_key}"


def _act_of(account: Account, targets: Sequence[tuple[Target, str]]) -> str:
    return " ".join([account, *(word for target in sorted(targets) for word in target)])

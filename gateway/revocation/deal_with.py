"""What the operator orders after a store was put back from a backup: end every family there is, then trust it again.

Which revocations the backup lacks, nobody can say for certain: a worker knows those of its last minutes. So nothing is
replayed but what the workers themselves give back; whoever was signed in signs in again, and nothing revoked returns.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import Conflict
from ..ids import new_id
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from . import registry
from .everybody import raise_floor
from .fence import DRIFT
from .restored import LOSS_WINDOW_MS, examine

_DISTRUST = load(Path(__file__).parent / "distrust.lua", keys=("deployment",), args=())
_TRUST_AGAIN = load(Path(__file__).parent / "trust_again.lua", keys=("deployment",), args=())
#: Store calls under way at once: fewer than the pool holds.
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Dealt:
    """The receipt: instants by the store's clock. `noticed`: a worker had found out before the operator spoke."""

    noticed: bool
    remembered_ms: int
    started_ms: int
    ended_at_ms: int
    trusted_again_ms: int
    workers: int


async def deal_with_restored(store: Store, *, backup_ms: int) -> Dealt:
    """End every session begun before now, then let the workers trust the store again; may be repeated.

    Raises Conflict (this store was not started since the backup, or remembers less than `backup_ms`: another backup),
    StoreAway (nobody trusts the store meanwhile: repeat).
    """
    finding = await examine(store, seen_ms=0)
    if not finding.gaps:
        raise Conflict("not_restored", "this store was never stopped since it began, so it was not put back")
    remembered_ms, started_ms = finding.gaps[-1]
    if backup_ms > remembered_ms + LOSS_WINDOW_MS:
        raise Conflict(
            "wrong_backup_time",
            f"expected a time no later than the store's last heartbeat before its start, {remembered_ms} ms",
        )
    await _DISTRUST(store, {"deployment": keys.DEPLOYMENT}, {})
    # After this nobody in contact trusts what he loaded before, as with any silent worker.
    workers = await registry.read(store)
    longest_ms = max((one.row.fence_ms for one in workers), default=0)
    await asyncio.sleep(longest_ms * DRIFT / 1000)
    act, ended_at_ms = new_id(), 0
    for start in range(0, keys.PARTITIONS, _AT_ONCE):
        chunk = range(start, start + _AT_ONCE)
        calls = (raise_floor(store, partition, act, reason="store_restored") for partition in chunk)
        ended_at_ms = max(ended_at_ms, *(at_ms for at_ms, _entry in await asyncio.gather(*calls)))
    # Last: whoever trusts the store from here on has loaded what was written above.
    trusted_again_ms = await _TRUST_AGAIN(store, {"deployment": keys.DEPLOYMENT}, {})
    return Dealt(finding.restored, remembered_ms, started_ms, ended_at_ms, trusted_again_ms, len(workers))

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
from .restored import LOSS_WINDOW_MS, Finding, examine

_DISTRUST = load(Path(__file__).parent / "distrust.lua", keys=("deployment",), args=())
_TRUST_AGAIN = load(Path(__file__).parent / "trust_again.lua", keys=("deployment",), args=("as",))
#: Store calls under way at once: fewer than the pool holds.
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Dealt:
    """The receipt: instants by the store's clock. `noticed`: a worker had found out before the operator spoke.

    `remembered_ms` is the last thing this copy knows of, `started_ms` when it was put into service.
    """

    noticed: bool
    backup_ms: int
    remembered_ms: int
    started_ms: int
    ended_at_ms: int
    trusted_again_ms: int
    workers: int


async def deal_with_restored(store: Store, *, backup_ms: int) -> Dealt:
    """End every session begun before now, then let the workers trust the store again; may be repeated.

    `backup_ms` is when the copy was made, as well as a person knows it. Raises Conflict (this store was not started
    since it began, or was last started before `backup_ms`: another copy), StoreAway (nobody trusts the store meanwhile:
    repeat).
    """
    finding = await examine(store, seen_ms=0)
    if not finding.gaps:
        raise Conflict("not_restored", "this store was never stopped since it began, so it was not put back")
    remembered_ms, started_ms = _gap_of(finding, backup_ms)
    if backup_ms > started_ms:
        raise Conflict(
            "wrong_backup_time", f"expected a time no later than the start of this copy of the store, {started_ms} ms"
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
    trusted_again_ms = await _TRUST_AGAIN(store, {"deployment": keys.DEPLOYMENT}, {"as": "restored"})
    return Dealt(finding.restored, backup_ms, remembered_ms, started_ms, ended_at_ms, trusted_again_ms, len(workers))


async def deal_with_moved(store: Store) -> int:
    """Trust a store whose directory was moved by copying, with nothing lost: nobody is signed out. When it was trusted.

    Raises Conflict (nobody had noticed a copy, or more than that speaks against this store), StoreAway.
    """
    finding = await examine(store, seen_ms=0)
    if not finding.restored:
        raise Conflict("not_restored", "nobody has noticed that this store was moved, so there is nothing to allow")
    if finding.by != "directory":
        raise Conflict(
            "not_only_moved",
            "this store was seen at a time of which it remembers nothing: run `latchstring store restored`",
        )
    return int(await _TRUST_AGAIN(store, {"deployment": keys.DEPLOYMENT}, {"as": "moved"}))


def _gap_of(finding: Finding, backup_ms: int) -> tuple[int, int]:
    """From the last memory of the copy that was made at this time to its start: of a running store it was made at that
    memory, of a stopped one at any time until the start. The last start, if none fits better.
    """
    for remembered_ms, started_ms in reversed(finding.gaps):
        if remembered_ms - LOSS_WINDOW_MS <= backup_ms <= started_ms:
            return remembered_ms, started_ms
    return finding.gaps[-1]

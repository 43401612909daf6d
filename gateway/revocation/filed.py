"""Receipts as they stand in the store: filing one, reading it as of now, ringing again for one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import NotFound
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .receipt import Missing, Receipt
from .registry import RollCall

_HERE = Path(__file__).parent
_READ = load(_HERE / "read_receipt.lua", keys=("receipt", "home"), args=())
_FILE = load(_HERE / "file_receipt.lua", keys=("receipt",), args=("verdict", "clock", "wait_ms", "keep_ms"))
_RING_AGAIN = load(_HERE / "ring_again.lua", keys=("receipt", "revocations", "home"), args=("reply_to",))
#: What the id of a receipt over all partitions begins with; any other begins with its partition.
EVERYBODY: Final = "everybody."
#: How long a receipt can be asked for, as in revoke.lua.
RECEIPT_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry that stands in a stream; by the server with this run id, which has held the partition for
    `home_age_ms`, -1 if it was the first.
    """

    revocation_id: str
    partition: int
    run_id: str
    home_age_ms: int


@dataclass(frozen=True, slots=True)
class Filed:
    """What the store knows of a revocation: its entry, its age by the clock of who recorded it, and its fields."""

    entry: Appended
    age_ms: int
    fields: dict[str, str]

    @property
    def is_judged(self) -> bool:
        """Whether a revoker has written its receipt."""
        return "verdict" in self.fields

    def as_of(self, roll: RollCall) -> Receipt:
        """The receipt now: a partial one is complete when its time has come."""
        return _as_of(roll, self.fields)


async def read(store: Store, receipt_id: str) -> Filed:
    """Confirmed as the revocation was. Raises NotFound (never made, or more than 24 hours ago) and StoreAway."""
    partition = partition_of_receipt(receipt_id)
    now_ms, run_id, home_age_ms, flat = await _READ(
        store,
        {"receipt": keys.receipt(partition, receipt_id), "home": keys.home(partition)},
        {},
        replicas=store.replicas.writes,
    )
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if not fields:
        raise NotFound("unknown_revocation", "no revocation of the last 24 hours has this id")
    # By the clock of the server that recorded it, or since another one took its place.
    is_same = fields.get("run_id", run_id) == run_id
    age_ms = now_ms - int(fields["at_ms"]) if is_same and "at_ms" in fields else home_age_ms
    return Filed(Appended(receipt_id, partition, run_id, home_age_ms), max(age_ms, 0), fields)


async def file(store: Store, verdict: Receipt, now_ms: int, clock: str) -> None:
    """Write a receipt down; one that is complete is never taken back. `now_ms` by this clock (RollCall.clock).

    Raises StoreAway.
    """
    await _FILE(
        store,
        {"receipt": keys.receipt(partition_of_receipt(verdict.id), verdict.id)},
        {
            "verdict": json.dumps(verdict.as_dict()),
            "clock": clock,
            "wait_ms": 0 if verdict.certain_at_ms is None else verdict.certain_at_ms - now_ms,
            "keep_ms": RECEIPT_MS,
        },
    )


async def ring_again(store: Store, receipt_id: str, *, reply_to: str) -> Appended | None:
    """Let every worker acknowledge a revocation once more, to this one; None if it was recorded by a former release.

    Raises StoreAway.
    """
    partition = partition_of_receipt(receipt_id)
    bells, run_id, home_age_ms = await _RING_AGAIN(
        store,
        {
            "receipt": keys.receipt(partition, receipt_id),
            "revocations": keys.revocations(partition),
            "home": keys.home(partition),
        },
        {"reply_to": reply_to},
        replicas=store.replicas.writes,
    )
    return Appended(receipt_id, partition, run_id, home_age_ms) if bells else None


def partition_of_receipt(receipt_id: str) -> int:
    """Where it is filed. Raises NotFound for an id that no receipt can have."""
    if receipt_id.startswith(EVERYBODY):
        return 0
    try:
        return int(receipt_id[:2], 16)
    except ValueError:
        raise NotFound("unknown_revocation", "expected an id as a receipt gave it") from None


def _as_of(roll: RollCall, filed: dict[str, str]) -> Receipt:
    verdict = json.loads(filed["verdict"])
    certain_at = verdict["certain_at_ms"]
    later_ms = 0
    # Former releases wrote the run id alone.
    if certain_at is not None and filed.get("clock", roll.run_id) not in (roll.clock, roll.run_id):
        # Another clock: another server has the registry, or its clock was set. What was left to wait is waited anew
        # since then; where both are known, since the later of them.
        since_ms = min(max(roll.stamp_ms, roll.watched_since_ms), roll.now_ms)
        later_ms = since_ms + int(filed["wait_ms"]) - certain_at
        certain_at += later_ms
    all_missing = [
        Missing(m["worker"], m["certain_at_ms"] + later_ms, m.get("why", "silent")) for m in verdict["missing"]
    ]
    missing = tuple(m for m in all_missing if m.certain_at_ms > roll.now_ms)
    complete = certain_at is None or certain_at <= roll.now_ms
    # It has confirmed long ago, and now its proxy forgets, too.
    applied = verdict["applied"] + sum(1 for m in all_missing if m.why == "cache" and m not in missing)
    return Receipt(
        verdict["id"],
        "complete" if complete else "partial",
        applied=applied,
        workers=applied + (0 if complete else len(missing)),
        elapsed_ms=verdict["elapsed_ms"],
        durable=verdict["durable"],
        missing=() if complete else missing,
        certain_at_ms=None if complete else certain_at,
    )

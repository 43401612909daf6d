"""Reading the streams behind the bells: what was revoked before, or between two subscriptions."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .. import metrics
from ..store import keys
from ..store.scripts import load
from .following import Following, NotFollowing
from .pulse import Answer

_LOAD = load(Path(__file__).parent / "load.lua", keys=("revocations", "number", "home"), args=("from_ms", "run_id"))

#: Store calls of one load under way at once: fewer than the pool holds, so that acknowledgements find a connection.
_AT_ONCE: Final = 16
#: Only the asker of a young entry still waits for an acknowledgement: as long as outages are usually bridged.
_ASKER_WAITS_MS: Final = 90_000


async def load_partitions(
    following: Following,
    partitions: Sequence[int],
    stands: Callable[[], bool],
    *,
    run_id: str,
    pulse: Answer,
) -> None:
    """Take in the streams of these partitions while the subscription stands. Raises NotFollowing, StoreAway.

    Only what was read meanwhile closes the gap before its first bell: read for a former one, it would call a partition
    known of which an entry between the two connections was never heard. `run_id` is the server's, `pulse` its last
    answer: by its time, and what is known of its clock, the last minutes are found.
    """
    from_ms = pulse.history.read_from_ms(pulse.store_ms, following.replica.keep_ns // 1_000_000)
    for start in range(0, len(partitions), _AT_ONCE):
        chunk = partitions[start : start + _AT_ONCE]
        if not stands():
            raise NotFollowing("the subscription was lost before a load")
        answers = await asyncio.gather(*(_read(following, partition, from_ms, run_id) for partition in chunk))
        if not stands():
            raise NotFollowing("the subscription was lost during a load")
        for partition, (number, entries) in zip(chunk, answers, strict=True):
            _take(following, partition, number, entries, pulse.store_ms)


async def _read(following: Following, partition: int, from_ms: int, run_id: str) -> tuple[int, list[str]]:
    number, entries = await _LOAD(
        following.store,
        {
            "revocations": keys.revocations(partition),
            "number": keys.number(partition),
            "home": keys.home(partition),
        },
        {"from_ms": from_ms, "run_id": run_id},
    )
    return number, entries


def _take(following: Following, partition: int, number: int, entries: list[str], store_ms: int) -> None:
    now_ns = following.clock.boot_ns()
    parsed = [entry for text in entries if (entry := following.doubts.read(partition, text, now_ns)) is not None]
    for entry in following.replica.loaded(partition, number, parsed, now_ns):
        metrics.revocation_applied(at_ms=entry.at_ms, store_ms=store_ms)
        # Its bell rang while we were not subscribed, and somebody may be waiting.
        if store_ms - entry.at_ms < _ASKER_WAITS_MS:
            following.acknowledgements.note(entry)

"""Fingerprints in the store: kept in the rows of devices, compared when a device is new to its account."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from heapq import nlargest
from itertools import groupby, islice
from pathlib import Path
from typing import Final

import msgspec

from ..errors import StoreAway
from ..ids import Account, new_id
from ..metrics import FINGERPRINTS
from ..store import keys
from ..store.client import Store
from ..store.names import names_everywhere
from ..store.scripts import load
from ..tokens.keyring import KeyRing
from .likeness import Likeness, likenesses, told
from .signals import HARDWARE, SIGNALS, Observed, agreement, fields_of, tag

_SCRIPTS: Final = Path(__file__).parent
_NOTE = load(
    _SCRIPTS / "note.lua",
    keys=("device", "outbox"),
    args=("account", "device_id", "alike", "event_id", "looks_like", "verdict", "reason"),
)
_SHOW = load(_SCRIPTS / "show.lua", keys=("showers",), args=("letter", "life_ms"))
_FORGET_KEY = load(_SCRIPTS / "forget_key.lua", keys=("first",), args=("key_id",))

#: The field of a device's row that tells which former ones it looks like.
ALIKE: Final = "alike"
#: Accounts by which a hardware id is a product line's and says nothing (of 64 letters: some 24).
SHARED_AFTER: Final = 20
#: Former devices that a new one is compared with, the last used ones: a household has some twenty.
COMPARED: Final = 100
#: Devices of an account of which it is asked when they were last used: five times what the default limit allows.
LOOKED_AT: Final = 1_000
#: Rows that are read at once.
_SLICE: Final = 50
_DAY_MS: Final = 86_400_000
_EVERYWHERE: Final = "*:device:*"
#: How long a sign-in waits for a hint.
_PATIENCE_SECONDS: Final = 1.0


class Fingerprints:
    """What devices give away; see likeness.py for what it is good for."""

    def __init__(self, store: Store, ring: KeyRing) -> None:
        self._store = store
        self._ring = ring

    async def note(
        self, account: Account, device: str, observed: Observed, *, is_new: bool, now_ms: int
    ) -> Likeness | None:
        """Keep what a device gave away at a sign-in; for one that is new, what it looks like already at this moment.

        Never raises, and takes a second at most: while the store is away it is left undone, for nothing but hints rests
        on it.
        """
        with contextlib.suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._note(account, device, observed, is_new=is_new, now_ms=now_ms)
        return None

    async def forget_key(self, key_id: str) -> int:
        """Forget what was kept under a key of the ring; how many signals. May be repeated. Raises StoreAway.

        Looks through every key of the store, a second for a million.
        """
        forgotten = 0
        async for names in names_everywhere(self._store, _EVERYWHERE):
            for _partition, rows in groupby(sorted(names), key=lambda name: name.partition("}")[0]):
                of_one = tuple(rows)
                forgotten += int(await _FORGET_KEY(self._store, {"first": of_one[0]}, {"key_id": key_id}, of_one))
        async for names in names_everywhere(self._store, f"*:hardware-showers:{key_id}.*"):
            for name in names:
                await self._store.guard(self._store.redis.delete(name))
        return forgotten

    async def _note(
        self, account: Account, device: str, observed: Observed, *, is_new: bool, now_ms: int
    ) -> Likeness | None:
        found: list[Likeness] = []
        likeness = None
        if is_new:
            rows = await self._rows(account, but=device)
            agreed = {
                former: agreement(self._ring, account, observed, row, now_ms=now_ms) for former, row in rows.items()
            }
            found = likenesses(agreed, kind=observed.kind, shared=await self._shared(account, observed))
            seen_ms = {former: int(row.get("last_seen_ms", 0)) for former, row in rows.items()}
            likeness = told(found, seen_ms, first_seen_ms=now_ms, last_seen_ms=now_ms)
            FINGERPRINTS.labels("new" if likeness is None else likeness.verdict).inc()
        fields = fields_of(self._ring.signing_key(), account, observed, now_ms=now_ms)
        partition = keys.partition_of(account)
        await _NOTE(
            self._store,
            {"device": keys.device(partition, device), "outbox": keys.outbox(partition)},
            {
                "account": account,
                "device_id": device,
                "alike": msgspec.json.encode(found).decode() if found else "",
                "event_id": f"evt_{new_id()}",
                "looks_like": "" if likeness is None else likeness.device,
                "verdict": "" if likeness is None else likeness.verdict,
                "reason": "" if likeness is None else likeness.reason,
            },
            tuple(word for pair in fields.items() for word in pair),
        )
        return likeness

    async def _rows(self, account: Account, *, but: str) -> dict[str, dict[str, str]]:
        """The rows of the account's other devices, by id: of the `COMPARED` that were used last, read in slices.

        Of an account with more than `LOOKED_AT` devices it is the last used of some so many.
        """
        partition, redis, seen_ms, cursor = keys.partition_of(account), self._store.redis, dict[str, int](), -1
        while cursor != 0 and len(seen_ms) < LOOKED_AT:
            cursor, names = await self._store.guard(redis.sscan(keys.devices(account), max(cursor, 0), count=_SLICE))
            cursor = int(cursor)
            for ids in _batched(sorted({str(name) for name in names} - {but}), _SLICE):
                pipe = redis.pipeline(transaction=False)
                for one in ids:
                    pipe.hget(keys.device(partition, one), "last_seen_ms")
                times = await self._store.guard(pipe.execute())
                seen_ms |= {one: int(at or 0) for one, at in zip(ids, times, strict=True)}
        found: dict[str, dict[str, str]] = {}
        for ids in _batched(nlargest(COMPARED, seen_ms, key=lambda one: (seen_ms[one], one)), _SLICE):
            pipe = redis.pipeline(transaction=False)
            for one in ids:
                pipe.hgetall(keys.device(partition, one))
            rows = await self._store.guard(pipe.execute())
            found |= {one: row for one, row in zip(ids, rows, strict=True) if row}
        return dict(sorted(found.items()))

    async def _shared(self, account: Account, observed: Observed) -> frozenset[str]:
        """The signals that are a product line's; notes that this account has shown them."""
        if not observed.hardware:
            return frozenset()
        stated = observed.hardware.partition(" ")[0]
        partition = sha256(stated.encode()).digest()[0]
        letter = tag(self._ring.signing_key(), account, HARDWARE, stated)[0]
        life_ms = SIGNALS[HARDWARE].days * _DAY_MS
        count = await _SHOW(
            self._store, {"showers": keys.hardware_showers(partition, stated)}, {"letter": letter, "life_ms": life_ms}
        )
        return frozenset((HARDWARE,)) if int(count) >= SHARED_AFTER else frozenset()


def _batched(ids: Iterable[str], most: int) -> Iterator[tuple[str, ...]]:
    """Them in order, so many at a time."""
    left = iter(ids)
    while batch := tuple(islice(left, most)):
        yield batch


def alike_in(text: str) -> Sequence[Likeness]:
    """What a device's row says that it looks like."""
    return msgspec.json.decode(text, type=list[Likeness]) if text else ()

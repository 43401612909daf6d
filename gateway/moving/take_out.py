"""Exporting sessions or devices: the lines of an import, with our own ids as references.

Read by SCAN while the store goes on serving: what begins or ends meanwhile may be in or not, and a line may come twice.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from ..ids import Account
from ..store import keys
from ..store.client import Store
from .lines import DeviceLine, Kind, SessionLine
from .references import OWN

_AT_ONCE: Final = 500
#: {tag}:session:<id>; every tag has three characters.
_PATTERNS: Final = {"sessions": "{???}:session:*", "devices": "{???}:device:*"}


async def take_out(store: Store, kind: Kind, *, now_ms: int) -> AsyncIterator[bytes]:
    """The lines, each with its newline: devices not removed, sessions that could still be used. Raises StoreAway."""
    cursor, names = 0, list[str]()
    while True:
        cursor, found = await store.guard(store.redis.scan(cursor, match=_PATTERNS[kind], count=_AT_ONCE))
        names += map(str, found)
        if len(names) >= _AT_ONCE or not cursor:
            ids = [name.rpartition(":")[2] for name in names]
            rows = await _hashes(store, names)
            lines = await _sessions(store, ids, rows, now_ms) if kind == "sessions" else _devices(ids, rows)
            for line in lines:
                yield msgspec.json.encode(line) + b"\n"
            names.clear()
        if not cursor:
            return


async def _hashes(store: Store, names: Sequence[str]) -> list[dict[str, str]]:
    if not names:
        return []
    pipe = store.redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    hashes: list[dict[str, str]] = await store.guard(pipe.execute())
    return hashes


def _devices(ids: Sequence[str], rows: Sequence[dict[str, str]]) -> list[DeviceLine]:
    return [
        DeviceLine(
            account=row["account"],
            device=OWN + device,
            first_seen_ms=int(row["first_seen_ms"]),
            last_seen_ms=int(row["last_seen_ms"]),
            name=row["name"] if row["named_by_owner"] == "1" else "",
            kind=row["kind"],  # type: ignore[arg-type]  # only what names.describe or an import made
            model=row["model"],
            os=row["os"],
            client=row["client"],
            place=row["place"],
        )
        for device, row in zip(ids, rows, strict=True)
        if row.get("state") == "active"
    ]


async def _sessions(store: Store, ids: Sequence[str], rows: Sequence[dict[str, str]], now_ms: int) -> list[SessionLine]:
    live = [(session, row) for session, row in zip(ids, rows, strict=True) if _may_go_on(row, now_ms)]
    partitions = [keys.partition_of(Account(row["account"])) for _session, row in live]
    accounts = await _hashes(store, [keys.account(Account(row["account"])) for _session, row in live])
    devices = await _hashes(
        store, [keys.device(partition, row["device"]) for partition, (_, row) in zip(partitions, live, strict=True)]
    )
    distinct = sorted(set(partitions))
    generations = await _hashes(store, [keys.generations(partition) for partition in distinct])
    floors = {partition: int(found.get("floor", 0)) for partition, found in zip(distinct, generations, strict=True)}
    return [
        SessionLine(
            account=row["account"],
            session=OWN + session,
            authenticated_at_ms=int(row["authenticated_at_ms"]),
            device=OWN + row["device"],
            created_at_ms=int(row["created_at_ms"]),
            last_seen_ms=int(row.get("renewed_at_ms", row["created_at_ms"])),
            remember=row["remembered"] == "1",
            method=row["method"],
        )
        for (session, row), account, device, partition in zip(live, accounts, devices, partitions, strict=True)
        if device.get("state") == "active"
        and account.get("disabled") != "1"
        and int(row["generation"]) >= max(int(account.get("generation", 0)), floors[partition])
    ]


def _may_go_on(row: dict[str, str], now_ms: int) -> bool:
    if row.get("state") != "live":
        return False
    if row["n"] == "0":
        # Imported, and waiting for its visitor.
        return True
    fresh = now_ms < int(row["fresh_until_ms"])
    return now_ms < int(row["absolute_ms"]) and (
        fresh or (row["remembered"] == "1" and now_ms < int(row["remember_until_ms"]))
    )

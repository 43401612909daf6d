"""Fills a store with people who have signed in, and weighs what they left behind.

The first are signed in by the gateway; the others are copies of their rows under ids of the same length, made by the
store itself, for a sign-in each would take an hour. What a real row and a copy weigh is compared.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from measuring import BenchError
from msgspec.structs import replace

from latchstring_gateway import logs, wiring
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.ids import Account
from latchstring_gateway.sessions.leases import OpenLease
from latchstring_gateway.sessions.sign_in import SignIn
from latchstring_gateway.settings import Settings
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.scripts import load

#: Sign-ins under way at once.
_AT_ONCE: Final = 24
#: Browsers of one account: each is a device with one session.
DEVICES_PER_ACCOUNT: Final = 2
#: Signed in for real; their cookies are due for renewal, and kept for the load.
_REAL: Final = 20_000
_MULTIPLY: Final = load(
    Path(__file__).parent / "multiply.lua",
    keys=("account", "outbox"),
    args=("prefix", "account", "number", "step", "copies"),
)
#: Keys that are weighed one by one.
_WEIGHED: Final = 40_000
_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (SMART-TV; LINUX; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/7.0 TV Safari",
)


#: By number of the account: its sessions, each with its device.
Templates: TypeAlias = dict[int, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of the store's memory: in all, and of a key of each kind on average (the stream's: of an entry)."""

    empty: int
    full: int
    by_kind: dict[str, float]


class Population:
    """People of `sessions` sessions, two devices an account, all with the box ticked."""

    def __init__(self, chosen: Settings, sessions: int, due_cookies: Path) -> None:
        self._chosen = chosen
        self._sessions = sessions
        self._due_cookies = due_cookies
        self.weights: Weights | None = None

    async def settle(self, progress: Callable[[int, int], None]) -> None:
        """Sign everybody in and weigh. The store's log is off meanwhile: it weighs nothing in memory."""
        # A line for each sign-in would be a gigabyte.
        logs.configure(level="error")
        store = Store(self._chosen.store_url)
        try:
            await store.redis.config_set("appendonly", "no")
            empty = await _used(store)
            templates = await self._sign_in(store, min(_REAL, self._sessions), progress)
            real = await _weigh(store)
            await self._multiply(store, templates, progress)
            self.weights = Weights(empty, await _used(store), await _weigh(store))
            for kind in ("session", "device", "account", "browser", "devices"):
                if abs(self.weights.by_kind[kind] / real[kind] - 1) > 0.05:
                    raise BenchError(
                        f"a copied {kind} weighs {self.weights.by_kind[kind]}, a real one {real[kind]} bytes"
                    )
        finally:
            await store.close()

    async def _sign_in(self, store: Store, count: int, progress: Callable[[int, int], None]) -> Templates:
        clock = SystemClock()
        rooms = wiring.build(self._chosen, clock=clock, make_store=lambda _url: store)
        numbers = iter(range(count))
        due: list[str] = []
        templates: Templates = defaultdict(list)

        async def sign_in_some() -> None:
            for number in numbers:
                account = number // DEVICES_PER_ACCOUNT
                started = await rooms.starter.start(
                    SignIn(
                        account=_account(account),
                        remember=True,
                        authenticated_at_ms=clock.wall_ms(),
                        method="password",
                        cookie="",
                        user_agent=_AGENTS[number % len(_AGENTS)],
                        address=f"203.0.{secrets.randbelow(256)}.7",
                    )
                )
                templates[account].append((started.session, started.device))
                due.append(_due(rooms, started.set_cookie))
                progress(len(due), self._sessions)

        await asyncio.gather(*(sign_in_some() for _ in range(_AT_ONCE)))
        self._due_cookies.write_text("\n".join(due) + "\n")
        return templates

    async def _multiply(self, store: Store, templates: Templates, progress: Callable[[int, int], None]) -> None:
        done = sum(map(len, templates.values()))
        missing = (self._sessions - done) // DEVICES_PER_ACCOUNT
        for number, pairs in templates.items():
            copies = missing // len(templates) + (number < missing % len(templates))
            name = _account(number)
            partition = keys.partition_of(name)
            done += await _MULTIPLY(
                store,
                {"account": keys.account(name), "outbox": keys.outbox(partition)},
                {
                    "prefix": keys.prefix(partition),
                    "account": name,
                    "number": number,
                    "step": len(templates),
                    "copies": copies,
                },
                tuple(word for pair in pairs for word in pair),
            )
            progress(done, self._sessions)


def _account(number: int) -> Account:
    return Account(f"visitor{number:07d}@example.com")


def _due(rooms: wiring.Rooms, set_cookie: tuple[str, ...]) -> str:
    """The cookies of a browser whose lease ran out a second ago."""
    session, _device, run = (line.partition(";")[0] for line in set_cookie)
    lease = rooms.leases.find(session.partition("=")[2].encode())
    if not isinstance(lease, OpenLease):
        raise ValueError("the gateway's own cookie does not open")
    content = lease.content
    ended = replace(content, issued_at_ms=content.issued_at_ms - 3_601_000, lease_end_ms=content.issued_at_ms - 1_000)
    return f"__Host-session={rooms.codec.seal(ended).decode()}; {run}"


async def weigh_renewed(store_url: str) -> float:
    """The average weight of a session that was renewed at least once: its row has grown."""
    store = Store(store_url)
    try:
        sizes: list[int] = []
        cursor, seen = 0, 0
        while seen < _WEIGHED or not sizes:
            cursor, found = await store.redis.scan(cursor, count=1_000)
            seen += len(found)
            sizes += [
                int(await store.redis.execute_command("MEMORY USAGE", name, "SAMPLES", 0))
                for name in map(str, found)
                if name.split(":", 2)[1] == "session" and await store.redis.hexists(name, "renewed_at_ms")
            ]
            if not int(cursor):
                break
        return sum(sizes) / len(sizes)
    finally:
        await store.close()


async def _used(store: Store) -> int:
    return int((await store.redis.info("memory"))["used_memory"])


async def _weigh(store: Store) -> dict[str, float]:
    totals: dict[str, list[int]] = defaultdict(list)
    cursor, seen = 0, 0
    while seen < _WEIGHED:
        cursor, found = await store.redis.scan(cursor, count=1_000)
        names = [str(name) for name in found]
        pipe = store.redis.pipeline(transaction=False)
        for name in names:
            pipe.execute_command("MEMORY USAGE", name, "SAMPLES", 0)
            pipe.execute_command("XLEN" if name.endswith((":outbox", ":revocations")) else "EXISTS", name)
        answers = await pipe.execute()
        for name, size, entries in zip(names, answers[::2], answers[1::2], strict=True):
            kind = name.split(":", 2)[1]
            totals[kind].append(int(size) // max(1, int(entries)))
        seen += len(names)
        if not int(cursor):
            break
    return {kind: sum(sizes) / len(sizes) for kind, sizes in sorted(totals.items())}

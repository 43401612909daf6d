"""A whole worker in this process: the wiring and app of `latchstring serve`, on a real store, asked over ASGI."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace
from starlette.types import Message

from latchstring_gateway import app, wiring
from latchstring_gateway.beacons.journal import Journal
from latchstring_gateway.hot_route import Scope
from latchstring_gateway.settings import Settings
from latchstring_gateway.store.client import Store
from latchstring_gateway.tokens.keyring import create_key_file
from latchstring_gateway.tokens.purposes import Lease

from .waiting import wait_until_async

NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html"}
#: What a proxy adds to its forward-auth sub-request.
FORWARDED = {
    "x-forwarded-method": "GET",
    "x-forwarded-uri": "/watch?title=7",
    "x-forwarded-host": "www.example.com",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "192.0.2.10",
}
SESSION, DEVICE, RUN = "__Host-session", "__Host-device", "__Host-run"
IDENTITY = [
    f"x-latch-{name}" for name in ("account", "session", "device", "auth-time", "level", "passport")
]  # fmt: skip


def now_ms() -> int:
    """The machine's wall clock, which is also the store's."""
    return time.time_ns() // 1_000_000


def set_cookies(answer: httpx.Response) -> list[str]:
    """Every Set-Cookie value of an answer."""
    return answer.headers.get_list("set-cookie")


class Jar(dict[str, str]):
    """A browser's cookies, without its rules."""

    def take(self, lines: list[str]) -> None:
        """Keep, replace or drop what Set-Cookie lines say."""
        for line in lines:
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.pop(name, None)
            else:
                self[name] = value

    def header(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self.items())


class Worker:
    """One worker that runs: ask it with `verify`, `api` and `client`; look into it with `rooms`."""

    def __init__(self, rooms: wiring.Rooms, edge: app.Edge, service_key: str) -> None:
        self.rooms = rooms
        self.edge = edge
        self.service_key = service_key
        transport = httpx.ASGITransport(edge.asgi, client=("127.0.0.1", 40_000))
        # The Host a proxy passes on; nothing is resolved.
        self.client = httpx.AsyncClient(transport=transport, base_url="https://www.example.com", timeout=60)

    @property
    def store(self) -> Store:
        """Its store."""
        return self.rooms.store

    async def verify(self, jar: Mapping[str, str] | str | None, manner: str = "", **headers: str) -> httpx.Response:
        """One forward-auth request; the jar is a browser's, or a raw Cookie header, or None."""
        sent = {**FORWARDED, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if jar is not None:
            sent["cookie"] = jar if isinstance(jar, str) else Jar(jar).header()
        raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        return await self.client.get(f"/verify{manner}", headers=raw)

    async def navigate(self, jar: Mapping[str, str] | str | None, manner: str = "", **headers: str) -> httpx.Response:
        """`verify` for a page navigation."""
        return await self.verify(jar, manner, **{**NAVIGATION, **headers})

    async def api(self, method: str, url: str, json: Any = None, **headers: str) -> httpx.Response:
        """One call of the website's backend."""
        sent = {"authorization": f"Bearer {self.service_key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.client.request(method, url, json=json, headers=sent)

    async def sign_in(
        self,
        account: str = "ada",
        *,
        remember: bool = True,
        jar: Jar | None = None,
        authenticated_at_ms: int | None = None,
        **more: Any,
    ) -> httpx.Response:
        """POST /v1/sessions; on success `jar` takes the cookies."""
        body = {
            "account": account,
            "remember": remember,
            "authenticated_at_ms": now_ms() if authenticated_at_ms is None else authenticated_at_ms,
            "browser": {"cookie": "" if jar is None else jar.header(), "user_agent": AGENT, "address": "192.0.2.10"},
            **more,
        }
        answer = await self.api("POST", "/v1/sessions", body)
        if jar is not None and answer.status_code == 201:
            jar.take(answer.json()["set_cookie"])
        return answer

    async def signed_in(self, account: str = "ada", *, remember: bool = True) -> Jar:
        """A browser that has just signed in."""
        jar = Jar()
        answer = await self.sign_in(account, remember=remember, jar=jar)
        assert answer.status_code == 201, answer.text
        return jar

    def lease(self, jar: Mapping[str, str]) -> Lease:
        """What the session cookie of a jar says."""
        opened = self.rooms.codec.open(jar[SESSION].encode(), Lease)
        assert isinstance(opened, Lease)
        return opened

    def seal(self, lease: Lease) -> str:
        """The session cookie that says this, validly signed."""
        return self.rooms.codec.seal(lease).decode()

    def run_out(self, jar: Mapping[str, str]) -> Jar:
        """The jar as it is when its lease has run out a second ago."""
        lease = self.lease(jar)
        issued = lease.issued_at_ms
        return Jar(
            {**jar, SESSION: self.seal(replace(lease, issued_at_ms=issued - 301_000, lease_end_ms=issued - 1_000))}
        )


AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def settings_for(store_url: str, data_dir: Path, **changes: Any) -> Settings:
    """Settings of a worker on this store, independent of the environment's."""
    data_dir.mkdir(parents=True, exist_ok=True)
    defaults = {"data_dir": data_dir, "store": store_url, "public_origin": "https://www.example.com"}
    defaults |= {"key_lead_seconds": 0}
    # More heartbeats than usual, so that a test need not wait for the first.
    return Settings(**{**defaults, "heartbeat_seconds": 0.03, **changes})


@contextlib.asynccontextmanager
async def running_worker(
    settings: Settings,
    *,
    make_store: Callable[..., Store] = Store,
    wait: bool = True,
    service_key: str | None = None,
) -> AsyncIterator[Worker]:
    """A worker from its first heartbeat (or earlier, without `wait`) to its goodbye; makes its key file if need be."""
    if not settings.keys_path.exists():
        create_key_file(settings.keys_path)
    rooms = wiring.build(settings, make_store=make_store)
    journal = Journal(settings.data_dir / "journal", rooms.clock, fsync="never")
    edge = app.build(rooms, journal)
    async with _lifespan(edge):
        if wait:
            await wait_until_async(rooms.feed.holds, "the worker to follow the store")
        key = service_key or (await rooms.service_keys.add("tests") if wait else "")
        worker = Worker(rooms, edge, key)
        try:
            yield worker
        finally:
            await worker.client.aclose()


@contextlib.asynccontextmanager
async def _lifespan(edge: app.Edge) -> AsyncIterator[None]:
    # By hand: httpx sends no lifespan events.
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    answered: asyncio.Queue[Message] = asyncio.Queue()
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    served = asyncio.ensure_future(edge.asgi(scope, incoming.get, answered.put))
    await incoming.put({"type": "lifespan.startup"})
    started = await answered.get()
    assert started["type"] == "lifespan.startup.complete", started
    try:
        yield
    finally:
        await incoming.put({"type": "lifespan.shutdown"})
        stopped = await answered.get()
        assert stopped["type"] == "lifespan.shutdown.complete", stopped
        await served


async def dump(store: Store) -> dict[str, Any]:
    """Everything in the store that requests may write, for comparing before with after (pulses and locks apart)."""
    found: dict[str, Any] = {}
    redis = store.redis
    async for raw in redis.scan_iter(count=1000):
        key = str(raw)
        if key.endswith((":pulses", ":deployment")):
            continue
        kind = str(await redis.type(key))
        readers: dict[str, Any] = {
            "hash": redis.hgetall,
            "string": redis.get,
            "set": redis.smembers,
            "stream": redis.xrange,
            "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        }
        found[key] = await readers[kind](key)
    return found

"""Asking the website who its old cookie stands for: once per cookie at a time, with short patience.

    GET <LATCHSTRING_BRIDGE_URL>
    Cookie: sessionid=…            only the old cookie, as the browser sent it
    User-Agent: …                  the browser's
    X-Forwarded-For: 203.0.113.9   the browser's address

    200 {"account": "ada", "authenticated_at_ms": 1800000000000, "remember": true, "method": "password",
         "session": "…", "device": "…"}          the last four may be left out
    401 or 403                     it stands for nobody

Anything else means that nothing can be said now. The cookie's value is neither kept nor logged.
"""

import asyncio
import functools
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final

import httpx
import msgspec
from msgspec import Meta, Struct

from .. import logs
from ..clock import Clock
from ..errors import WebsiteAway
from ..ids import account_problem
from ..tokens.purposes import AccountText, Count
from .circuit import Circuit

MethodText = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[a-z0-9_-]+\Z")]
ReferenceText = Annotated[str, Meta(min_length=1, max_length=512)]

_MAX_ANSWER_BYTES: Final = 16_384
#: Questions under way at once, in this worker.
_AT_ONCE: Final = 16
#: How long one waits for its turn.
_QUEUE_SECONDS: Final = 5.0
#: How long a "nobody" is remembered, and of how many cookies.
_NOBODY_NS: Final = 60_000_000_000
_NOBODY_MAX: Final = 10_000

_log = logs.get("moving")


class Vouched(Struct, frozen=True, forbid_unknown_fields=True):
    """Who the cookie stands for. `session` and `device` are the website's own names, as in an import."""

    account: AccountText
    authenticated_at_ms: Count
    remember: bool = False
    method: MethodText = "password"
    session: ReferenceText | None = None
    device: ReferenceText | None = None


@dataclass(frozen=True, slots=True)
class Bearer:
    """The browser that brought the cookie."""

    cookie: bytes
    user_agent: str
    address: str


class Vouching:
    """Asks for one worker; `close` it at the end."""

    def __init__(self, *, url: str, cookie_name: str, timeout_seconds: float, clock: Clock) -> None:
        self._url = url
        self._cookie_name = cookie_name.encode()
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._circuit = Circuit()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._client: httpx.AsyncClient | None = None
        self._under_way: dict[bytes, asyncio.Task[Vouched | None]] = {}
        #: Until when (boot time) a cookie, by its hash, counts as nobody's.
        self._nobody: dict[bytes, int] = {}

    async def ask(self, bearer: Bearer) -> Vouched | None:
        """Who it stands for, None for nobody; simultaneous questions about one cookie are one. Raises WebsiteAway."""
        key = sha256(bearer.cookie).digest()
        if self._nobody.get(key, 0) > self._clock.boot_ns():
            return None
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._ask(key, bearer))
            task.add_done_callback(functools.partial(self._answered, key))
        return await asyncio.shield(task)

    def _answered(self, key: bytes, task: "asyncio.Task[Vouched | None]") -> None:
        del self._under_way[key]
        if not task.cancelled():
            # Every asker may have hung up by now; then nobody else looks at it.
            task.exception()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _ask(self, key: bytes, bearer: Bearer) -> Vouched | None:
        # The crowd before the door says nothing against the website.
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise WebsiteAway("many visitors are moving in at this moment; try again") from None
        try:
            # Asked when the turn has come: a website that failed those in front is not asked by the whole queue.
            if not self._circuit.lets(self._clock.boot_ns()):
                raise WebsiteAway("the website did not vouch for anybody lately; try again")
            async with asyncio.timeout(self._timeout_seconds):
                vouched = await self._send(bearer)
        except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError, UnicodeDecodeError, _UnexpectedAnswer) as fault:
            self._circuit.failed(self._clock.boot_ns())
            # The text of a validation error may repeat what the website said.
            told = str(fault) if isinstance(fault, _UnexpectedAnswer) else ""
            _log.warning("website_did_not_vouch", fault=type(fault).__name__, answer=told)
            raise WebsiteAway("the website could not say who its old cookie stands for; try again") from None
        finally:
            self._slots.release()
        self._circuit.succeeded()
        if vouched is None:
            if len(self._nobody) >= _NOBODY_MAX:
                self._nobody.pop(next(iter(self._nobody)))
            self._nobody[key] = self._clock.boot_ns() + _NOBODY_NS
        return vouched

    async def _send(self, bearer: Bearer) -> Vouched | None:
        if self._client is None:
            # No proxy of the environment: it would see the cookies.
            self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False)
        headers: list[tuple[bytes, bytes]] = [
            (b"accept", b"application/json"),
            (b"cookie", self._cookie_name + b"=" + bearer.cookie),
            (b"user-agent", bearer.user_agent.encode("latin-1", "replace")),
            (b"x-forwarded-for", bearer.address.encode("latin-1", "replace")),
        ]
        async with self._client.stream("GET", self._url, headers=headers, timeout=self._timeout_seconds) as answer:
            # One browser's cookies must never ride on another's question.
            self._client.cookies.clear()
            if answer.status_code in (401, 403):
                return None
            if answer.status_code != 200:
                raise _UnexpectedAnswer(f"expected 200, 401 or 403, got {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise _UnexpectedAnswer(f"expected at most {_MAX_ANSWER_BYTES} bytes")
        vouched = msgspec.json.decode(bytes(body), type=Vouched)
        problem = account_problem(vouched.account)
        if problem:
            raise _UnexpectedAnswer(f"account: {problem}")
        return vouched


class _UnexpectedAnswer(Exception):
    """The website answered something that the protocol does not know."""

"""A real store whose clock can be set while it runs, forward and back, as an operator or NTP would.

The product's own scripts, with `redis.call('TIME')` and the ids of the streams shifted by a key of the test. Nothing
else of the server's time is.
"""

import asyncio
import time
from typing import Any

from redis.exceptions import NoScriptError

from harness.driven_store import Rewriting
from harness.following import SlowStore
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.store.client import Store

_STEP_KEY = "step-ms"
_PREFIX = (
    "local function stepped_time() local t = redis.call('TIME'); "
    f"local ms = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(redis.call('GET', '{_STEP_KEY}') or 0); "
    "return {math.floor(ms / 1000), ms % 1000 * 1000} end "
    "local function stepped_id(key) local t = stepped_time(); local ms = t[1] * 1000 + t[2] / 1000; "
    "local top = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]; "
    "if top then ms = math.max(ms, tonumber(string.match(top[1], '^%d+'))) end "
    "return string.format('%.0f-*', ms) end "
)


class _Stepping(Rewriting):
    """What becomes of each script's text."""

    def __init__(self) -> None:
        super().__init__([])

    def rewrite(self, text: str) -> str:
        """See `Rewriting`."""
        new = text
        for key in ("revocations_key", "outbox_key"):
            new = new.replace(f"redis.call('XADD', {key}, '*'", f"redis.call('XADD', {key}, stepped_id({key})")
        new = _PREFIX + new.replace("redis.call('TIME')", "stepped_time()")
        self.note(text, new)
        return new


class SteppedStore(SlowStore):
    """Its scripts live in stepped time."""

    def __init__(self, url: str, *, timeout_seconds: float = 1.0) -> None:
        super().__init__(url, timeout_seconds=timeout_seconds)
        self._stepping = _Stepping()

    async def send(self, *words: Any, replicas: int = 0, **options: Any) -> Any:
        """Send the rewritten scripts."""
        if words[0] == "EVALSHA":
            if words[1] not in self._stepping.digests:
                raise NoScriptError
            words = ("EVALSHA", self._stepping.digests[words[1]], *words[2:])
        elif words[0] == "EVAL":
            words = ("EVAL", self._stepping.rewrite(words[1]), *words[2:])
        return await super().send(*words, replicas=replicas, **options)


class SteppedClock(SystemClock):
    """A machine whose wall clock is set together with the store's: both are on one host."""

    __slots__ = ("step_ms",)

    def __init__(self) -> None:
        self.step_ms = 0

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return time.time_ns() // 1_000_000 + self.step_ms

    async def set(self, store: Store, step_ms: int) -> None:
        """Set both clocks to be this far from the right time."""
        self.step_ms = step_ms
        await asyncio.wait_for(store.redis.set(_STEP_KEY, step_ms), 5)

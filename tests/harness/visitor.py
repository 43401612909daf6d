"""A browser that signed in, the records behind it, and the means to let them age.

Scripts take the store's own time, so tests move the instants in the records instead of a clock.
"""

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from prometheus_client import REGISTRY

from harness.worker_app import SESSION, Jar, Worker, set_cookies
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.ids import Account, to_text
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

ADA = Account("ada")


@dataclass
class Visitor:
    """A browser that signed in, and the records behind it."""

    worker: Worker
    jar: Jar

    @property
    def session_key(self) -> str:
        """The session's record."""
        return keys.session(keys.partition_of(ADA), self._ids[0])

    @property
    def device_key(self) -> str:
        """The device's row."""
        return keys.device(keys.partition_of(ADA), self._ids[1])

    @property
    def _ids(self) -> tuple[str, str]:
        lease = self.worker.lease(self.jar)
        return to_text(lease.session), to_text(lease.device)

    async def record(self) -> dict[str, str]:
        """The session's record."""
        return await self.worker.store.redis.hgetall(self.session_key)  # type: ignore[return-value]

    async def set(self, **fields: object) -> None:
        """Change the session's record."""
        await self.worker.store.redis.hset(self.session_key, mapping={k: str(v) for k, v in fields.items()})

    async def age(self, ms: int) -> None:
        """Let the last rotation lie `ms` further back."""
        for field in ("n_issued_at_ms", "n_given_at_ms"):
            await self.worker.store.redis.hincrby(self.session_key, field, -ms)

    def run_out(self, jar: Jar | None = None, **changes: Any) -> Jar:
        """The jar as it is when its lease has run out."""
        old = self.jar if jar is None else jar
        lease = self.worker.lease(old)
        gone = replace(lease, issued_at_ms=lease.issued_at_ms - 301_000, lease_end_ms=lease.issued_at_ms - 1_000)
        return Jar({**old, SESSION: self.worker.seal(replace(gone, **changes))})

    async def renew(self, jar: Jar | None = None, **headers: str) -> tuple[int, Jar]:
        """Present a run-out lease on a navigation; the status, and the jar after its answer."""
        presented = self.run_out(jar)
        answer = await self.worker.navigate(presented, **headers)
        after = Jar(presented)
        after.take(set_cookies(answer))
        return answer.status_code, after

    def n(self, jar: Jar) -> int:
        """The counter in a jar."""
        return self.worker.lease(jar).n


class Deaf(Store):
    """A store whose bells never come."""

    async def raw_connection(self, partition: int) -> Any:
        """See `Store.raw_connection`."""
        raise StoreAway


def counted(outcome: str) -> float:
    """How often renewals have had this outcome in this process."""
    return REGISTRY.get_sample_value("latchstring_credentials_total", {"outcome": outcome}) or 0.0


async def events(worker: Worker, kind: str) -> list[dict[str, str]]:
    """What the outbox of the account's partition holds of this kind."""
    entries: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(ADA)))
    return [fields for _position, fields in entries if fields["type"] == kind]

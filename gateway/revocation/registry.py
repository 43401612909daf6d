"""Which workers there are: one row each in the store, written before a worker loads and struck only for a reason."""

import socket
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..ids import WorkerId
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .receipt import Registered, WorkerRow
from .unreadable import parsed

_HERE = Path(__file__).parent
_REGISTER = load(_HERE / "register.lua", keys=("deployment", "workers", "pulses"), args=("worker", "row", "lease_ms"))
_ROLL_CALL = load(_HERE / "roll_call.lua", keys=("deployment", "workers", "pulses"), args=())
_FORGET = load(_HERE / "forget_worker.lua", keys=("deployment", "workers", "pulses"), args=("worker", "pulse_ms"))


@dataclass(frozen=True, slots=True)
class RollCall:
    """The registry as one instant saw it."""

    workers: tuple[Registered, ...]
    now_ms: int
    run_id: str
    #: When (its clock) this store was first met after its last restart or fail-over; 0 if it never had one.
    stamp_ms: int
    #: Since when its clock has been watched to run evenly; another figure later means that it was set, or unwatched.
    watched_since_ms: int = 0

    @property
    def clock(self) -> str:
        """Which clock the times of this roll call are by, and which stretch of it: they compare with no other's."""
        return f"{self.run_id} {self.watched_since_ms}"

    def silent_since_ms(self, one: Registered) -> int:
        """When this worker pulsed last. What its pulse says of a time before the clock was set is no measure: it has
        not pulsed since then. 0, as before, if it never did: rows are written together with a first pulse.
        """
        if not one.pulse_ms:
            return 0
        is_of_this_stretch = self.watched_since_ms <= one.pulse_ms <= self.now_ms
        return one.pulse_ms if is_of_this_stretch else min(self.watched_since_ms, self.now_ms)


async def register(store: Store, worker: str, row: WorkerRow, *, lease_ms: int) -> None:
    """Enter (or rewrite) a worker's row; idempotent. Raises StoreAway."""
    await _REGISTER(
        store,
        {"deployment": keys.DEPLOYMENT, "workers": keys.WORKERS, "pulses": keys.PULSES},
        {"worker": worker, "row": row.to_json(), "lease_ms": lease_ms},
    )


async def strike(store: Store, worker: str, *, pulse_ms: int | None = None) -> bool:
    """Take a worker out: it said goodbye, is dead for certain, or has been silent past its row's limits.

    With `pulse_ms`, only if it has not pulsed since. A struck worker that lives registers again before it trusts
    anything. Idempotent. Raises StoreAway.
    """
    struck = await _FORGET(
        store,
        {"deployment": keys.DEPLOYMENT, "workers": keys.WORKERS, "pulses": keys.PULSES},
        {"worker": worker, "pulse_ms": "" if pulse_ms is None else pulse_ms},
    )
    return bool(struck)


async def strike_process(store: Store, host: str, pid: int) -> None:
    """Take out the worker that ran as this process of `host` (see `this_host`), which was reaped: it answers nothing.

    Raises StoreAway.
    """
    start = worker_id(host, pid, "")
    for worker in await store.guard(store.redis.hkeys(keys.WORKERS)):
        if str(worker).startswith(start):
            await strike(store, str(worker))


def this_host() -> str:
    """The host's name with a mark of its boot and process-id namespace: where one process id is one process.

    Two containers may share a name and a process id; a supervisor must never strike the other's worker.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    mark = sha256(f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}".encode()).hexdigest()[:6]
    return f"{socket.gethostname()[:33]}-{mark}"


def worker_id(host: str, pid: int, random: str) -> WorkerId:
    """What a worker is called: its host and process, for people, and a random part, since process ids come again."""
    return WorkerId(f"{host[:40].replace(' ', '_')}.{pid}.{random}")


async def roll_call(store: Store) -> RollCall:
    """Every registered worker with its last pulse, and the stamp; notices a restart.

    Confirmed by as many replicas as a check needs: no former primary's. One whose row cannot be read is there too
    (unreadable.py). Raises StoreAway.
    """
    rows, pulses, now_ms, run_id, stamp_ms, watched_since_ms = await _ROLL_CALL(
        store,
        {"deployment": keys.DEPLOYMENT, "workers": keys.WORKERS, "pulses": keys.PULSES},
        {},
        replicas=store.replicas.checks,
    )
    pulse_of = dict(zip(pulses[::2], pulses[1::2], strict=True))
    found = sorted(zip(rows[::2], rows[1::2], strict=True))
    return RollCall(
        tuple(parsed(worker, row, pulse_of.get(worker), now_ms) for worker, row in found),
        now_ms,
        run_id,
        stamp_ms,
        watched_since_ms,
    )


async def read(store: Store) -> tuple[Registered, ...]:
    """Every registered worker with its last pulse. Raises StoreAway."""
    return (await roll_call(store)).workers

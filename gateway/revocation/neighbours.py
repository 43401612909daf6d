"""Striking workers of this host whose processes are no more: left behind when a supervisor was killed with them."""

from pathlib import Path
from typing import Final

from ..clock import Clock
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from . import registry

_NEIGHBOURS = load(Path(__file__).parent / "neighbours.lua", keys=("workers",), args=("start",))
#: While workers come and go elsewhere, the names are read at most this often.
_READ_AGAIN_SECONDS: Final = 10.0


class Neighbours:
    """Who runs beside this worker, as last read; receipts would wait for those that have died."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._start = f"{registry.this_host()}."
        self._names: tuple[str, ...] = ()
        self._version: tuple[int, int] | None = None
        self._read_ns = 0

    async def strike_dead(self, version: tuple[int, int]) -> None:
        """Strike whoever has died; `version` is the epoch and the registry's version, as the last heartbeat told them.

        The registry is read again only if it changed; processes are looked at each time. Raises StoreAway.
        """
        now_ns = self._clock.boot_ns()
        is_due = self._version is None or now_ns - self._read_ns >= _READ_AGAIN_SECONDS * 1e9
        if version != self._version and is_due:
            self._names = tuple(await _NEIGHBOURS(self._store, {"workers": keys.WORKERS}, {"start": self._start}))
            self._version, self._read_ns = version, now_ns
        for worker in self._names:
            pid = worker.removeprefix(self._start).partition(".")[0]
            if pid.isdecimal() and not _is_there(pid):
                await registry.strike(self._store, worker)
                self._names = tuple(name for name in self._names if name != worker)


def _is_there(pid: str) -> bool:
    # A frozen process is; one whose id came again counts as there too, and receipts judge its row by their patience.
    return Path(f"/proc/{pid}").exists()

"""The supervisor: starts groups of children in order, keeps every one running, stops the groups in reverse order."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .. import logs
from ..background import Work
from ..clock import Clock, SystemClock
from ..node_health import SUPERVISOR, ChildRow, speaking
from .children import Child, GoneHook, KeptChild
from .service_manager import tell

_log = logs.get("supervise")

#: How long a group may take to get ready before the next one is started all the same: a store that loads for minutes
#: must not keep the workers from taking beacons, and workers know what to do without a store.
_PATIENCE_SECONDS: Final = 5.0


class Supervisor:
    """Keeps groups of children running until SIGTERM, SIGINT or SIGHUP; a second one stops without waiting.

    `groups` start first to last and stop last to first; the children of a group start and stop together. A child that
    dies is started again, at once at first, later with growing delays, for ever. `on_child_gone` is told of each
    process that was reaped; its failures are logged, and it has 5 s. How the children are is written into the folder
    `health`, if there is one (node_health.py). Must run in the main thread.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Child]],
        *,
        on_child_gone: GoneHook | None = None,
        clock: Clock | None = None,
        patience_seconds: float = _PATIENCE_SECONDS,
        health: Path | None = None,
    ) -> None:
        self._groups = groups
        self._on_child_gone = on_child_gone
        self._clock = clock or SystemClock()
        self._patience_seconds = patience_seconds
        self._health = health
        self._stop = asyncio.Event()
        self._fast = asyncio.Event()
        self._kept: list[list[KeptChild]] = []
        self._code = 0

    def ask_to_stop(self) -> None:
        """Stop in order; asked a second time, stop at once."""
        if self._stop.is_set():
            self._fast.set()
        self._stop.set()

    async def run(self) -> int:
        """Start everything, keep it running, stop it; 0, or the exit code that a child declared final."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.ask_to_stop)
        try:
            with contextlib.ExitStack() as speaks:
                if self._health is not None:
                    work = Work(self._clock)
                    speaks.enter_context(speaking(self._health, SUPERVISOR, self._clock, work, children=self._rows))
                await self._keep_all()
        finally:
            tell("STOPPING=1")
            await self._stop_groups()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
        return self._code

    def _rows(self) -> list[ChildRow]:
        return [one.row() for group in list(self._kept) for one in group]

    async def _keep_all(self) -> None:
        await self._start_groups()
        if not self._stop.is_set():
            tell("READY=1")
            _log.info("everything started", children=[k.child.name for group in self._kept for k in group])
        await self._stop.wait()

    async def _start_groups(self) -> None:
        for group in self._groups:
            if self._stop.is_set():
                return
            kept = [
                KeptChild(
                    child,
                    clock=self._clock,
                    on_gone=self._on_child_gone,
                    on_final=self._finished,
                    health=self._health,
                )
                for child in group
            ]
            self._kept.append(kept)
            for one in kept:
                one.start()
            await self._until_ready(kept)

    def _finished(self, code: int) -> None:
        self._code = max(self._code, code)
        self._stop.set()

    async def _until_ready(self, kept: Sequence[KeptChild]) -> None:
        waits = {asyncio.create_task(one.ready.wait()) for one in kept}
        end = asyncio.create_task(self._stop.wait())
        deadline_ns = self._clock.boot_ns() + round(self._patience_seconds * 1e9)
        pending = set(waits)
        while pending and not end.done() and (left := (deadline_ns - self._clock.boot_ns()) / 1e9) > 0:
            _, pending = await asyncio.wait({*pending, end}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            pending.discard(end)
        for task in {*pending, end}:
            task.cancel()
        if pending and not self._stop.is_set():
            late = [one.child.name for one in kept if not one.ready.is_set()]
            _log.warning("not ready yet; going on without", children=late)

    async def _stop_groups(self) -> None:
        self._stop.set()
        for group in reversed(self._kept):
            ends = await asyncio.gather(*(one.stop(fast=self._fast) for one in group), return_exceptions=True)
            for one, fault in zip(group, ends, strict=True):
                if isinstance(fault, BaseException):
                    # A bug of ours: the other groups are stopped all the same, and this child dies with this process.
                    _log.error("child not stopped", child=one.child.name, exc_info=fault)
        _log.info("everything stopped")

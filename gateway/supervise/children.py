"""One child process kept running: started through the exec shim, again whenever it ends, and stopped in good time."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from .. import logs
from ..clock import Clock
from .launch import launched

_log = logs.get("supervise")

#: The first restart is at once; one that dies again and again waits longer and longer, and never stops trying.
FIRST_DELAY_SECONDS: Final = 0.1
LONGEST_DELAY_SECONDS: Final = 10.0
#: A child that lived this long has shown that it can: its next restart is at once again.
PROVED_SECONDS: Final = 10.0

_GONE_HOOK_SECONDS: Final = 5.0


class Care(Protocol):
    """What a child needs besides being started; see `store_child` for the one that needs most."""

    def before_start(self) -> Sequence[str]:
        """Called in a thread before each start; may wait. The command to run, or nothing for the child's own."""
        ...

    def started(self, pid: int) -> None:
        """The child runs as this process."""
        ...

    def is_ready(self, pid: int) -> bool:
        """Asked again and again from a thread until True, or the supervisor's patience ends; may wait a second."""
        ...

    def cause_of_death(self) -> str:
        """For the log, when the child has ended by itself."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What to run and how to stop it. `env` is added to the supervisor's own, or replaces it if `env_only`."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    env_only: bool = False
    pass_fds: Sequence[int] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    #: Exit codes after which it is not started again and the whole supervisor stops with that code.
    final_codes: frozenset[int] = frozenset()
    care: Care | None = None


GoneHook = Callable[[str, int], Awaitable[None]]
"""Told the name and process id of a child that is dead for certain (reaped), while the store still runs."""


def restart_delay_seconds(deaths_in_a_row: int) -> float:
    """How long to wait before the next start after so many deaths, each sooner than `PROVED_SECONDS`."""
    if deaths_in_a_row <= 1:
        return 0.0
    # The exponent is bounded too: a float overflows after a thousand deaths.
    return min(FIRST_DELAY_SECONDS * 2.0 ** min(deaths_in_a_row - 2, 16), LONGEST_DELAY_SECONDS)


class KeptChild:
    """Keeps one child running from `start` until `stop`."""

    def __init__(
        self, child: Child, *, clock: Clock, on_gone: GoneHook | None, on_final: Callable[[int], object]
    ) -> None:
        self.child = child
        self.ready = asyncio.Event()
        self._clock = clock
        self._on_final = on_final
        self._on_gone = on_gone
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self) -> None:
        """Begin to keep it running; returns at once."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.child.name}")

    async def stop(self, *, fast: asyncio.Event) -> None:
        """Ask it to stop, kill it after its `stop_seconds` or as soon as `fast` is set; returns when it is reaped."""
        self._stopping.set()
        if self._task is None:
            return
        if self.pid is not None and not fast.is_set():
            self._signal(self.child.stop_signal)
            await _first(self._task, fast, self.child.stop_seconds)
        if self.pid is not None:
            _log.warning("child killed", child=self.child.name, pid=self.pid, hurried=fast.is_set())
            self._signal(signal.SIGKILL)
        await self._task
        if self._goodbyes:
            await asyncio.wait(self._goodbyes, timeout=0.0 if fast.is_set() else _GONE_HOOK_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)

    async def _keep(self) -> None:
        deaths = 0
        while not self._stopping.is_set():
            born_ns = self._clock.boot_ns()
            code = await self._live()
            if code is not None and code in self.child.final_codes:
                _log.info("child finished", child=self.child.name, code=code)
                self._on_final(code)
                return
            if self._stopping.is_set():
                return
            lived_seconds = (self._clock.boot_ns() - born_ns) / 1e9
            deaths = 1 if lived_seconds >= PROVED_SECONDS else deaths + 1
            delay = restart_delay_seconds(deaths)
            care = self.child.care
            _log.warning(
                "child died",
                child=self.child.name,
                ended=_ending(code),
                lived_seconds=round(lived_seconds, 3),
                again_in_seconds=delay,
                **({"cause": care.cause_of_death()} if care else {}),
            )
            await _first(None, self._stopping, delay)

    async def _live(self) -> int | None:
        """One life, from start to the reaping; its exit code, or None if it could not be started."""
        child = self.child
        try:
            argv = child.argv
            if child.care:
                own = await asyncio.to_thread(child.care.before_start)
                argv = own or argv
            # Started in the main thread: the parent-death signal comes when the starting *thread* ends. A session of
            # its own, so that Ctrl-C in a terminal reaches the supervisor alone and the order of stopping is kept.
            self._process = await asyncio.create_subprocess_exec(
                *launched(argv),
                env={**({} if child.env_only else os.environ), **child.env},
                pass_fds=child.pass_fds,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except Exception as error:
            _log.error("child could not be started", child=child.name, error=str(error))
            return None
        pid = self._process.pid
        _log.info("child started", child=child.name, pid=pid)
        if self._stopping.is_set():
            self._signal(child.stop_signal)
        watching = asyncio.create_task(self._watch_readiness(pid))
        try:
            code = await self._process.wait()
        finally:
            watching.cancel()
            self.ready.clear()
        self._say_goodbye(pid)
        return code

    async def _watch_readiness(self, pid: int) -> None:
        try:
            if care := self.child.care:
                care.started(pid)
                # Another process: there is nothing to await but time.
                while not await asyncio.to_thread(care.is_ready, pid):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            self.ready.set()
        except Exception as error:
            _log.error("readiness unknown", child=self.child.name, pid=pid, error=repr(error))

    def _say_goodbye(self, pid: int) -> None:
        if self._on_gone is None:
            return
        task = asyncio.create_task(self._goodbye(self._on_gone, pid))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    async def _goodbye(self, hook: GoneHook, pid: int) -> None:
        try:
            await asyncio.wait_for(hook(self.child.name, pid), _GONE_HOOK_SECONDS)
        except Exception as error:
            _log.warning("goodbye failed", child=self.child.name, pid=pid, error=repr(error))


def _ending(code: int | None) -> str:
    if code is None:
        return "not started"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


async def _first(task: asyncio.Task[None] | None, event: asyncio.Event, seconds: float) -> None:
    """Wait until the task is done, the event is set or the time is over, whichever comes first; cancels nothing."""
    if seconds <= 0:
        return
    flag = asyncio.create_task(_until(event))
    await asyncio.wait({flag} if task is None else {flag, task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    flag.cancel()


async def _until(event: asyncio.Event) -> None:
    await event.wait()

"""One child process kept running: started through the exec shim, again whenever it ends, and stopped in good time."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from .. import logs
from ..clock import Clock
from ..node_health import NAME_VARIABLE, ChildRow, ChildState, HealthFile
from .launch import launched

_log = logs.get("supervise")

#: The first restart is at once; one that dies again and again waits longer and longer, and never stops trying.
FIRST_DELAY_SECONDS: Final = 0.1
LONGEST_DELAY_SECONDS: Final = 10.0
#: A child that lived this long has shown that it can: its next restart is at once again.
PROVED_SECONDS: Final = 10.0
#: The same for one that ended for a reason it stated itself: on a busy machine a start that fails may take long, too.
_PROVED_IN_SPITE_SECONDS: Final = 60.0
#: Every death is counted; of a child that dies again and again one line is written in this time.
_QUIET_SECONDS: Final = 60.0
_DEATHS_TOLD: Final = 3
#: Between two questions to a child's care whether it is ready, and after one that raised.
_ASK_SECONDS: Final = 0.02
_ASK_AGAIN_SECONDS: Final = 1.0

_GONE_HOOK_SECONDS: Final = 5.0


class Care(Protocol):
    """What a child needs besides being started; see `store_child` for the one that needs most.

    Whatever a method raises is logged, and costs at most this start or this line of the log.
    """

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
    """Keeps one child running from `start` until `stop`, however it ends and whatever its care raises."""

    def __init__(
        self,
        child: Child,
        *,
        clock: Clock,
        on_gone: GoneHook | None,
        on_final: Callable[[int], object],
        health: Path | None = None,
    ) -> None:
        self.child = child
        self.ready = asyncio.Event()
        self._clock = clock
        self._on_final = on_final
        self._on_gone = on_gone
        self._health = None if health is None else HealthFile(health, child.name, clock)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._born_ns = clock.boot_ns()
        #: All deaths, and those in a row.
        self._deaths = 0
        self._in_a_row = 0
        self._ended = self._cause = ""
        self._told_ns: int | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def row(self) -> ChildRow:
        """How it is now, for the node's health; may be called from any thread."""
        pid, lived_ns = self.pid, self._clock.boot_ns() - self._born_ns
        proved = not self._in_a_row or lived_ns >= PROVED_SECONDS * 1e9
        state: ChildState = "down" if pid is None else "running" if proved else "restarted"
        speaks = NAME_VARIABLE in self.child.env
        return ChildRow(self.child.name, pid, state, self._born_ns, self._ended, self._deaths, speaks, self._cause)

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
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            self._born_ns = self._clock.boot_ns()
            code = await self._live()
            if code is not None and code in self.child.final_codes:
                _log.info("child finished", child=self.child.name, code=code)
                self._on_final(code)
                return
            if self._stopping.is_set():
                return
            await _first(None, self._stopping, self._mourn(code))

    def _mourn(self, code: int | None) -> float:
        """Note a death, tell it unless it is one of many, and give the seconds until the next start."""
        now_ns, fault = self._clock.boot_ns(), self._fault()
        lived_seconds = (now_ns - self._born_ns) / 1e9
        proved = lived_seconds >= (_PROVED_IN_SPITE_SECONDS if fault else PROVED_SECONDS)
        self._deaths += 1
        self._in_a_row = 1 if proved else self._in_a_row + 1
        self._ended, self._cause = _ending(code), self._cause_of_death()
        delay = restart_delay_seconds(self._in_a_row)
        is_old = self._told_ns is None or now_ns - self._told_ns >= _QUIET_SECONDS * 1e9
        if self._in_a_row <= _DEATHS_TOLD or is_old:
            self._told_ns = now_ns
            _log.warning(
                "child died",
                child=self.child.name,
                ended=self._ended,
                lived_seconds=round(lived_seconds, 3),
                deaths=self._deaths,
                again_in_seconds=delay,
                **({"fault": fault} if fault else {}),
                **({"cause": self._cause} if self._cause else {}),
            )
        return delay

    def _fault(self) -> str:
        """Why it ended, in its own words; "" if it had none."""
        said = None if self._health is None or self._process is None else self._health.read()
        return said.fault if said is not None and self._process and said.pid == self._process.pid else ""

    def _cause_of_death(self) -> str:
        if self.child.care is None:
            return ""
        try:
            return self.child.care.cause_of_death()
        except Exception as error:
            return f"not known: {error!r}"

    async def _live(self) -> int | None:
        """One life, from start to the reaping; its exit code, or None if it could not be started."""
        child = self.child
        self._process = None
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
            if self._in_a_row < _DEATHS_TOLD:
                _log.error("child could not be started", child=child.name, error=repr(error))
            return None
        pid = self._process.pid
        if self._in_a_row <= _DEATHS_TOLD:
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
        care, is_told = self.child.care, False
        started = care is None
        while care is not None:
            try:
                if not started:
                    care.started(pid)
                    started = True
                if await asyncio.to_thread(care.is_ready, pid):
                    break
                # Another process: there is nothing to await but time.
                await asyncio.sleep(_ASK_SECONDS)
            except Exception as error:
                if not is_told:
                    _log.error("readiness unknown", child=self.child.name, pid=pid, error=repr(error))
                is_told = True
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
        self.ready.set()

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
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        # Of the real-time signals only the first and the last have a name.
        return f"signal {-code}"


async def _first(task: asyncio.Task[None] | None, event: asyncio.Event, seconds: float) -> None:
    """Wait until the task is done, the event is set or the time is over, whichever comes first; cancels nothing."""
    if seconds <= 0:
        return
    flag = asyncio.create_task(_until(event))
    await asyncio.wait({flag} if task is None else {flag, task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    flag.cancel()


async def _until(event: asyncio.Event) -> None:
    await event.wait()

"""P8: nothing stops in silence. Whatever a background step raises, however a child ends: told in 10 s, and mended."""

import asyncio
import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from harness import faulty_start
from harness.evidence import Evidence, breaks, pick
from harness.service import Service, started_service
from harness.waiting import wait_until, wait_until_async
from harness.worker_app import Worker, running_worker, settings_for
from latchstring_gateway import background
from latchstring_gateway.background import Background, Turns, Work
from latchstring_gateway.clock import Clock, SystemClock
from latchstring_gateway.errors import StoreRefused
from latchstring_gateway.hooks.deliver import Deliverer
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.revocation import trimming
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.steps import Step
from latchstring_gateway.store.client import Store
from latchstring_gateway.supervise import sender
from latchstring_middleware.forwarded import TrustedProxies

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=1_200))]

#: The promise: seen in the body of readiness and in the metric within this time.
_TOLD_SECONDS: Final = 10.0
#: How rarely trimming is due: it cannot fail sooner.
_DUE_SECONDS: Final = trimming.EVERY_SECONDS
#: The longest pause between two tries, and what a try takes.
_WELL_SECONDS: Final = 30.0

_FAULTS: Final[tuple[Callable[[], BaseException], ...]] = (
    ValueError,
    KeyError,
    AttributeError,
    AssertionError,
    MemoryError,
    RecursionError,
    TimeoutError,
    StoreRefused,
    asyncio.CancelledError,
    lambda: RuntimeError("unable to perform operation; the handler is closed"),
    lambda: OSError(28, "No space left on device"),
    lambda: asyncio.IncompleteReadError(b"", 4),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
)


class Thrower:
    """Breaks into the steps of background tasks with an exception, by the task's name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: dict[str, Callable[[], BaseException]] = {}
        self.names: set[str] = set()
        self._thrown: dict[str, asyncio.Event] = {}
        start: Any = Background._start
        thrower = self

        def throwing(one: Background, name: str, step: Callable[[Turns], Awaitable[object]], **more: Any) -> Turns:
            thrower.names.add(name)
            turns: Turns = start(one, name, lambda turns: thrower.broken_into(name, step(turns)), **more)
            return turns

        monkeypatch.setattr(Background, "_start", throwing)
        if breaks("tasks-end-in-silence"):
            monkeypatch.setattr(Background, "_keep", _unguarded)

    async def broken_into(self, name: str, step: Awaitable[object]) -> None:
        """The step, until a fault is thrown into it."""
        running, thrown = asyncio.ensure_future(step), self._thrown.setdefault(name, asyncio.Event())
        waiting = asyncio.ensure_future(thrown.wait())
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            make = self.faults.get(name)
            if make is not None:
                fault = make()
                raise fault
            await running
        finally:
            for task in (running, waiting):
                task.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)

    def throw(self, faults: dict[str, Callable[[], BaseException]]) -> None:
        """From now on, until `stop`, each of these steps raises."""
        self.faults = faults
        for name in faults:
            self._thrown.setdefault(name, asyncio.Event()).set()

    def stop(self) -> None:
        """Let every step do its work again."""
        self.faults = {}
        for event in self._thrown.values():
            event.clear()


async def _unguarded(one: Background, turns: Turns, step: Callable[[Turns], Awaitable[object]], every: float) -> None:
    while not one._closing:
        await step(turns)
        await asyncio.sleep(every)


async def _told_tasks(worker: Worker) -> set[str]:
    body = (await worker.client.get("/health/ready")).json()
    return {one["task"] for one in body.get("tasks", [])}


async def test_every_background_step_survives_what_it_raises(
    store_url: str, tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tasks of a worker raise at once, each something of its own: all are told, and all go on afterwards."""
    monkeypatch.setattr(background, "SHOWN_SECONDS", 1.0)
    thrower, chance = Thrower(monkeypatch), random.Random(8)
    trials = violations = 0
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        for _ in evidence.trials(pick(short=1, long=30), seconds=600):
            thrower.throw({name: chance.choice(_FAULTS) for name in thrower.names})
            soon, rarely = thrower.names - {"trim"}, thrower.names & {"trim"}
            untold = await _left(soon, lambda _: _told_tasks(worker), told=True, seconds=_TOLD_SECONDS)
            untold |= await _left(rarely, lambda _: _told_tasks(worker), told=True, seconds=_DUE_SECONDS)
            thrower.stop()
            unwell = await _left(thrower.names, lambda _: _told_tasks(worker), told=False, seconds=_WELL_SECONDS)
            trials += len(thrower.names)
            violations += len(untold | unwell)
            if untold or unwell:
                print("not told:", sorted(untold), "not well again:", sorted(unwell))
        if not violations:
            await wait_until_async(worker.rooms.feed.holds, "the worker to follow")
            violations += (await worker.sign_in()).status_code != 201

    evidence.row(
        promise="P8",
        tried="random exceptions thrown into every background step of a worker: told in 10 s, and it goes on",
        trials=trials,
        violations=violations,
    )


async def _left(
    names: set[str], look: Callable[[set[str]], Awaitable[set[str]]], *, told: bool, seconds: float
) -> set[str]:
    """Those of `names` that were not told at any look (or were at every one) before the time was over."""
    left, deadline = set(names), time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        found = await look(left)
        left = left - found if told else found & names
        await asyncio.sleep(0.1)
    return left


# The loops of the other processes: shipper, housekeeping, sender and deliverer.


class LoopThrower:
    """Breaks into the steps of plain loops, by the task's name; in a sound run none of them ends its loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: dict[str, Callable[[], BaseException]] = {}
        self.names: set[str] = set()
        self._steps: list[Step] = []
        make, repeat, thrower = Step.__init__, Turns.repeat, self

        def made(one: Step, turns: Turns, act: Callable[[], object], clock: Clock, **more: Any) -> None:
            make(one, turns, thrower.broken_into(turns.name, act), clock, **more)
            thrower._steps.append(one)

        def repeated(turns: Turns, step: Callable[[], object], **more: Any) -> None:
            repeat(turns, thrower.broken_into(turns.name, step), **more)  # type: ignore[arg-type]  # what it gave

        monkeypatch.setattr(Step, "__init__", made)
        monkeypatch.setattr(Turns, "repeat", repeated)
        if breaks("tasks-end-in-silence"):
            monkeypatch.setattr(Step, "turn", lambda one: one._act())
            monkeypatch.setattr(Turns, "failed", _raise)

    def broken_into(self, name: str, act: Callable[[], object]) -> Callable[[], object]:
        """The step, which raises while there is a fault for it."""
        self.names.add(name)

        def acted() -> object:
            if make := self.faults.get(name):
                raise make()
            return act()

        return acted

    def throw(self, faults: dict[str, Callable[[], BaseException]]) -> None:
        """From now on, until `faults` is emptied, each of these steps raises, whenever it would have been due."""
        self.faults = faults
        for step in self._steps:
            step._due_ns = 0


def _raise(_turns: Turns, fault: BaseException) -> float:
    raise fault


@contextlib.contextmanager
def _other_processes(
    store_url: str, directory: Path, monkeypatch: pytest.MonkeyPatch, work: Work
) -> Iterator[list[threading.Thread]]:
    """What shipper, housekeeping and sender run after their start, each in a thread, until the end of the block."""
    stop, clock = threading.Event(), SystemClock()
    monkeypatch.setattr(sender, "stopped_by_signal", lambda: stop)

    def ship() -> None:
        with Shipper(directory, clock, TrustedProxies.parse("")) as shipper:
            shipper.run(stop, work)

    def keep_house() -> None:
        with House(directory, clock, sends=True) as house:
            house.run(stop, work)

    def send() -> None:
        sender._send(settings_for(store_url, directory, clickhouse="http://127.0.0.1:9/events"), work)

    def run(loop: Callable[[], None]) -> None:
        # With the break they end: the row says it.
        with contextlib.suppress(Exception) if breaks("tasks-end-in-silence") else contextlib.nullcontext():
            loop()

    threads = [threading.Thread(target=run, args=(loop,)) for loop in (ship, keep_house, send)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


async def test_every_step_of_the_other_processes_survives_what_it_raises(
    store_url: str, tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All steps of shipper, housekeeping, sender and deliverer raise at once: all are told, and all go on."""
    monkeypatch.setattr(background, "SHOWN_SECONDS", 1.0)
    chance, clock, work, store = random.Random(8), SystemClock(), Work(SystemClock()), Store(store_url)
    loops, tasks = LoopThrower(monkeypatch), Thrower(monkeypatch)
    in_threads = [make for make in _FAULTS if make is not asyncio.CancelledError]
    deliverer, couriers = Deliverer(store, clock, work=work), Background(clock, work)

    async def told(_missing: set[str]) -> set[str]:
        return set(work.overdue())

    trials = violations = 0
    with _other_processes(store_url, tmp_path, monkeypatch, work) as threads:
        async with deliverer.client() as client:
            couriers.forever(
                "hooks", partial(deliverer.step, client), every_seconds=0.1, within_seconds=10.0, remedy="a test's"
            )
            await wait_until_async(lambda: loops.names | tasks.names >= _OTHERS, "every loop to begin")
            for _ in evidence.trials(pick(short=1, long=30), seconds=300):
                loops.throw({name: chance.choice(in_threads) for name in loops.names})
                tasks.throw({name: chance.choice(_FAULTS) for name in tasks.names})
                names = loops.names | tasks.names
                untold = await _left(names, told, told=True, seconds=_TOLD_SECONDS)
                loops.faults = {}
                tasks.stop()
                unwell = await _left(names, told, told=False, seconds=_WELL_SECONDS)
                dead = [thread for thread in threads if not thread.is_alive()]
                trials += len(names)
                violations += len(untold | unwell) + len(dead)
                if untold or unwell:
                    print("not told:", sorted(untold), "not well again:", sorted(unwell))
            await couriers.close()
            await deliverer.stop()
    await deliverer.close()
    await store.close()

    evidence.row(
        promise="P8",
        tried="random exceptions thrown into every step of shipper, housekeeping, sender and deliverer: told, and kept",
        trials=trials,
        violations=violations,
    )


#: The steps of those loops, each by its task's name.
_OTHERS: Final = {"ship", "forget", "send", "hooks"} | {
    f"housekeeping_{name}" for name in ("sweep", "index", "erase", "keep", "forget", "metrics")
}


# Children.

_SIGNALS: Final = {"kill": signal.SIGKILL, "abort": signal.SIGABRT, "segv": signal.SIGSEGV, "rt": 40, "rtmax": 64}
_WAYS: Final = (*_SIGNALS, *faulty_start.STARTS, "freeze")
_CHILDREN: Final = ("deliverer", "shipper", "housekeeping", "worker-2")
#: In the short profile: each child in another way, one of each kind; all of them in the long one.
_ROUNDS: Final[list[tuple[str, ...]]] = pick(
    short=[("rt", "raise", "exit 0", "freeze")],
    long=[tuple(_WAYS[(first + at) % len(_WAYS)] for at in range(len(_CHILDREN))) for first in range(len(_WAYS))],
)


def _told_children(service: Service) -> dict[str, dict[str, Any]]:
    try:
        body = httpx.get(f"{service.url}/health/ready", timeout=2).json()
    except httpx.TransportError:
        return {}
    return {one["child"]: one for one in body.get("children", [])}


def test_every_child_is_kept_however_it_fails(
    tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals, real-time ones too, faults at the start, silence: told with a reason, started again, well again."""
    faults = tmp_path / "faults.json"
    faults.write_text("{}")
    monkeypatch.setenv(faulty_start.VARIABLE, str(faults))
    trials = violations = 0
    with started_service(tmp_path / "data", workers="2") as service:
        service.wait_ready(60)
        wait_until(lambda: all(map(service.pid_of, _CHILDREN)), "every child to run", 60)
        for ways in _ROUNDS:
            ways_of = dict(zip(_CHILDREN, ways, strict=True))
            frozen = _hurt(service, faults, ways_of)
            untold = _until_told(service, {*ways_of, "store"})
            faults.write_text("{}")
            for child, way in ways_of.items():
                if way == "hang" and (pid := service.pid_of(child)):
                    os.kill(pid, signal.SIGKILL)
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
            deadline = time.monotonic() + _WELL_SECONDS
            while (unwell := set(_told_children(service))) and time.monotonic() < deadline:
                time.sleep(0.2)
            dead = {child for child in _CHILDREN if service.pid_of(child) is None}
            trials += len(ways_of) + 1
            violations += len(untold | unwell | dead)
            if untold or unwell or dead:
                print(ways_of, "not told:", untold, "not well again:", unwell, "not there:", dead)

    evidence.row(
        promise="P8",
        tried="each child killed by signals (real-time ones too), failing at its start, or frozen: told in 10 s, kept",
        trials=trials,
        violations=violations,
    )


def _hurt(service: Service, faults: Path, ways_of: dict[str, str]) -> list[int]:
    """Make each child fail in its way, and kill the store; the process ids of the frozen ones."""
    faults.write_text(json.dumps({child: way for child, way in ways_of.items() if way in faulty_start.STARTS}))
    frozen = []
    for child, way in (*ways_of.items(), ("store", "kill")):
        pid = service.pid_of(child)
        assert pid is not None, f"{child} is not running"
        if way == "freeze":
            frozen.append(pid)
        os.kill(pid, signal.SIGSTOP if way == "freeze" else _SIGNALS.get(way, signal.SIGKILL))
    return frozen


def _until_told(service: Service, children: set[str]) -> set[str]:
    """Those of the children that readiness did not tell of in time."""
    left, deadline = set(children), time.monotonic() + _TOLD_SECONDS
    while left and time.monotonic() < deadline:
        left -= _told_children(service).keys()
        time.sleep(0.1)
    return left

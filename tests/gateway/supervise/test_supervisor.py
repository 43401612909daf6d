"""The supervisor: order of start and stop, restarts, goodbyes, and patience."""

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from harness.waiting import wait_until_async
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.node_health import SUPERVISOR, look, read_file
from latchstring_gateway.supervise.children import PROVED_SECONDS, Child, KeptChild, restart_delay_seconds
from latchstring_gateway.supervise.supervisor import Supervisor

pytestmark = pytest.mark.store

_SCRIPT = """
import os, signal, sys, time
log = open(sys.argv[1], "a", buffering=1)
name = os.environ["NAME"]
def stop(*_):
    log.write(f"{name} stops\\n"); time.sleep(float(sys.argv[2])); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
log.write(f"{name} runs {os.getpid()}\\n")
while True: signal.pause()
"""


class _Diary:
    """What the children wrote down, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def child(self, name: str, *, stop_takes: float = 0.0, stop_seconds: float = 5.0) -> Child:
        argv = (sys.executable, "-c", _SCRIPT, str(self.path), str(stop_takes))
        return Child(name=name, argv=argv, env={"NAME": name}, stop_seconds=stop_seconds)

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    def pids(self, name: str) -> list[int]:
        return [int(line.split()[2]) for line in self.lines() if line.startswith(f"{name} runs")]

    async def until_running(self, name: str, times: int = 1) -> int:
        await wait_until_async(lambda: len(self.pids(name)) >= times, f"{name} to run for the {times}. time")
        return self.pids(name)[-1]


@pytest.fixture
def diary(tmp_path: Path) -> _Diary:
    """An empty diary for the children."""
    return _Diary(tmp_path / "diary")


class _Slow:
    """Care for a child that is ready when a file says so."""

    def __init__(self, sign: Path, argv: Sequence[str] = ()) -> None:
        self.sign = sign
        self.argv = argv
        self.started_pids: list[int] = []

    def before_start(self) -> Sequence[str]:
        return self.argv

    def started(self, pid: int) -> None:
        self.started_pids.append(pid)

    def is_ready(self, pid: int) -> bool:
        return self.sign.exists()

    def cause_of_death(self) -> str:
        return "it was told to"


async def test_groups_stop_in_the_reverse_order_of_their_start(diary: _Diary) -> None:
    """The store comes first and goes last; each group has ended before the next is asked."""
    supervisor = Supervisor([[diary.child("store")], [diary.child("shipper")], [diary.child("worker", stop_takes=0.2)]])
    running = asyncio.create_task(supervisor.run())
    for name in ("store", "shipper", "worker"):
        await diary.until_running(name)

    supervisor.ask_to_stop()
    code = await running

    assert code == 0
    assert [line for line in diary.lines() if line.endswith("stops")] == [
        "worker stops",
        "shipper stops",
        "store stops",
    ]


async def test_killed_child_is_started_again_at_once_and_said_goodbye_for(diary: _Diary) -> None:
    """A child that dies is replaced, and the registry hook learns which process is dead for certain."""
    gone: list[tuple[str, int]] = []

    async def goodbye(name: str, pid: int) -> None:
        gone.append((name, pid))
        raise ConnectionError("the store is away")

    supervisor = Supervisor([[diary.child("worker")]], on_child_gone=goodbye)
    running = asyncio.create_task(supervisor.run())
    first = await diary.until_running("worker")

    os.kill(first, signal.SIGKILL)
    second = await diary.until_running("worker", times=2)

    assert gone == [("worker", first)]
    supervisor.ask_to_stop()
    assert await running == 0
    assert gone == [("worker", first), ("worker", second)]


async def test_child_that_dies_again_and_again_does_not_keep_the_others_from_running(diary: _Diary) -> None:
    """Restarts slow down for the one that fails; its neighbours live on."""
    broken = Child(name="broken", argv=(sys.executable, "-c", "raise SystemExit(1)"))
    missing = Child(name="missing", argv=("/no/such/program",))
    supervisor = Supervisor([[broken, missing], [diary.child("worker")]])
    running = asyncio.create_task(supervisor.run())
    await diary.until_running("worker")

    supervisor.ask_to_stop()

    assert await running == 0
    assert len(diary.pids("worker")) == 1


def test_restart_delay_grows_to_a_bound_and_never_gives_up() -> None:
    """The first restart is at once, then 0.1, 0.2, 0.4 s and so on up to 10 s, however often it dies."""
    delays = [restart_delay_seconds(deaths) for deaths in (1, 2, 3, 4, 9, 100, 100_000)]

    assert delays == [0.0, 0.1, 0.2, 0.4, 10.0, 10.0, 10.0]


async def test_child_that_does_not_stop_in_time_is_killed(diary: _Diary) -> None:
    """Stopping is bounded by the child's own time."""
    supervisor = Supervisor([[diary.child("worker", stop_takes=60, stop_seconds=0.2)]])
    running = asyncio.create_task(supervisor.run())
    pid = await diary.until_running("worker")

    supervisor.ask_to_stop()
    await asyncio.wait_for(running, 60)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_second_request_to_stop_does_not_wait(diary: _Diary) -> None:
    """Ctrl-C twice ends everything at once."""
    supervisor = Supervisor([[diary.child("store")], [diary.child("worker", stop_takes=60, stop_seconds=60)]])
    running = asyncio.create_task(supervisor.run())
    await diary.until_running("worker")
    os.kill(os.getpid(), signal.SIGTERM)
    await wait_until_async(lambda: "worker stops" in diary.lines(), "the worker to be asked")

    os.kill(os.getpid(), signal.SIGINT)

    assert await asyncio.wait_for(running, 60) == 0


async def test_next_group_waits_until_the_one_before_is_ready(diary: _Diary, tmp_path: Path) -> None:
    """Workers are started when the store answers, not before."""
    sign = tmp_path / "sign"
    argv = diary.child("store").argv
    care = _Slow(sign, argv)
    store = Child(name="store", argv=(), env={"NAME": "store"}, care=care)
    supervisor = Supervisor([[store], [diary.child("worker")]])
    running = asyncio.create_task(supervisor.run())
    pid = await diary.until_running("store")
    assert not diary.pids("worker")

    sign.touch()

    await diary.until_running("worker")
    assert care.started_pids == [pid]
    supervisor.ask_to_stop()
    await running


async def test_patience_with_a_group_that_does_not_get_ready_ends(diary: _Diary, tmp_path: Path) -> None:
    """A store that takes for ever does not keep the workers from taking beacons."""
    store = Child(name="store", argv=diary.child("store").argv, env={"NAME": "store"}, care=_Slow(tmp_path / "never"))
    supervisor = Supervisor([[store], [diary.child("worker")]], patience_seconds=0.1)
    running = asyncio.create_task(supervisor.run())

    await diary.until_running("worker")

    supervisor.ask_to_stop()
    assert await running == 0


async def test_stop_during_start_does_not_hang(diary: _Diary, tmp_path: Path) -> None:
    """A signal that comes while the store is loading ends what was started, and starts nothing more."""
    store = Child(name="store", argv=diary.child("store").argv, env={"NAME": "store"}, care=_Slow(tmp_path / "never"))
    supervisor = Supervisor([[store], [diary.child("worker")]], patience_seconds=60)
    running = asyncio.create_task(supervisor.run())
    await diary.until_running("store")

    supervisor.ask_to_stop()

    assert await asyncio.wait_for(running, 60) == 0
    assert not diary.pids("worker")


async def test_final_exit_code_stops_everything(diary: _Diary) -> None:
    """A child that ends with a code declared final is not started again, and its code is the supervisor's."""
    child = Child(name="once", argv=(sys.executable, "-c", "raise SystemExit(2)"), final_codes=frozenset({0, 2}))

    assert await asyncio.wait_for(Supervisor([[diary.child("other")], [child]]).run(), 60) == 2


async def test_children_do_not_hear_the_terminal(diary: _Diary) -> None:
    """Each child has a session of its own, so Ctrl-C reaches the supervisor alone and the order of stopping holds."""
    supervisor = Supervisor([[diary.child("worker")]])
    running = asyncio.create_task(supervisor.run())

    pid = await diary.until_running("worker")

    assert os.getsid(pid) == pid
    supervisor.ask_to_stop()
    await running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, 34, 40, 64])
async def test_child_is_started_again_whatever_signal_ended_it(diary: _Diary, number: int) -> None:
    """Killed by a real-time signal, a child was never started again and SIGTERM ended the supervisor in a traceback.

    `signal.Signals(40)` raises ValueError, in the task that keeps the child. 34 and 64 are the first and last of them.
    """
    supervisor = Supervisor([[diary.child("worker")]])
    running = asyncio.create_task(supervisor.run())
    first = await diary.until_running("worker")

    with capture_logs() as lines:
        os.kill(first, number)
        await diary.until_running("worker", times=2)

    assert any(line["event"] == "child died" and "signal" in line["ended"] for line in lines)
    supervisor.ask_to_stop()
    assert await running == 0


class _Clumsy:
    """Care whose method of that name raises once."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.raised = 0

    def _may_raise(self, method: str) -> None:
        if method == self.method and not self.raised:
            self.raised += 1
            raise RuntimeError(f"{method} raises")

    def before_start(self) -> Sequence[str]:
        self._may_raise("before_start")
        return ()

    def started(self, pid: int) -> None:
        self._may_raise("started")

    def is_ready(self, pid: int) -> bool:
        self._may_raise("is_ready")
        return True

    def cause_of_death(self) -> str:
        self._may_raise("cause_of_death")
        return "unknown"


@pytest.mark.parametrize("method", ["before_start", "started", "is_ready", "cause_of_death"])
async def test_child_is_kept_whatever_its_care_raises(diary: _Diary, method: str) -> None:
    """An exception in the care of a child ended the task that keeps it: it was never started again."""
    care = _Clumsy(method)
    child = dataclasses.replace(diary.child("store"), care=care)
    supervisor = Supervisor([[child], [diary.child("worker")]])
    running = asyncio.create_task(supervisor.run())
    first = await diary.until_running("store")
    await diary.until_running("worker")

    os.kill(first, signal.SIGKILL)
    await diary.until_running("store", times=2)

    assert care.raised == 1
    supervisor.ask_to_stop()
    assert await running == 0


async def test_deaths_are_counted_and_told_in_few_lines(tmp_path: Path) -> None:
    """A child that cannot live, such as a second shipper of one directory, wrote two lines at each of its deaths."""
    broken = Child(name="broken", argv=("/no/such/program",))
    supervisor = Supervisor([[broken]], health=tmp_path, patience_seconds=0)

    def deaths() -> int:
        said = read_file(tmp_path / f"{SUPERVISOR}.json")
        return said.children[0].deaths if said is not None and said.children else 0

    with capture_logs() as lines:
        running = asyncio.create_task(supervisor.run())
        await wait_until_async(lambda: deaths() >= 5, "five deaths")
        supervisor.ask_to_stop()
        assert await running == 0

    told = [line["event"] for line in lines if line.get("child") == "broken"]
    assert 3 <= told.count("child died") <= 4
    assert len(told) <= 8
    (child,) = look(tmp_path, SystemClock().boot_ns()).children
    assert (child.child, child.state) == ("broken", "down")


async def test_a_start_that_fails_slowly_is_not_taken_for_a_life(diary: _Diary, tmp_path: Path) -> None:
    """On a busy machine a second shipper took longer to find the first than proves a life: restarted with no delay."""
    child = Child(name="shipper", argv=(sys.executable, "-c", _FAULTY, str(tmp_path / "shipper.json")))
    clock = ManualClock()
    kept = KeptChild(child, clock=clock, on_gone=None, on_final=lambda _code: None, health=tmp_path)

    with capture_logs() as lines:
        kept.start()
        for deaths in range(2):
            await wait_until_async(lambda: kept.pid, "the child to start")
            clock.advance(PROVED_SECONDS + 1)
            await wait_until_async(lambda before=deaths: kept.row().deaths > before, "its death")
        await kept.stop(fast=asyncio.Event())

    died = [line for line in lines if line["event"] == "child died"]
    assert died[0]["fault"] == "another ships here"
    assert died[1]["again_in_seconds"] > 0


_FAULTY = """
import json, os, sys, time
time.sleep(0.2)
said = {"process": "shipper", "pid": os.getpid(), "at_ns": 0, "fault": "another ships here", "remedy": ""}
open(sys.argv[1], "w").write(json.dumps(said))
sys.exit(1)
"""


async def test_what_its_care_found_out_of_a_death_is_told_to_the_node(diary: _Diary, tmp_path: Path) -> None:
    """Why the store stopped, say for a full disk, stands in readiness too and not in the log alone."""
    store = dataclasses.replace(diary.child("store"), care=_Slow(tmp_path / "never"))
    supervisor = Supervisor([[store]], health=tmp_path, patience_seconds=0)
    running = asyncio.create_task(supervisor.run())
    os.kill(await diary.until_running("store"), signal.SIGKILL)

    def faults() -> list[str]:
        return [child.fault for child in look(tmp_path, SystemClock().boot_ns()).children]

    await wait_until_async(lambda: faults() == ["it was told to"], "the cause to be told")
    supervisor.ask_to_stop()
    assert await running == 0

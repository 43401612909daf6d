"""What each process of a node says of its work, so that any worker's readiness can tell of all of them.

<data directory>/run/health/shipper.json, worker-1.json, …, supervisor.json: one JSON object, padded with spaces,
written in place at least every two seconds by a thread of its own, so that a step that hangs cannot keep it silent:

{"process": "shipper", "pid": 4711, "at_ns": 1234567890, "troubles": [], "fault": "", "remedy": "", "children": []}

The supervisor's names the children; one that runs and whose file is older than SILENT_SECONDS is silent: frozen.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from . import logs
from .background import Trouble, Work
from .clock import Clock

SUPERVISOR: Final = "supervisor"
#: Names a child to itself. One that is given it writes a file of that name, so its silence means that it is frozen.
NAME_VARIABLE: Final = "LATCHSTRING_CHILD"
WRITE_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 6.0
#: How long a child may take from its start until it speaks.
STARTING_SECONDS: Final = 7.0
#: A file never grows, so that a full disk does not keep it from being written.
_FILE_BYTES: Final = 16_384
_ENDED_REMEDY: Final = "look at its last lines in the log; it is started again by itself"
_SILENT_REMEDY: Final = "it runs and says nothing: see whether it is stopped (kill -CONT) or starved; else kill it"

ChildState: TypeAlias = Literal["running", "restarted", "down", "silent"]

_log: Final = logs.get("tasks")


class ChildRow(msgspec.Struct, frozen=True):
    """A child as its supervisor sees it: `down` while it is not running, `restarted` for a while after a death.

    `ended` is how the last one ended, such as "exit code 1"; "" if none has. `born_ns`: its last start, by boot time.
    """

    child: str
    pid: int | None
    state: ChildState
    born_ns: int
    ended: str = ""
    deaths: int = 0
    #: Whether it writes a file of its own.
    speaks: bool = True
    #: Why the last one ended, as its care found out; "" if it did not.
    cause: str = ""


class Said(msgspec.Struct, frozen=True):
    """One file. `fault` is why the process could not start or go on, `remedy` what to do; both "" if all is well."""

    process: str
    pid: int
    at_ns: int
    troubles: list[Trouble] = []
    fault: str = ""
    remedy: str = ""
    children: list[ChildRow] = []


class ChildTrouble(msgspec.Struct, frozen=True):
    """What is wrong with a child process."""

    child: str
    state: ChildState
    ended: str
    fault: str
    remedy: str


class TaskTrouble(msgspec.Struct, frozen=True):
    """What is wrong with a task, and in which process of the node it runs."""

    process: str
    task: str
    state: str
    fault: str
    remedy: str


class NodeHealth(msgspec.Struct, frozen=True):
    """Everything that is wrong on a node, as far as its processes say."""

    tasks: tuple[TaskTrouble, ...] = ()
    children: tuple[ChildTrouble, ...] = ()
    #: Every child there is, also those that are well.
    rows: tuple[ChildRow, ...] = ()


def health_directory(data_dir: Path) -> Path:
    """The folder of the files."""
    return data_dir / "run" / "health"


class HealthFile:
    """The file of one process; `write` never raises and does nothing that could grow."""

    def __init__(self, directory: Path, process: str, clock: Clock) -> None:
        self._path = directory / f"{process}.json"
        self._process = process
        self._clock = clock

    def write(
        self,
        troubles: Sequence[Trouble] = (),
        *,
        fault: str = "",
        remedy: str = "",
        children: Sequence[ChildRow] = (),
    ) -> None:
        """Say how it is now."""
        said = Said(
            self._process, os.getpid(), self._clock.boot_ns(), list(troubles), fault[:500], remedy, list(children)
        )
        text = msgspec.json.encode(said)
        while len(text) > _FILE_BYTES and said.troubles:
            said = msgspec.structs.replace(said, troubles=said.troubles[: len(said.troubles) // 2])
            text = msgspec.json.encode(said)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, text.ljust(_FILE_BYTES), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            # It is silent then, which is told; a line each second would help nobody.
            _log.debug("health_not_written", reason=str(error))

    def read(self) -> Said | None:
        """What the file says now, be it of a former process; None if there is none that can be read."""
        return read_file(self._path)


def read_file(path: Path) -> Said | None:
    """One file; None if it is not there or was caught in the middle of being written."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Said)
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def speaking(
    directory: Path, process: str, clock: Clock, work: Work, *, children: Callable[[], Sequence[ChildRow]] = lambda: ()
) -> Iterator[HealthFile]:
    """Within the block, a thread writes what `work`, and `children`, say: each second."""
    file, ended = HealthFile(directory, process, clock), threading.Event()

    def speak() -> None:
        while True:
            try:
                file.write(work.troubles(), children=children())
            except Exception as fault:
                # For whoever reads this process is silent until it succeeds again; the thread goes on.
                _log.debug("health_not_written", reason=repr(fault))
            if ended.wait(WRITE_SECONDS):
                return

    thread = threading.Thread(target=speak, name="health", daemon=True)
    thread.start()
    try:
        yield file
    finally:
        ended.set()
        # It may hang in a disk that does not answer: nobody waits for that.
        thread.join(timeout=WRITE_SECONDS)


def look(directory: Path, now_ns: int, *, but: str = "") -> NodeHealth:
    """What is wrong with the processes of a node and their tasks; those of the process `but` are left out.

    Reads files, so it may wait. Without a supervisor's file there is nothing to tell.
    """
    supervisor = read_file(directory / f"{SUPERVISOR}.json")
    if supervisor is None:
        return NodeHealth()
    children = [_told(directory, row, now_ns) for row in supervisor.children]
    troubles = [trouble for trouble, _tasks in children if trouble is not None]
    if _is_silent(supervisor, now_ns):
        troubles.append(ChildTrouble(SUPERVISOR, "silent", "", "", _SILENT_REMEDY))
    tasks = [task for _trouble, found in children for task in found if task.process != but]
    tasks += _tasks_of(supervisor)
    return NodeHealth(tuple(tasks), tuple(troubles), tuple(supervisor.children))


def _told(directory: Path, row: ChildRow, now_ns: int) -> tuple[ChildTrouble | None, list[TaskTrouble]]:
    said = read_file(directory / f"{row.child}.json")
    fault, remedy = (said.fault, said.remedy) if said is not None else ("", "")
    if row.state != "running":
        return ChildTrouble(row.child, row.state, row.ended, fault or row.cause, remedy or _ENDED_REMEDY), []
    if not row.speaks:
        return None, []
    if said is None or said.pid != row.pid:
        is_late = now_ns - row.born_ns > STARTING_SECONDS * 1e9
        return ChildTrouble(row.child, "silent", row.ended, "", _SILENT_REMEDY) if is_late else None, []
    if _is_silent(said, now_ns):
        return ChildTrouble(row.child, "silent", row.ended, "", _SILENT_REMEDY), []
    return None, _tasks_of(said)


def _is_silent(said: Said, now_ns: int) -> bool:
    return now_ns - said.at_ns > SILENT_SECONDS * 1e9


def _tasks_of(said: Said) -> list[TaskTrouble]:
    return [TaskTrouble(said.process, one.task, one.state, one.fault, one.remedy) for one in said.troubles]

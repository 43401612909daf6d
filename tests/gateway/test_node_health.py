"""What each process says of its work is heard by the others, also when it hangs, dies or has no room to write."""

import os
from pathlib import Path

import pytest

from harness.waiting import wait_until
from latchstring_gateway.background import Trouble, Work
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.node_health import (
    SILENT_SECONDS,
    STARTING_SECONDS,
    SUPERVISOR,
    ChildRow,
    HealthFile,
    NodeHealth,
    look,
    read_file,
    speaking,
)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


def row(clock: ManualClock, state: str = "running", *, pid: int | None = None, speaks: bool = True) -> ChildRow:
    """The shipper, as its supervisor sees it."""
    return ChildRow("shipper", os.getpid() if pid is None else pid, state, clock.boot_ns(), "exit code 1", 3, speaks)  # type: ignore[arg-type]  # any state


def supervise(directory: Path, clock: ManualClock, *rows: ChildRow) -> None:
    """What the supervisor writes."""
    HealthFile(directory, SUPERVISOR, clock).write(children=rows)


def test_without_a_supervisor_there_is_nothing_to_tell(tmp_path: Path, clock: ManualClock) -> None:
    """A worker that runs alone, and files that former processes left."""
    assert look(tmp_path / "none", clock.boot_ns()) == NodeHealth()
    HealthFile(tmp_path, "shipper", clock).write([Trouble("ship", "failing", "OSError", "")])
    assert look(tmp_path, clock.boot_ns()) == NodeHealth()


def test_what_troubles_another_process_is_heard(tmp_path: Path, clock: ManualClock) -> None:
    """With the process, the task and the remedy; nothing of a process that is asked to be left out."""
    supervise(tmp_path, clock, row(clock))
    HealthFile(tmp_path, "shipper", clock).write([Trouble("ship", "failing", "OSError", "make room")])

    found = look(tmp_path, clock.boot_ns())

    assert [(task.process, task.task, task.fault, task.remedy) for task in found.tasks] == [
        ("shipper", "ship", "OSError", "make room")
    ]
    assert found.children == ()
    assert look(tmp_path, clock.boot_ns(), but="shipper").tasks == ()


def test_a_child_that_dies_again_and_again_is_told_with_its_own_words(tmp_path: Path, clock: ManualClock) -> None:
    """While it is down and for a while after each restart: why it said it could not go on, and what to do."""
    HealthFile(tmp_path, "shipper", clock).write(fault="OSError: no space", remedy="make room")

    for state in ("down", "restarted"):
        supervise(tmp_path, clock, row(clock, state))
        (child,) = look(tmp_path, clock.boot_ns()).children
        assert (child.child, child.state, child.ended) == ("shipper", state, "exit code 1")
        assert (child.fault, child.remedy) == ("OSError: no space", "make room")


def test_a_frozen_process_is_silent(tmp_path: Path, clock: ManualClock) -> None:
    """It runs, and its file grows old; the supervisor's own silence is told too."""
    born = row(clock)
    HealthFile(tmp_path, "shipper", clock).write()
    clock.advance(SILENT_SECONDS + 1)
    supervise(tmp_path, clock, born)
    assert [(child.child, child.state) for child in look(tmp_path, clock.boot_ns()).children] == [("shipper", "silent")]

    HealthFile(tmp_path, "shipper", clock).write()
    assert look(tmp_path, clock.boot_ns()).children == ()
    clock.advance(SILENT_SECONDS + 1)
    assert {child.child for child in look(tmp_path, clock.boot_ns()).children} == {"shipper", SUPERVISOR}


def test_a_child_that_hangs_before_it_can_speak_is_silent(tmp_path: Path, clock: ManualClock) -> None:
    """What its predecessor said does not count; one that never speaks, such as the store, is let be."""
    former = HealthFile(tmp_path, "shipper", clock)
    former.write()
    rows = row(clock, pid=1), row(clock, pid=1, speaks=False)
    clock.advance(STARTING_SECONDS - 1)
    supervise(tmp_path, clock, rows[0])
    assert look(tmp_path, clock.boot_ns()).children == ()

    clock.advance(2)
    supervise(tmp_path, clock, rows[0])
    former.write()
    assert [child.state for child in look(tmp_path, clock.boot_ns()).children] == ["silent"]
    supervise(tmp_path, clock, rows[1])
    assert look(tmp_path, clock.boot_ns()).children == ()


def test_a_file_keeps_its_size_however_much_is_wrong(tmp_path: Path, clock: ManualClock) -> None:
    """So that a disk that has become full does not silence anybody; the first troubles are the ones kept."""
    file = HealthFile(tmp_path, "shipper", clock)
    file.write()
    before = (tmp_path / "shipper.json").stat()

    file.write([Trouble(f"task-{number}", "failing", "OSError", "x" * 200) for number in range(200)], fault="y" * 9_999)

    after = (tmp_path / "shipper.json").stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    said = file.read()
    assert said is not None
    assert said.troubles[0].task == "task-0"


def test_what_cannot_be_written_or_read_disturbs_nobody(tmp_path: Path, clock: ManualClock) -> None:
    """A file in the folder's place, half a file in the file's."""
    (tmp_path / "file").touch()
    HealthFile(tmp_path / "file", "shipper", clock).write()
    (tmp_path / "torn.json").write_bytes(b'{"process": "ship')

    assert read_file(tmp_path / "torn.json") is None
    assert read_file(tmp_path / "file" / "shipper.json") is None


def test_a_process_speaks_while_its_work_hangs(tmp_path: Path) -> None:
    """By a thread of its own, so the step that hangs is told instead of being silent; nothing is left behind."""
    clock = SystemClock()
    work = Work(clock)
    work.task("sweep", within_seconds=0.01, remedy="look at the broom")

    def hanging() -> bool:
        said = read_file(tmp_path / "sweeper.json")
        return said is not None and [one.state for one in said.troubles] == ["overdue"]

    with speaking(tmp_path, "sweeper", clock, work):
        wait_until(hanging, "the overdue task to be told")

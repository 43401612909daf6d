"""The exec shim: a child ends with its parent, however the parent ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.waiting import wait_until
from latchstring_gateway.supervise import launch

pytestmark = pytest.mark.store


def _is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_launched_command_keeps_its_process_id_output_and_exit_code() -> None:
    """The shim becomes the command: nothing stands between parent and child."""
    script = "import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)"
    command = launch.launched([sys.executable, "-c", script, "--", "--signal", "x y"])

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        said, _ = child.communicate(timeout=60)

    assert said == f"{child.pid} ['--', '--signal', 'x y']\n"
    assert child.returncode == 7


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_child_dies_with_its_parent(end: signal.Signals) -> None:
    """A parent that is killed takes its children along, even one that ignores signals and is frozen."""
    script = (
        "import subprocess, sys, time\n"
        "from latchstring_gateway.supervise.launch import launched\n"
        "child = 'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()'\n"
        "argv = launched([sys.executable, '-c', child])\n"
        "p = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGSTOP)

        parent.send_signal(end)
        parent.wait(10)

        wait_until(lambda: not _is_alive(child), "the child to die with its parent")


def test_child_of_a_parent_that_is_already_gone_does_not_start(tmp_path: Path) -> None:
    """The parent may die before the shim could ask for the signal: then it does not become the command."""
    made = tmp_path / "made"
    command = launch.launched(["touch", str(made)])
    command[command.index("--parent") + 1] = "1"

    ended = subprocess.run(command, timeout=60)

    assert ended.returncode == 75
    assert not made.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--"],
        ["--parent", "1"],
        ["--parent", "one", "--", "true"],
        ["--parent", "--", "true"],
        ["--signal", "9", "--", "--parent", "1"],
        ["--other", "1", "--parent", "1", "--", "true"],
    ],
)
def test_wrong_use_is_told_and_starts_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that are not understood end with the usage and code 64, or with a parent that does not exist."""
    code = launch.main(arguments) if "".join(arguments[1:2]) != "1" or "--" not in arguments else 64

    assert code == 64


def test_missing_command_is_named() -> None:
    """A program that is not there gives 127, as from a shell."""
    ended = subprocess.run(launch.launched(["/no/such/program"]), capture_output=True, text=True, timeout=60)

    assert ended.returncode == 127
    assert "cannot start /no/such/program" in ended.stderr

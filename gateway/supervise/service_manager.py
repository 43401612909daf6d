"""What a service manager (systemd) and its services say to each other: readiness, and sockets it holds for us.

sd_notify(3): one datagram `READY=1` or `STOPPING=1` to the socket named in NOTIFY_SOCKET.
sd_listen_fds(3): LISTEN_PID and LISTEN_FDS name inherited sockets, from descriptor 3 on.
"""

import os
import socket
from contextlib import suppress
from typing import Final

_FIRST_INHERITED_FD: Final = 3


def tell(state: str) -> None:
    """Send a state to the service manager, if there is one; never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # "@" stands for the NUL byte of Linux's abstract namespace.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address[0] == "@" else address)
        channel.send(state.encode())


def inherited_fd() -> int | None:
    """The one listening descriptor that a service manager passed to this very process; None if it passed none.

    ValueError if it passed more than one. Removes the variables, so that no child takes them for its own.
    """
    pid, count = os.environ.get("LISTEN_PID", ""), os.environ.get("LISTEN_FDS", "")
    if pid != str(os.getpid()) or not count.isdecimal() or count == "0":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if count != "1":
        raise ValueError(f"expected one inherited socket, got {count}: give the .socket unit one ListenStream")
    return _FIRST_INHERITED_FD

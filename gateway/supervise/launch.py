"""The exec shim that ties a child's life to its parent: `python launch.py --parent PID [--signal N] -- COMMAND ...`.

The kernel's parent-death signal survives an exec, so the shim asks for it and becomes the command. It uses the standard
library only and runs with `-I -S`, which keeps it at a few milliseconds and independent of where it is started.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_USAGE: Final = "usage: launch --parent PID [--signal NUMBER] -- COMMAND [ARGUMENT ...]"


def launched(argv: Sequence[str], *, death_signal: int = signal.SIGKILL) -> list[str]:
    """`argv` so that it gets `death_signal` when the *thread* that starts it ends; start it from the main thread.

    SIGKILL by default: it also ends a frozen child, and what was acknowledged is on disk before it is acknowledged.
    """
    shim = [sys.executable, "-I", "-S", __file__]
    return [*shim, "--parent", str(os.getpid()), "--signal", str(int(death_signal)), "--", *argv]


def main(arguments: Sequence[str]) -> int:
    """Become the command; 64 for wrong use, 71 if the kernel refuses, 75 if the parent is gone, 127 if not found."""
    parent, death_signal, argv = _parse(arguments)
    if not argv:
        sys.stderr.write(_USAGE + "\n")
        return 64
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.stderr.write(f"launch: prctl refused the parent-death signal: {os.strerror(ctypes.get_errno())}\n")
        return 71
    # A parent that died before the call above sends no signal any more; then somebody else is our parent by now.
    if os.getppid() != parent:
        return 75
    try:
        os.execvp(argv[0], argv)  # noqa: S606  no shell on purpose
    except OSError as error:
        sys.stderr.write(f"launch: cannot start {argv[0]}: {error.strerror}\n")
        return 127


def _parse(arguments: Sequence[str]) -> tuple[int, int, list[str]]:
    """Parent, signal and command; an empty command where the arguments are not understood."""
    options, divider, argv = _split(arguments)
    known = {"--parent", "--signal"}
    if not divider or len(options) % 2 or not set(options[::2]) <= known:
        return 0, 0, []
    values = dict(zip(options[::2], options[1::2], strict=True))
    parent, number = values.get("--parent", ""), values.get("--signal", str(int(signal.SIGKILL)))
    if not (parent.isdecimal() and number.isdecimal()):
        return 0, 0, []
    return int(parent), int(number), argv


def _split(arguments: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return list(arguments), False, []
    at = list(arguments).index("--")
    return list(arguments[:at]), True, list(arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A tiny parent that starts the supervisor again when it is killed, and holds its listening socket meanwhile.

`python -m latchstring_gateway.supervise.respawn --listen 127.0.0.1:8400 -- latchstring serve`

In the demo this is what restarts the supervisor; under systemd it is systemd (deploy/systemd).
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from .. import logs
from .children import Child
from .listening import LISTEN_FD_VARIABLE, CannotListen, listening_socket
from .supervisor import Supervisor

#: A supervisor that ends with one of these meant to: it was asked to stop, or refused to start (wrong use, wrong
#: settings, directory in use), which another start would not change.
FINAL_CODES: Final = frozenset({0, 2, os.EX_CONFIG})


def keep_running(
    argv: Sequence[str], *, listen: str, env: Mapping[str, str] | None = None, stop_seconds: float = 40.0
) -> int:
    """Run `argv` with a listening socket in LATCHSTRING_LISTEN_FD, again and again until it ends with 0, 2 or 78.

    SIGTERM, SIGINT and SIGHUP are passed on as SIGTERM, a second one kills. The exit code; CannotListen before the
    first start. Call from the main thread, outside any event loop.
    """
    with listening_socket(listen) as listener:
        child = Child(
            name="supervisor",
            argv=argv,
            env={**(env or {}), LISTEN_FD_VARIABLE: str(listener.fileno())},
            pass_fds=(listener.fileno(),),
            stop_seconds=stop_seconds,
            final_codes=FINAL_CODES,
        )
        return asyncio.run(_keep(child))


async def _keep(child: Child) -> int:
    return await Supervisor([[child]]).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 for wrong use or an address that cannot be used."""
    parser = argparse.ArgumentParser(prog="respawn", description="keep a supervisor running")
    parser.add_argument("--listen", required=True, help="host:port, [address]:port or unix:/path")
    parser.add_argument("command", nargs="+", help="the supervisor and its arguments, after --")
    options = parser.parse_args(arguments)
    logs.configure()
    try:
        return keep_running(options.command, listen=options.listen)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())

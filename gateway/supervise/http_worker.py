"""One HTTP worker: `python -m latchstring_gateway.supervise.http_worker`, on the socket in LATCHSTRING_LISTEN_FD."""

import argparse
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import Settings
from .entry import Unavoidable, run_child
from .listening import LISTEN_FD_VARIABLE

if TYPE_CHECKING:
    from ..background import Work


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM; 78 (EX_CONFIG) if the settings or keys cannot be used."""
    parser = argparse.ArgumentParser(prog="latchstring-http-worker")
    inherited = os.environ.get(LISTEN_FD_VARIABLE)
    parser.add_argument(
        "--fd", type=int, default=inherited, required=inherited is None, help="the inherited listening socket"
    )
    listening = socket.socket(fileno=parser.parse_args(arguments).fd)
    return run_child(partial(serve, listening))


def serve(listening: socket.socket, chosen: Settings, work: "Work") -> None:
    """Run one worker on an open socket until SIGTERM or SIGINT.

    Raises KeyFileError, PlaceFileError, PseudonymKeyError, and Unavoidable if the app could not start.
    """
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from .. import app, wiring
    from ..beacons.journal import Journal
    from ..recognition.describe import describe
    from ..server.limits import ServerLimits
    from ..server.protocol import fast_protocol

    rooms = wiring.build(chosen, work=work)
    journal = Journal(
        chosen.data_dir / "journal",
        rooms.clock,
        fsync=chosen.fsync,
        segment_max_bytes=chosen.segment_max_bytes,
        segment_max_seconds=chosen.segment_max_seconds,
        backlog_max_bytes=chosen.backlog_max_bytes,
        disk_reserve_bytes=chosen.disk_reserve_bytes,
    )
    edge = app.build(rooms, journal)
    # Makes the engine, 0.13 s, before anybody waits for it.
    describe("")
    watched = _Watched(edge.asgi)
    config = uvicorn.Config(
        watched,
        http=fast_protocol(edge.hot_routes, journal.append, ServerLimits()),
        loop="uvloop",
        lifespan="on",
        # We walk X-Forwarded-For ourselves; uvicorn would replace the peer before we could ask whether it is trusted.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=10,
    )
    server = _Server(config, edge.end_streams)
    server.run(sockets=[listening])
    if watched.failure is not None:
        # uvicorn itself ends as if all were well.
        raise Unavoidable(watched.failure)


class _Watched:
    """The app, and why it could not start."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; of all scopes only lifespan's answers are looked at."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def watch(message: Message) -> None:
            if message["type"].endswith(".failed"):
                self.failure = str(message.get("message", "")).strip().rpartition("\n")[2] or "the app could not start"
            await send(message)

        await self._app(scope, receive, watch)


class _Server(uvicorn.Server):
    """Ends the streams that have no end before it waits for what is under way."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._end_streams()
        await super().shutdown(sockets)


if __name__ == "__main__":
    sys.exit(main())

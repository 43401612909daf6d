"""One HTTP worker: `python -m latchstring_gateway.supervise.http_worker`, on the socket in LATCHSTRING_LISTEN_FD."""

import argparse
import os
import socket
import sys
from collections.abc import Callable

import uvicorn

from .. import logs, settings
from ..settings import Settings, SettingsError
from ..shipping.pseudonyms import PseudonymKeyError
from ..tokens.keyring import KeyFileError
from .listening import LISTEN_FD_VARIABLE
from .shared_metrics import share_metrics


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM; 78 (EX_CONFIG) if the settings or keys cannot be used."""
    parser = argparse.ArgumentParser(prog="latchstring-http-worker")
    inherited = os.environ.get(LISTEN_FD_VARIABLE)
    parser.add_argument(
        "--fd", type=int, default=inherited, required=inherited is None, help="the inherited listening socket"
    )
    listening = socket.socket(fileno=parser.parse_args(arguments).fd)
    try:
        chosen = settings.read()
        logs.configure(level=chosen.log_level)
        serve(chosen, listening)
    except (SettingsError, KeyFileError, PseudonymKeyError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    return 0


def serve(chosen: Settings, listening: socket.socket) -> None:
    """Run one worker on an open socket until SIGTERM or SIGINT. Raises KeyFileError, PseudonymKeyError."""
    share_metrics(chosen.data_dir)
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from .. import app, wiring
    from ..beacons.journal import Journal
    from ..recognition.describe import describe
    from ..server.limits import ServerLimits
    from ..server.protocol import fast_protocol

    rooms = wiring.build(chosen)
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
    config = uvicorn.Config(
        edge.asgi,
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
    _Server(config, edge.end_streams).run(sockets=[listening])


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

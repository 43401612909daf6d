"""The sender's process: `python -m latchstring_gateway.supervise.sender`; runs if LATCHSTRING_CLICKHOUSE is set."""

import os
import signal
import sqlite3
import sys
import threading
from typing import Final

from .. import logs, settings
from ..clock import SystemClock
from ..settings import SettingsError
from .shared_metrics import share_metrics

#: How long it rests when everything was sent, and when the sink did not take it.
_REST_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5.0


def main() -> int:
    """Send until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used."""
    try:
        chosen = settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    logs.configure(level=chosen.log_level)
    share_metrics(chosen.data_dir)
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from .. import metrics
    from ..shipping.clickhouse import ClickHouse, SinkAwayError
    from ..shipping.run import WAREHOUSE
    from ..shipping.seen import Seen
    from ..shipping.send import Sender

    log = logs.get("shipping")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = SystemClock()
    warehouse = chosen.data_dir / WAREHOUSE
    warehouse.mkdir(parents=True, exist_ok=True)
    sink, seen = ClickHouse(chosen.clickhouse), Seen(warehouse)
    sender = Sender(warehouse, seen, sink)
    while not stop.is_set():
        rest = _REST_SECONDS
        try:
            if sent := sender.send_once():
                log.info("sent", records=sent)
        except (SinkAwayError, OSError, sqlite3.Error) as error:
            log.error("not_sent", reason=str(error), retry_seconds=_RETRY_SECONDS)
            rest = _RETRY_SECONDS
        waiting = sender.waiting()
        metrics.SINK_BYTES.set(waiting.size_bytes)
        metrics.SINK_SECONDS.set(0 if waiting.oldest_ms is None else (clock.wall_ms() - waiting.oldest_ms) / 1_000)
        stop.wait(rest)
    seen.close()
    sink.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

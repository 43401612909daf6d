"""The sender's process: `python -m latchstring_gateway.supervise.sender`; runs if LATCHSTRING_CLICKHOUSE is set."""

import sys
from typing import TYPE_CHECKING, Final

from ..settings import Settings
from .entry import run_child, stopped_by_signal

if TYPE_CHECKING:
    from ..background import Work

#: How long it rests when everything was sent.
_REST_SECONDS: Final = 1.0
#: A commit may take the sink minutes; a turn sends one after the other.
_WITHIN_SECONDS: Final = 300.0
_REMEDY: Final = "see that the sink at LATCHSTRING_CLICKHOUSE answers and has room; commits wait until it does"
_RECORDS_REMEDY: Final = (
    "the log names them (record_held_up): put a file that cannot be read back, or give it up with "
    "latchstring warehouse check --quarantine; what the sink refuses says why"
)
_FIGURES_REMEDY: Final = "the figures of the sink's backlog stand still; look at the index of commits"


def main() -> int:
    """Send until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used."""
    return run_child(_send)


def _send(chosen: Settings, work: "Work") -> None:
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from .. import logs, metrics
    from ..clock import SystemClock
    from ..shipping.clickhouse import ClickHouse
    from ..shipping.durable import make_directory
    from ..shipping.run import WAREHOUSE
    from ..shipping.seen import Seen
    from ..shipping.seen_file import IndexReplacedError
    from ..shipping.send import Sender

    log, clock, stop = logs.get("shipping"), SystemClock(), stopped_by_signal()
    warehouse = chosen.data_dir / WAREHOUSE
    make_directory(warehouse)
    sink, seen = ClickHouse(chosen.clickhouse), Seen(warehouse)
    records = work.task("send_records", within_seconds=_WITHIN_SECONDS, remedy=_RECORDS_REMEDY)
    sender = Sender(warehouse, seen, sink, clock, failed=records.failed, clear=records.done)
    figures = work.task("sink_figures", within_seconds=_WITHIN_SECONDS, remedy=_FIGURES_REMEDY)

    def send() -> None:
        try:
            with seen.watched():
                seen.check()
                sent = sender.send_once()
            if sent:
                log.info("sent", records=sent)
        except IndexReplacedError:
            # The supervisor starts this process again, with the new file.
            stop.set()
            raise
        finally:
            try:
                waiting = sender.waiting()
                waits_ms = 0 if waiting.oldest_ms is None else clock.wall_ms() - waiting.oldest_ms
                metrics.SINK_BYTES.set(waiting.size_bytes)
                metrics.SINK_SECONDS.set(max(0, waits_ms) / 1_000)
                figures.done()
            except Exception as fault:
                figures.failed(fault)

    task = work.task("send", within_seconds=_WITHIN_SECONDS, remedy=_REMEDY)
    task.repeat(send, every_seconds=_REST_SECONDS, stop=stop)
    seen.close()
    sink.close()


if __name__ == "__main__":
    sys.exit(main())

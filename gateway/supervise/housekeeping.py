"""The housekeeping process: `python -m latchstring_gateway.supervise.housekeeping`."""

import os
import signal
import sys
import threading
from typing import Final

from .. import logs, settings
from ..clock import SystemClock
from ..settings import SettingsError
from ..shipping.pseudonyms import PseudonymKeyError, Pseudonyms
from .shared_metrics import share_metrics

_NICE: Final = 5


def main() -> int:
    """Keep house until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used."""
    try:
        chosen = settings.read()
        pseudonyms = Pseudonyms.at(chosen.data_dir)
    except (SettingsError, PseudonymKeyError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    logs.configure(level=chosen.log_level)
    share_metrics(chosen.data_dir)
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from ..background import Work
    from ..housekeeping.house import House

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # Whoever waits for an answer comes first.
    os.nice(_NICE)
    clock = SystemClock()
    house = House(
        chosen.data_dir,
        clock,
        pseudonyms=pseudonyms,
        keep_days=chosen.keep_days,
        sends=bool(chosen.clickhouse),
    )
    with house:
        house.run(stop, Work(clock))
    return 0


if __name__ == "__main__":
    sys.exit(main())

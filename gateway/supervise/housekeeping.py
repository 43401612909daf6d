"""The housekeeping process: `python -m latchstring_gateway.supervise.housekeeping`."""

import os
import sys
from typing import TYPE_CHECKING, Final

from ..clock import SystemClock
from ..settings import Settings
from ..shipping.pseudonyms import Pseudonyms
from .entry import run_child, stopped_by_signal

if TYPE_CHECKING:
    from ..background import Work

_NICE: Final = 5


def main() -> int:
    """Keep house until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used."""
    return run_child(_keep_house)


def _keep_house(chosen: Settings, work: "Work") -> None:
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from ..housekeeping.house import House

    stop = stopped_by_signal()
    # Whoever waits for an answer comes first.
    os.nice(_NICE)
    house = House(
        chosen.data_dir,
        SystemClock(),
        pseudonyms=Pseudonyms.at(chosen.data_dir),
        keep_days=chosen.keep_days,
        sends=bool(chosen.clickhouse),
    )
    with house:
        house.run(stop, work)


if __name__ == "__main__":
    sys.exit(main())

"""A shipper's process: `python -m latchstring_gateway.supervise.shipper [--number N]`."""

import argparse
import gc
import sys
from functools import partial
from typing import TYPE_CHECKING

from latchstring_middleware.forwarded import TrustedProxies

from ..clock import SystemClock
from ..settings import Settings
from ..shipping.pseudonyms import Pseudonyms
from .entry import Unavoidable, run_child, stopped_by_signal

if TYPE_CHECKING:
    from ..background import Work


def main(arguments: list[str] | None = None) -> int:
    """Ship until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used, 1 if another has the same number."""
    parser = argparse.ArgumentParser(prog="latchstring-shipper")
    parser.add_argument("--number", type=int, default=1, help="which of several shippers this is (default: 1)")
    number = parser.parse_args(arguments).number
    return run_child(partial(_ship, number))


def _ship(number: int, chosen: Settings, work: "Work") -> int:
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from ..shipping.daily import Daily
    from ..shipping.run import AnotherShipperError, Shipper
    from .people import people_policy

    stop = stopped_by_signal()
    # Hits by the hundred thousand are no cycles, yet the collector would go through them again and again: it takes two
    # fifths of the time. `Shipper.run` calls it after each segment.
    gc.freeze()
    gc.disable()
    clock = SystemClock()
    daily = Daily(chosen.data_dir, clock)
    pseudonyms = Pseudonyms.at(chosen.data_dir)
    policy = people_policy(chosen, pseudonyms, daily, clock)
    shipper = Shipper(
        chosen.data_dir,
        clock,
        TrustedProxies.parse(chosen.trusted_proxies),
        places=chosen.open_places(),
        keep_network=chosen.addresses == "network",
        policies=policy.now,
        forget=daily.forget,
        number=number,
    )
    try:
        with shipper:
            shipper.run(stop, work)
    except AnotherShipperError as error:
        raise Unavoidable(str(error)) from None
    finally:
        # DuckDB complains at length of what it finds alive at the interpreter's end.
        gc.unfreeze()
    return 0


if __name__ == "__main__":
    sys.exit(main())

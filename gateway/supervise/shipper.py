"""A shipper's process: `python -m latchstring_gateway.supervise.shipper [--number N]`."""

import argparse
import gc
import os
import signal
import sys
import threading

from latchstring_middleware.forwarded import TrustedProxies

from .. import logs, settings
from ..clock import SystemClock
from ..settings import SettingsError
from ..shipping.pseudonyms import PseudonymKeyError, Pseudonyms
from ..tokens.keyring import KeyFileError
from .shared_metrics import share_metrics


def main(arguments: list[str] | None = None) -> int:
    """Ship until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used, 1 if another has the same number."""
    parser = argparse.ArgumentParser(prog="latchstring-shipper")
    parser.add_argument("--number", type=int, default=1, help="which of several shippers this is (default: 1)")
    number = parser.parse_args(arguments).number
    try:
        chosen = settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    logs.configure(level=chosen.log_level)
    share_metrics(chosen.data_dir)
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from ..background import Work
    from ..shipping.daily import Daily
    from ..shipping.run import AnotherShipperError, Shipper
    from .people import people_policy

    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    # Hits by the hundred thousand are no cycles, yet the collector would go through them again and again: it takes two
    # fifths of the time. `Shipper.run` calls it after each segment.
    gc.freeze()
    gc.disable()
    clock = SystemClock()
    daily = Daily(chosen.data_dir, clock)
    try:
        pseudonyms = Pseudonyms.at(chosen.data_dir)
        policy = people_policy(chosen, pseudonyms, daily, clock)
    except (KeyFileError, PseudonymKeyError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - as the workers tell it
        return os.EX_CONFIG
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
            shipper.run(stop, Work(clock))
    except AnotherShipperError as error:
        logs.get("shipping").error("another_shipper", reason=str(error))
        return 1
    finally:
        # DuckDB complains at length of what it finds alive at the interpreter's end.
        gc.unfreeze()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The shipper's process: `python -m latchstring_gateway.supervise.shipper`."""

import os
import signal
import sys
import threading

from latchstring_middleware.forwarded import TrustedProxies

from .. import logs, settings
from ..clock import SystemClock
from ..settings import SettingsError
from ..shipping.run import AnotherShipperError, Shipper


def main() -> int:
    """Ship until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used, 1 if another shipper is at work."""
    try:
        chosen = settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    logs.configure(level=chosen.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Shipper(chosen.data_dir, SystemClock(), TrustedProxies.parse(chosen.trusted_proxies)) as shipper:
            shipper.run(stop)
    except AnotherShipperError as error:
        logs.get("shipping").error("another_shipper", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

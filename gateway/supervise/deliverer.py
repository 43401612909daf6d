"""The hook deliverer's process: `python -m latchstring_gateway.supervise.deliverer`."""

import asyncio
import os
import signal
import sys

from .. import logs, settings
from ..clock import SystemClock
from ..hooks.deliver import Deliverer
from ..settings import SettingsError
from ..store.client import Store


def main() -> int:
    """Deliver until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used."""
    try:
        chosen = settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    logs.configure(level=chosen.log_level)
    asyncio.run(_deliver(Store(chosen.store_url)))
    return 0


async def _deliver(store: Store) -> None:
    deliverer = Deliverer(store, SystemClock())
    running = asyncio.create_task(deliverer.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    await asyncio.gather(running, return_exceptions=True)
    await deliverer.close()
    await store.close()


if __name__ == "__main__":
    sys.exit(main())

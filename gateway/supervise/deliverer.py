"""The hook deliverer's process: `python -m latchstring_gateway.supervise.deliverer`."""

import asyncio
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from ..settings import Settings
from .entry import run_child

if TYPE_CHECKING:
    from ..background import Work

#: A look through all outboxes takes milliseconds, and a call to the store at most two seconds.
_WITHIN_SECONDS: Final = 10.0
_REMEDY: Final = "events wait in their outboxes and are delivered later; look at the traceback"


def main() -> int:
    """Deliver until SIGTERM; 78 (EX_CONFIG) if the settings cannot be used."""
    return run_child(lambda chosen, work: asyncio.run(_deliver(chosen, work)))


async def _deliver(chosen: Settings, work: "Work") -> None:
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from ..background import Background
    from ..clock import SystemClock
    from ..hooks.deliver import POLL_SECONDS, Deliverer
    from ..store.client import Store

    clock, store, stop = SystemClock(), Store(chosen.store_url), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    deliverer, background = Deliverer(store, clock, work=work), Background(clock, work)
    async with deliverer.client() as client:
        background.forever(
            "hooks",
            partial(deliverer.step, client),
            every_seconds=POLL_SECONDS,
            within_seconds=_WITHIN_SECONDS,
            remedy=_REMEDY,
        )
        await stop.wait()
        await background.close()
        await deliverer.stop()
    await deliverer.close()
    await store.close()


if __name__ == "__main__":
    sys.exit(main())

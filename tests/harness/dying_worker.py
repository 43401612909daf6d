"""An HTTP worker that dies as by kill -9 when a hit which says `last-breath` is in the journal, before it is answered.

Run like the real one: `python -m harness.dying_worker --fd N`.
"""

import os
import signal
import sys
from collections.abc import Callable

from latchstring_gateway.beacons import journal
from latchstring_gateway.supervise import http_worker


class LastJournal(journal.Journal):
    """Takes the process with it once it has written the one record."""

    def append(self, payload: bytes, done: Callable[[bool], object]) -> None:
        """See Journal."""
        super().append(payload, _die if b"last-breath" in payload else done)


def _die(_kept: bool) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    # The worker imports it by this name when it starts to serve.
    journal.Journal = LastJournal  # type: ignore[misc]
    sys.exit(http_worker.main())

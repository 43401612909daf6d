"""The index forgets what no retry can match any more: a slice at a time, so that no shipper waits for long."""

from pathlib import Path
from typing import Final

from ..clock import Clock
from ..shipping.claim import segments_in
from ..shipping.seen import KEEP_MS, Seen

#: So many keys are looked at while shippers wait.
KEYS_AT_A_TIME: Final = 5_000
#: So many names of segments and runs of numbers, once in a pass.
ROWS_AT_A_TIME: Final = 20_000
#: From the end of one pass through the index to the beginning of the next.
PAUSE_MS: Final = 6 * 3_600_000
_DAY_MS: Final = 86_400_000


class Forgetting:
    """Goes through the index again and again; a key is gone at most a day after its time."""

    def __init__(self, seen: Seen, journal: Path, clock: Clock) -> None:
        self._seen = seen
        self._journal = journal
        self._clock = clock
        self._rested_ms = 0

    def step(self) -> bool:
        """Look at one slice; False when the pass is over, until the next is due."""
        now_ms = self._clock.wall_ms()
        if 0 <= now_ms - self._rested_ms < PAUSE_MS:
            return False
        if not self._seen.forget_keys(now_ms - KEEP_MS, keys=KEYS_AT_A_TIME):
            return True
        # Later than their keys: those name their segment by its number.
        waiting = {path.name.partition(".")[0] for path in segments_in(self._journal)}
        self._seen.forget_segments(now_ms, now_ms - KEEP_MS - 2 * _DAY_MS, but=waiting, rows=ROWS_AT_A_TIME)
        self._rested_ms = now_ms
        return False

"""What to do about a bug of ours that a request has met: one line of log with an id, and a count; never a flood.

The client is told 503 and the id, so that whoever asks about it can be helped: a bug is no reason to send anybody away
for good, and for this request another try or another worker may do.
"""

import traceback
from collections.abc import Callable
from typing import Final, Literal

from . import logs, metrics
from .clock import Clock

#: The same error at the same place is told with its traceback once in this time; each occurrence has its line.
_AGAIN_NS: Final = 60_000_000_000
#: Places that are remembered; then all are forgotten.
_MAX_PLACES: Final = 256

_log: Final = logs.get("app")


def reporter(clock: Clock, where: Literal["app", "fast"]) -> Callable[[str, BaseException], None]:
    """A function that is told the id of a problem and the exception behind it."""
    told_ns: dict[tuple[str, str, int], int] = {}
    counter = metrics.UNEXPECTED_ERRORS.labels(where)

    def report(problem_id: str, error: BaseException) -> None:
        counter.inc()
        frames = traceback.extract_tb(error.__traceback__)
        place = (type(error).__name__, frames[-1].filename, frames[-1].lineno or 0) if frames else ("", "", 0)
        now_ns = clock.boot_ns()
        is_new = now_ns - told_ns.get(place, -_AGAIN_NS) >= _AGAIN_NS
        if is_new:
            if len(told_ns) >= _MAX_PLACES:
                told_ns.clear()
            told_ns[place] = now_ns
        _log.error(
            "unexpected_error",
            id=problem_id,
            where=where,
            error=type(error).__name__,
            exc_info=error if is_new else None,
        )

    return report

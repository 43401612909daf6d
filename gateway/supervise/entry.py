"""The frame of every child's `main`: settings, log, metrics and health first, then its work, then why it ended.

What keeps a child from starting, or ends it, is logged with a remedy and written into its health file, so that the
supervisor's log and every worker's readiness say it (node_health.py). A fault that repeats at each start is told with
its traceback once.
"""

import contextlib
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .. import logs, settings
from ..clock import SystemClock
from ..devices.place import PlaceFileError
from ..settings import Settings, SettingsError
from ..shipping.pseudonyms import PseudonymKeyError
from ..shipping.seen_file import IndexReplacedError
from ..tokens.keyring import KeyFileError
from .shared_metrics import share_metrics

if TYPE_CHECKING:
    from ..background import Work

_REMEDIES: Final[dict[type[BaseException], str]] = {
    MemoryError: "give this machine more memory",
    sqlite3.Error: "see that warehouse/seen.sqlite can be read and written; if it is deleted, it is made anew",
    OSError: "see that the data directory can be read and written, and that the disk is not full",
    ImportError: "install latchstring again, with all that it needs",
}
_OUR_BUG: Final = "a bug of ours: report it with the traceback; the process is started again"


class Unavoidable(Exception):
    """The child cannot do its work here and now; the text says why, and what an operator can do about it."""


def run_child(work_of: "Callable[[Settings, Work], int | None]") -> int:
    """Read the settings and do `work_of(settings, work)`; the exit code of the process, 0 for None.

    78 (EX_CONFIG) if the settings or keys cannot be used, 1 after any other exception. The tasks of `work` are reported
    as those of this process.
    """
    try:
        chosen = settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there is a log
        return os.EX_CONFIG
    logs.configure(level=chosen.log_level)
    share_metrics(chosen.data_dir)
    # Imported late: prometheus_client reads its directory from the environment when it is imported.
    from ..background import Work
    from ..node_health import NAME_VARIABLE, HealthFile, health_directory, speaking

    clock, name = SystemClock(), os.environ.get(NAME_VARIABLE, "")
    work, file = Work(clock), HealthFile(health_directory(chosen.data_dir), name, clock)
    before = file.read() if name else None
    with contextlib.ExitStack() as speaks:
        if name:
            speaks.enter_context(speaking(health_directory(chosen.data_dir), name, clock, work))
        try:
            return work_of(chosen, work) or 0
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and not error.code:
                return 0
            fault = error
    # Only now: while it speaks, the file says that all is well.
    code = next((code for kind, code in _EXPECTED.items() if isinstance(fault, kind)), 1)
    is_expected = isinstance(fault, tuple(_EXPECTED))
    reason = str(fault) if is_expected else f"{type(fault).__name__}: {fault}"[:500]
    remedy = "see the reason" if is_expected else _remedy(fault)
    if name:
        file.write(fault=reason, remedy=remedy)
    if before is None or before.fault != reason:
        trace = None if is_expected else fault
        logs.get("supervise").error("child_failed", child=name, reason=reason, remedy=remedy, exc_info=trace)
    return fault.code if isinstance(fault, SystemExit) and isinstance(fault.code, int) else code


#: What says itself what an operator can do, and what the process ends with then.
_EXPECTED: Final[dict[type[BaseException], int]] = {
    KeyFileError: os.EX_CONFIG,
    PseudonymKeyError: os.EX_CONFIG,
    PlaceFileError: os.EX_CONFIG,
    IndexReplacedError: 1,
    Unavoidable: 1,
}


def stopped_by_signal() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; call it in the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _remedy(fault: BaseException) -> str:
    return next((remedy for kind, remedy in _REMEDIES.items() if isinstance(fault, kind)), _OUR_BUG)

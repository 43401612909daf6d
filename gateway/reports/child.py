"""A report's process: `python -m latchstring_gateway.reports.child`, a task on stdin, its result on stdout, both JSON.

Apart from the workers, so that neither its memory nor its time is theirs: it runs at low priority, and the kernel ends
it when its time is over, whatever has become of whoever asked.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from ..clock import SystemClock
from .ask import ask
from .damaged import DamagedFiles
from .ledger import ledger
from .task import DAMAGED, LedgerSummary, Result, Task

_NICE: Final = 10
#: The answer cannot be found: no memory, no disk, a file that cannot be read. What it was is told on stderr.
FAILED: Final = 1


def main() -> int:
    """Do one task; 0, or 1 (FAILED), or 3 (DAMAGED)."""
    os.nice(_NICE)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    signal.alarm(task.seconds)
    data_dir = Path(task.data_dir)
    try:
        answers = [ask(data_dir, asked, SystemClock(), memory_mb=task.memory_mb) for asked in task.questions]
        found = _ledger(data_dir) if task.ledger else None
    except DamagedFiles as error:
        print(error, file=sys.stderr)  # noqa: T201 - for whoever asked
        return DAMAGED
    except (duckdb.Error, OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - for whoever asked
        return FAILED
    sys.stdout.buffer.write(msgspec.json.encode(Result(answers, found)))
    return 0


def _ledger(data_dir: Path) -> LedgerSummary:
    found = ledger(data_dir, reads_files=False)
    return LedgerSummary(found.rows, found.total, dict(found.excluded), len(found.problems))


if __name__ == "__main__":
    sys.exit(main())

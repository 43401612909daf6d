"""Faults: exceptions of our own code about one event. They cost that event: it becomes a dead letter `decoder_failed`.

Its raw bytes are kept and can be judged again (`latchstring dead-letters replay`), except where the fault was in saying
what may be kept (stage "policy"): then the letter counts the event and holds nothing of it.
"""

from pathlib import Path
from typing import Final

from .. import logs, metrics
from .event import Fault, Rejected, Stage

#: The reason of such dead letters.
DECODER_FAILED: Final = "decoder_failed"
#: Faults that are told in the log, each once; what comes besides is counted only.
_MAX_KNOWN: Final = 1_000

_log: Final = logs.get("shipping")
_known: Final[set[Fault]] = set()


def fault_of(stage: Stage, error: Exception) -> Fault:
    """The fault behind an exception.

    A lack of memory, and a disk that does not hold what the policy must write down (a day's salt), are none of an
    event's: they are raised again, and the whole segment is tried later.
    """
    if isinstance(error, MemoryError) or (stage == "policy" and isinstance(error, OSError)):
        raise error
    return Fault(stage, place_of(error))


def place_of(error: Exception) -> str:
    """Type and place of an exception; not its message, which may quote what a visitor sent."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"


def failed(stage: Stage, error: Exception, alone: bytes = b"") -> Rejected:
    """What an event becomes whose reading failed; `alone` as in Rejected."""
    return Rejected(DECODER_FAILED, alone, fault_of(stage, error))


def count_fault(fault: Fault) -> None:
    """Count it, and log each kind once in the life of the process."""
    metrics.DECODER_FAILURES.labels(fault.stage).inc()
    if fault not in _known and len(_known) < _MAX_KNOWN:
        _known.add(fault)
        _log.error("decoder_failed", stage=fault.stage, error=fault.error)

"""What a worker and a report's process tell each other. Light: a worker that imports it has no database in memory."""

from typing import Final

from msgspec import Struct

from ..shipping.commits import Count
from .answer import Answer
from .question import Question

#: Exit code of a report's process: files of the warehouse cannot be read; stderr names them.
DAMAGED: Final = 3


class Task(Struct, frozen=True, kw_only=True):
    """What is asked, and what it may take."""

    data_dir: str
    memory_mb: int
    seconds: int
    questions: list[Question]
    #: Whether the ledger is wanted, too.
    ledger: bool = False


class LedgerSummary(Struct, frozen=True):
    """The ledger's rows, oldest hour first, and in how many places it does not add up."""

    rows: list[Count]
    total: Count
    excluded: dict[str, int]
    problems: int


class Result(Struct, frozen=True):
    """An answer to each question, in order."""

    answers: list[Answer]
    ledger: LedgerSummary | None = None

"""What the metrics hear of the journal."""

from pathlib import Path

from harness.waiting import wait_until_async
from latchstring_gateway import metrics
from latchstring_gateway.beacons.floods import UNLIMITED
from latchstring_gateway.beacons.journal import Journal
from latchstring_gateway.beacons.telling import journal_metrics
from latchstring_gateway.clock import SystemClock


def _hits(outcome: str) -> float:
    return float(metrics.HITS.labels(outcome)._value.get())


async def test_hits_backlog_and_policy_are_told(tmp_path: Path) -> None:
    """Answers by outcome, how much waits for how long, and how the journal is synced."""
    kept, refused = _hits("kept"), _hits("backlog_full")
    journal = Journal(tmp_path, SystemClock(), fsync="always", backlog_max_bytes=10_000)
    tell = journal_metrics(journal, UNLIMITED, SystemClock())

    answers: list[bool] = []
    journal.append(bytes(20_000), answers.append)
    await wait_until_async(lambda: len(answers) == 1, "the first answer")
    journal.append(b"x", answers.append)
    await wait_until_async(lambda: len(answers) == 2, "the second answer")
    tell()

    assert answers == [True, False]
    assert (_hits("kept") - kept, _hits("backlog_full") - refused) == (1, 1)
    assert metrics.JOURNAL_FSYNC.labels("always")._value.get() == 1
    assert metrics.JOURNAL_HEALTHY._value.get() == 0
    assert metrics.BACKLOG_BYTES._value.get() > 20_000
    assert 0 <= metrics.BACKLOG_SECONDS._value.get() < 60
    await journal.close()

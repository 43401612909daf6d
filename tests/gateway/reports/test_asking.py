"""Asking from a worker: a process of its own, bounded, never more than one, and light on the worker."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness import warehouse
from harness.hits import NOW_MS
from latchstring_gateway.errors import ReportAway
from latchstring_gateway.reports.asking import Reports
from latchstring_gateway.reports.question import Question, question

# A process for each answer: no unit test's time.
pytestmark = pytest.mark.beacons


_ASKED = question("pages", {"to": ["2027-01-15"]}, now_ms=NOW_MS, partner_people=10)


def _reports(data_dir: Path, *, seconds: float = 60) -> Reports:
    return Reports(data_dir, memory_mb=256, seconds=seconds)


async def test_questions_and_ledger_are_answered_together(tmp_path: Path) -> None:
    """One process for all of them."""
    warehouse.commit(tmp_path, [{"page": "/a"}, {"page": "/a"}])
    audience = question("audience", {"to": ["2027-01-15"]}, now_ms=NOW_MS, partner_people=10)

    result = await _reports(tmp_path).answer([_ASKED, audience], ledger=True)

    assert [answer.question for answer in result.answers] == [_ASKED, audience]
    assert result.answers[0].rows == [["/a", 2, 2, 0]]
    assert result.ledger is not None
    assert (result.ledger.total.received, result.ledger.problems) == (2, 0)


async def test_a_report_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """By the kernel, at its time; the next one has its turn."""
    fifo = tmp_path / "warehouse" / "commits" / f"{'A' * 22}.json"
    fifo.parent.mkdir(parents=True)
    subprocess.run(["mkfifo", str(fifo)], check=True)

    with pytest.raises(ReportAway) as away:
        await _reports(tmp_path, seconds=1).answer([_ASKED])

    assert away.value.code == "report_given_up"
    fifo.unlink()
    assert (await _reports(tmp_path).answer([_ASKED])).answers[0].rows == []


async def test_a_report_that_cannot_be_made_is_told_as_such(tmp_path: Path) -> None:
    """A spoilt file is a fault of ours that the log tells; the client learns nothing of paths."""
    commit = warehouse.commit(tmp_path, [{"page": "/a"}])
    (tmp_path / "warehouse" / commit.events[0].path).write_bytes(b"no parquet")

    with pytest.raises(ReportAway) as away:
        await _reports(tmp_path).answer([_ASKED])

    assert away.value.code == "warehouse_file_unreadable"
    assert str(tmp_path) not in away.value.detail


async def test_whoever_gives_up_waiting_leaves_no_process(tmp_path: Path) -> None:
    """A client that hangs up ends its report."""
    fifo = tmp_path / "warehouse" / "commits" / f"{'A' * 22}.json"
    fifo.parent.mkdir(parents=True)
    subprocess.run(["mkfifo", str(fifo)], check=True)
    reports = _reports(tmp_path)
    asking = asyncio.create_task(reports.answer([_ASKED]))
    writer = await asyncio.to_thread(fifo.open, "wb", 0)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    # A pipe without a reader.
    with pytest.raises(BrokenPipeError):
        os.write(writer.fileno(), b" ")
    writer.close()


async def test_more_than_a_few_waiting_are_sent_away(tmp_path: Path) -> None:
    """At once, with a time to come back."""
    reports = _reports(tmp_path)

    results = await asyncio.gather(*(reports.answer([_ASKED]) for _ in range(7)), return_exceptions=True)

    busy = [result for result in results if isinstance(result, ReportAway)]
    assert [(away.code, away.retry_after_seconds) for away in busy] == [("report_busy", 5)] * 2
    assert (await reports.answer([_ASKED])).answers[0].gross == 0


def test_a_worker_that_takes_questions_has_no_database_in_memory() -> None:
    """DuckDB, Arrow, NumPy and the sketches are the child's alone."""
    heavy = ("duckdb", "pyarrow", "numpy", "datasketches")
    code = f"import sys, latchstring_gateway.app; print([name for name in {heavy} if name in sys.modules])"

    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert told.stdout.strip() == "[]"


def test_question_survives_the_way_to_the_process() -> None:
    """As JSON and back."""
    assert msgspec.json.decode(msgspec.json.encode(_ASKED), type=Question) == _ASKED

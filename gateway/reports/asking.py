"""Asking from a worker: each task is a process of its own, one at a time, bounded in memory and time."""

import asyncio
import contextlib
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from .. import logs
from ..errors import ReportAway
from .question import Question
from .task import DAMAGED, Result, Task

_CHILD: Final = "latchstring_gateway.reports.child"
#: So many may wait for the one that runs; more are sent away.
_MAX_WAITING: Final = 4
#: For starting, and for ending by itself.
_GRACE_SECONDS: Final = 10

_log: Final = logs.get("reports")


class Reports:
    """Answers questions about one data directory.

    `memory_mb` and `seconds` are for all questions of a task together. Raises ReportAway: too many wait, the time is
    over, or there was not room enough.
    """

    def __init__(self, data_dir: Path, *, memory_mb: int, seconds: float) -> None:
        self._data_dir = data_dir
        self._memory_mb = memory_mb
        self._seconds = math.ceil(seconds)
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def answer(self, questions: Sequence[Question], *, ledger: bool = False) -> Result:
        """An answer to each question, and if wanted the ledger."""
        if self._waiting > _MAX_WAITING:
            raise ReportAway("report_busy", "too many reports are being made; try again", retry_after_seconds=5)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._run(self._task(questions, ledger=ledger))
        finally:
            self._waiting -= 1

    def _task(self, questions: Sequence[Question], *, ledger: bool) -> bytes:
        return msgspec.json.encode(
            Task(
                data_dir=str(self._data_dir.resolve()),
                memory_mb=self._memory_mb,
                seconds=self._seconds,
                questions=list(questions),
                ledger=ledger,
            )
        )

    async def _run(self, task: bytes) -> Result:
        # It counts nothing, so it must not leave files among the workers' metrics.
        env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
        )
        try:
            async with asyncio.timeout(self._seconds + _GRACE_SECONDS):
                told, trouble = await child.communicate(task)
        except TimeoutError:
            raise _given_up(self._seconds) from None
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        if child.returncode == 0:
            return msgspec.json.decode(told, type=Result)
        if child.returncode is not None and child.returncode < 0:
            raise _given_up(self._seconds)
        if child.returncode == DAMAGED:
            detail = trouble.decode("utf-8", "replace").strip()
            _log.error("report_files_damaged", reason=detail)
            raise ReportAway("warehouse_file_unreadable", detail[-1_000:], retry_after_seconds=60)
        _log.error("report_failed", status=child.returncode, reason=trouble.decode("utf-8", "replace")[-2_000:])
        raise ReportAway("report_failed", "the report could not be made; the log says why", retry_after_seconds=60)


def _given_up(seconds: int) -> ReportAway:
    _log.error("report_given_up", seconds=seconds)
    detail = f"the report took longer than {seconds} seconds, or all memory: ask for fewer days"
    return ReportAway("report_given_up", detail, retry_after_seconds=60)

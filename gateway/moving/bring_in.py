"""Importing a file of lines: window by window, read and checked while the store is busy with the one before.

A line that cannot be taken in goes to the rejects, `{"line": 17, "reason": "…"}`, and nothing else of it anywhere. Each
line has a key (account and the website's own name), so whatever is repeated after a crash changes nothing.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from ..clock import Clock
from ..store.client import Store
from .admit import admit
from .lines import MAX_LINE_BYTES, BadLine, Judge, Kind, Row, decode
from .position import Position, save

_WINDOW: Final = 4_096

_REASONS: Final = {
    "overtaken": "the account was signed out everywhere after the password was checked",
    "disabled": "the account is disabled",
    "device_removed": "the device was removed",
    "other_account": "this id belongs to another account",
}


@dataclass(slots=True)
class _Window:
    """Some lines in a row, judged; `offset` and `line` are where the file stands after them."""

    rows: list[Row]
    numbers: list[int]
    rejects: list[tuple[int, str]]
    offset: int
    line: int


class BringIn:
    """One import; `position` moves on as it goes. Without `progress` (a pipe, a dry run) nothing is remembered."""

    def __init__(
        self,
        store: Store,
        judge: Judge,
        clock: Clock,
        *,
        kind: Kind,
        position: Position,
        progress: Path | None,
        rejects: Path,
        lines_per_second: int,
    ) -> None:
        self.position = position
        self._store = store
        self._judge = judge
        self._clock = clock
        self._kind = kind
        self._progress = progress
        self._rejects = rejects
        self._lines_per_second = lines_per_second

    async def run(self, source: BinaryIO, *, dry: bool = False) -> AsyncIterator[Position]:
        """Take in the rest of `source`, which stands at the position; yields after each window.

        Raises StoreAway and OSError: what the position says is done, and another run goes on from there.
        """
        if self._rejects.exists() and self._rejects.stat().st_size > self.position.rejects_bytes:
            # What was written after the position was saved is written again.
            os.truncate(self._rejects, self.position.rejects_bytes)
        under_way: deque[tuple[_Window, asyncio.Task[list[str]]]] = deque()
        try:
            for window in self._windows(source):
                began_ns = self._clock.boot_ns()
                under_way.append((window, asyncio.create_task(admit(self._store, window.rows, dry=dry))))
                # One turn lets it send; the store works while the next window is read.
                await asyncio.sleep(0)
                if len(under_way) > 1:
                    done, task = under_way.popleft()
                    yield self._settle(done, await task)
                await self._pace(len(window.numbers), began_ns)
            for done, task in under_way:
                yield self._settle(done, await task)
        finally:
            for _window, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _window, task in under_way), return_exceptions=True)

    async def _pace(self, lines: int, began_ns: int) -> None:
        spent_seconds = (self._clock.boot_ns() - began_ns) / 1e9
        await asyncio.sleep(max(0.0, lines / self._lines_per_second - spent_seconds))

    def _windows(self, source: BinaryIO) -> Iterator[_Window]:
        offset, line = self.position.offset, self.position.line
        while True:
            window = _Window([], [], [], offset, line)
            while len(window.numbers) + len(window.rejects) < _WINDOW:
                raw, size = _read_line(source)
                if not size:
                    break
                offset, line = offset + size, line + 1
                self._take(window, line, raw)
            if offset == window.offset:
                return
            window.offset, window.line = offset, line
            yield window

    def _take(self, window: _Window, line: int, raw: bytes) -> None:
        if not raw.strip():
            return
        try:
            row = self._judge.row(decode(self._kind, raw), self._clock.wall_ms())
        except BadLine as bad:
            window.rejects.append((line, str(bad)))
        else:
            window.rows.append(row)
            window.numbers.append(line)

    def _settle(self, window: _Window, outcomes: list[str]) -> Position:
        position, rejects = self.position, window.rejects
        for number, outcome in zip(window.numbers, outcomes, strict=True):
            if outcome == "imported":
                position.imported += 1
            elif outcome == "already":
                position.already += 1
            else:
                rejects.append((number, _REASONS[outcome]))
        position.rejected += len(rejects)
        position.offset, position.line = window.offset, window.line
        if rejects:
            position.rejects_bytes += _append(self._rejects, sorted(rejects))
        if self._progress is not None:
            save(self._progress, position)
        return position


def _read_line(source: BinaryIO) -> tuple[bytes, int]:
    """The next line, cut after one byte too many, and how many bytes it takes in the file."""
    raw = source.readline(MAX_LINE_BYTES + 1)
    size = len(raw)
    while not raw.endswith(b"\n") and (rest := source.readline(MAX_LINE_BYTES)):
        size += len(rest)
        if rest.endswith(b"\n"):
            break
    return raw, size


def _append(path: Path, rejects: list[tuple[int, str]]) -> int:
    lines = b"".join(msgspec.json.encode({"line": line, "reason": reason}) + b"\n" for line, reason in rejects)
    with path.open("ab") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    return len(lines)

"""Erased events deleted in ClickHouse: one deletion at a time, asked for once and followed until it is done.

    warehouse/sink-deletion.json    {"token": "…", "adjustments": ["…"]}

A deletion rewrites parts, which may take hours. It is a mutation of the server's: the statement carries a token, by
which it is found again, whoever asks and however often. What is erased meanwhile is in the next one.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from .. import logs
from .clickhouse import ClickHouse
from .durable import write_durably
from .seen import Seen

FILE: Final = "sink-deletion.json"

_log: Final = logs.get("shipping")


class _Deletion(msgspec.Struct, frozen=True):
    token: str
    adjustments: list[str]


class SinkDeletions:
    """The deletions of one warehouse's erased events. Marks the adjustments as sent when their rows are gone."""

    def __init__(self, warehouse: Path, seen: Seen, sink: ClickHouse) -> None:
        self._path = warehouse / FILE
        self._seen = seen
        self._sink = sink

    def under_way(self) -> frozenset[str]:
        """The adjustments whose rows are being deleted."""
        found = self._read()
        return frozenset(found.adjustments) if found is not None else frozenset()

    def advance(self, waiting: Iterable[str]) -> int:
        """Follow the deletion under way, or begin one for those that wait; gives how many adjustments are done.

        The rows of those that wait are in `gone` already. Raises SinkAwayError: call it again.
        """
        deletion = self._read() or self._begin(list(waiting))
        if deletion is None:
            return 0
        state = self._sink.deletion(deletion.token)
        if state is None:
            self._sink.delete_gone(deletion.token)
            _log.info("sink_deletion_begun", adjustments=len(deletion.adjustments))
            return 0
        if not state.is_done:
            if state.failure:
                _log.warning("sink_deletion_stuck", reason=state.failure)
            return 0
        for adjustment in deletion.adjustments:
            self._seen.mark_sent(adjustment)
        self._path.unlink(missing_ok=True)
        _log.info("sink_deletion_done", adjustments=len(deletion.adjustments))
        return len(deletion.adjustments)

    def _begin(self, waiting: list[str]) -> _Deletion | None:
        if not waiting:
            return None
        token = hashlib.blake2b("\n".join(sorted(waiting)).encode(), digest_size=12).hexdigest()
        deletion = _Deletion(token, sorted(waiting))
        write_durably(self._path, msgspec.json.encode(deletion))
        return deletion

    def _read(self) -> _Deletion | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Deletion)
        except (FileNotFoundError, ValueError):
            # One that cannot be read is asked for again, under a token of its own.
            return None

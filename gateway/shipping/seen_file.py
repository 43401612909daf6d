"""The file of the index of what was counted: its tables, and opening it (seen.py says what stands in them)."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from .. import logs
from .durable import private_file

_log: Final = logs.get("shipping")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS segments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, committed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS seen (
    key INTEGER PRIMARY KEY, print INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, unit INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS spans (
    journal TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, segment INTEGER NOT NULL,
    noticed_ms INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sent (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_by_end ON spans (journal, last);
CREATE INDEX IF NOT EXISTS spans_by_segment ON spans (segment);
CREATE INDEX IF NOT EXISTS segments_given_up ON segments (number) WHERE committed = -1;
CREATE INDEX IF NOT EXISTS segments_open ON segments (number) WHERE committed IN (0, 3);
"""
#: What was kept of runs before they had an age.
_OLD_RUNS: Final = """
INSERT INTO spans (journal, first, last, segment) SELECT journal, first, last, segment FROM runs;
DROP TABLE runs;
"""
#: The states of a segment (`segments.committed`). Its shipper died and it is nowhere; not committed; committed, and all
#: it counted is in here; committed, and its rows have still to be read (housekeeping/index_rebuild.py); the same, and a
#: shipper of this warehouse had begun it.
GIVEN_UP: Final = -1
OPEN: Final = 0
TAKEN_IN: Final = 1
KNOWN: Final = 2
OWN: Final = 3
#: What the log of SQLite may take on the disk between turns.
_LOG_BYTES: Final = 64 * 1024 * 1024
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class IndexReplacedError(Exception):
    """The file that is open here is not the index any more; whoever uses it has to begin again."""

    def __init__(self) -> None:
        super().__init__("seen.sqlite is another file now; this process begins again with it")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is no database (any more), rather than busy, full or out of reach."""
    # Extended codes have more above the lowest byte.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def open_index(path: Path, *, patience_seconds: float) -> sqlite3.Connection:
    """Open the index, made if need be. Others may not open it at the same moment. Raises sqlite3.Error.

    One that is damaged is set aside and made anew: it holds nothing that the warehouse does not say.
    """
    try:
        return _opened(path, patience_seconds)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    set_aside(path)
    return _opened(path, patience_seconds)


def _opened(path: Path, patience_seconds: float) -> sqlite3.Connection:
    # Its journals get the permissions of the file itself.
    private_file(path)
    with contextlib.ExitStack() as opening:
        base = sqlite3.connect(path, isolation_level=None, timeout=patience_seconds)
        opening.callback(base.close)
        _prepare(base)
        opening.pop_all()
    return base


def _prepare(base: sqlite3.Connection) -> None:
    # A power loss may take the last transactions, never half of one. What is committed by then is restored; what is
    # not is claimed again.
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = NORMAL")
    base.execute("PRAGMA cache_size = -65536")
    base.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES:d}")
    base.executescript(_TABLES)
    if base.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
        base.executescript(f"BEGIN; {_OLD_RUNS} COMMIT;")
    if not any(name == "noticed_ms" for _, name, *_ in base.execute("PRAGMA table_info(segments)")):
        base.execute("ALTER TABLE segments ADD COLUMN noticed_ms INTEGER NOT NULL DEFAULT 0")


def check_same(path: Path, inode: int) -> None:
    """Raise IndexReplacedError if another file or none goes by the index's name."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            return
    raise IndexReplacedError


def set_aside(path: Path) -> None:
    """Rename a damaged index; it is made anew, and filled from the warehouse (index_rebuild.py).

    Whoever calls this holds the index's lock. Others notice at their next transaction. Raises OSError.
    """
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(file.with_name(file.name + ".unreadable"))
    _log.error("index_unreadable", file=f"{path}.unreadable", remedy="delete it; the index is made anew by itself")

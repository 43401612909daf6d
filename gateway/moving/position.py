"""How far an import has come, in a file beside the one it reads, replaced whole after each window of lines."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from .lines import Kind

#: The beginning of a file by which it is known again; a file may grow at its end.
_HEAD_BYTES: Final = 65_536


class PositionError(Exception):
    """The file beside is about something else; the text says what to do."""


class Position(Struct, forbid_unknown_fields=True):
    """Everything up to `offset` (bytes) is in the store or among the rejects, of which `rejects_bytes` are written."""

    kind: Kind
    store: str
    head: str
    head_bytes: int
    offset: int = 0
    line: int = 0
    rejects_bytes: int = 0
    imported: int = 0
    already: int = 0
    rejected: int = 0


def begin(source: Path, *, kind: Kind, store: str) -> Position:
    """Nothing done yet."""
    with source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return Position(kind=kind, store=store, head=sha256(head).hexdigest(), head_bytes=len(head))


def resume(path: Path, source: Path, *, kind: Kind, store: str) -> Position:
    """Where `path` says an import of `source` stopped; from the start if it is not there or another store's.

    Raises PositionError if it is about another file or kind, or is damaged.
    """
    fresh = begin(source, kind=kind, store=store)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Position)
    except FileNotFoundError:
        return fresh
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise PositionError(f"{path} is damaged: remove it to begin again; nothing is imported twice") from None
    with source.open("rb") as file:
        head = sha256(file.read(found.head_bytes)).hexdigest()
    if head != found.head or found.kind != kind or source.stat().st_size < found.offset:
        raise PositionError(f"{path} is about another file or kind: remove it, or name another with --progress")
    if found.store != store:
        # What was imported elsewhere is not here.
        return fresh
    return found


def save(path: Path, position: Position) -> None:
    """Replace the file; it holds the old or the new position whatever happens."""
    made = path.with_name(path.name + ".new")
    made.write_bytes(msgspec.json.encode(position))
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(path)

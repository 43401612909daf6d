"""Why a store server stopped, told by its own log, with what to do about it."""

import re
from pathlib import Path
from typing import Final

_LOG_BYTES: Final = 65_536
_DAMAGED_TAIL: Final = re.compile(r"Bad file format reading the append only file (\S+):")
_DAMAGED_BASE: Final = ("Internal error in RDB", "Error reading the RDB preamble")


def explain(log: Path, since: int, *, server: Path) -> str:
    """What the server whose binary is `server` wrote to `log` from byte `since` on, as one sentence with a remedy."""
    lines = _lines(log, since)
    files = log.parent / "appendonlydir"
    for line in lines:
        if cut := _DAMAGED_TAIL.search(line):
            # Not the manifest: the checker of Valkey 9.1 does not know Valkey's own base file.
            return (
                f"{files / cut[1]} is damaged before its end. Copy {files} to a safe place, then put a backup in "
                "its place; or cut the file at the damage, which forgets what was written after it, revocations "
                f"too: bash -c 'exec -a valkey-check-aof {server} --fix {files / cut[1]}'"
            )
        if any(sign in line for sign in _DAMAGED_BASE):
            return f"the base file in {files} is damaged ({_said(line)}): put a backup of that directory in its place"
    return f"the store stopped: {_said(lines[-1]) if lines else 'it logged nothing'} (see {log})"


def _lines(log: Path, since: int) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(since, log.stat().st_size - _LOG_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _said(line: str) -> str:
    """A line of the log without process id, time and level."""
    return re.split(r" [.*#-] ", line, maxsplit=1)[-1]

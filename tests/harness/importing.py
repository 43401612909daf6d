"""Lines of an import, and the run of one in this process."""

from pathlib import Path
from typing import Any

import msgspec

from latchstring_gateway.clock import SystemClock
from latchstring_gateway.moving.bring_in import BringIn
from latchstring_gateway.moving.lines import Judge, Kind
from latchstring_gateway.moving.position import Position, resume
from latchstring_gateway.moving.references import references
from latchstring_gateway.sessions.policy import SessionPolicy
from latchstring_gateway.store.client import Store

from .worker_app import now_ms

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def session_line(account: str = "ada", session: str = "s1", **more: Any) -> dict[str, Any]:
    """A session whose password was checked an hour ago, remembered."""
    return {
        "account": account,
        "session": session,
        "authenticated_at_ms": now_ms() - 3_600_000,
        "last_seen_ms": now_ms() - 1_000,
        "remember": True,
        **more,
    }


def device_line(account: str = "ada", device: str = "d1", **more: Any) -> dict[str, Any]:
    """A device that was seen first ten days ago."""
    return {
        "account": account,
        "device": device,
        "first_seen_ms": now_ms() - 864_000_000,
        "last_seen_ms": now_ms() - 1_000,
        "user_agent": FIREFOX,
        "address": "203.0.113.9",
        **more,
    }


def write_lines(path: Path, *lines: dict[str, Any] | bytes) -> Path:
    """A file of them; bytes as they are."""
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else msgspec.json.encode(line)) + b"\n" for line in lines)
    )
    return path


def rejects_of(source: Path) -> list[tuple[int, str]]:
    """Line numbers and reasons that an import of `source` has left."""
    path = source.with_name(source.name + ".rejected")
    read = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return [(one["line"], one["reason"]) for one in read]


async def run_import(
    store: Store, source: Path, kind: Kind, *, dry: bool = False, windows: int | None = None
) -> Position:
    """Import a file, or only its first windows, as a run that was killed then."""
    ours, progress = await references(store), source.with_name(source.name + ".progress")
    moving = BringIn(
        store,
        Judge(ours, SessionPolicy()),
        SystemClock(),
        kind=kind,
        position=resume(progress, source, kind=kind, store=ours.fingerprint),
        progress=None if dry else progress,
        rejects=source.with_name(source.name + ".rejected"),
        lines_per_second=1_000_000,
    )
    with source.open("rb") as file:
        file.seek(moving.position.offset)
        steps = moving.run(file, dry=dry)
        done = 0
        async for _position in steps:
            done += 1
            if done == windows:
                await steps.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
                break
    return moving.position

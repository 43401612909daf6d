"""`latchstring import` and `latchstring export`: a website's sessions and devices, as JSON lines."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .. import settings
from ..clock import SystemClock
from ..errors import EdgeError
from ..moving.bring_in import BringIn
from ..moving.lines import Judge, Kind
from ..moving.position import Position, PositionError, resume
from ..moving.references import references
from ..moving.take_out import take_out
from ..settings import Settings, SettingsError
from ..store.client import Store

#: Patience with a busy store: nobody's page waits for an import.
_TIMEOUT_SECONDS: Final = 15.0
_REJECTED: Final = 3
_INTERRUPTED: Final = 130


class What(StrEnum):
    """What is moved."""

    sessions = "sessions"
    devices = "devices"


WhatArgument = Annotated[What, typer.Argument(help="sessions or devices.")]
Source = Annotated[Path, typer.Argument(metavar="FILE|-", help="JSON lines; - is standard input.")]
AsJson = Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add `import` and `export` to the command."""
    app.command("import")(bring_in)
    app.command("export")(bring_out)


def bring_in(
    what: WhatArgument,
    source: Source,
    progress_file: Annotated[
        Path | None, typer.Option("--progress", help="How far it has come; default: FILE.progress.")
    ] = None,
    rejects_file: Annotated[
        Path | None, typer.Option("--rejects", help="Lines not taken in, and why; default: FILE.rejected.")
    ] = None,
    rate: Annotated[int, typer.Option(min=1, max=1_000_000, help="Lines a second at most, for a live store.")] = 10_000,
    *,
    from_start: Annotated[bool, typer.Option("--from-start", help="Read the whole file again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import the website's own sessions or devices; may be interrupted and repeated, nothing is taken in twice.

        latchstring import devices devices.jsonl --dry-run
        latchstring import sessions sessions.jsonl --rate 5000
        zcat sessions.jsonl.gz | latchstring import sessions -

    Exit codes: 0 all is in, 1 it cannot go on (run it again), 3 some lines were rejected, 130 interrupted.
    The fields are described in docs/moving-in.md.
    """
    is_pipe = str(source) == "-"
    beside = f"import-{what}" if is_pipe else str(source)
    rejects = rejects_file or Path(beside + (".dry-run" if dry_run else "") + ".rejected")
    # A pipe cannot be read again from the middle, and a dry run leaves no trace of how far it came.
    progress = None if is_pipe or dry_run else progress_file or Path(beside + ".progress")
    with _told_in_words():
        if from_start and progress is not None:
            progress.unlink(missing_ok=True)
        if progress is None or from_start:
            rejects.unlink(missing_ok=True)
        chosen = settings.read()
        position = asyncio.run(
            _bring_in(chosen, what.value, None if is_pipe else source, progress, rejects, rate=rate, dry=dry_run)
        )
    _summarise(position, rejects, dry=dry_run, as_json=as_json)
    raise typer.Exit(_REJECTED if position.rejected else 0)


def bring_out(
    what: WhatArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE|-", help="Where to; - is standard output.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Export sessions or devices as the lines that `import` takes; the service may go on running.

    A file is complete or not there at all. Exit codes: 0 done, 1 it cannot be done now, 130 interrupted.
    """
    with _told_in_words():
        chosen = settings.read()
        lines = asyncio.run(_bring_out(chosen, what.value, None if str(target) == "-" else target))
    if as_json and str(target) != "-":
        print(json.dumps({"lines": lines, "file": str(target)}))
    else:
        print(f"{lines:,} {what} in {target}", file=sys.stderr)


async def _bring_in(
    chosen: Settings, kind: Kind, source: Path | None, progress: Path | None, rejects: Path, *, rate: int, dry: bool
) -> Position:
    async with _open_store(chosen) as store:
        ours = await references(store)
        begun = Position(kind, ours.fingerprint, "", 0)
        if source is not None and progress is not None:
            begun = resume(progress, source, kind=kind, store=ours.fingerprint)
        moving = BringIn(
            store,
            Judge(ours, chosen.session_policy()),
            SystemClock(),
            kind=kind,
            position=begun,
            progress=progress,
            rejects=rejects,
            lines_per_second=rate,
        )
        with _opened(source) as file:
            if source is not None:
                file.seek(begun.offset)
            with _bar(kind, None if source is None else os.fstat(file.fileno()).st_size) as show:
                async for position in moving.run(file, dry=dry):
                    show(position.offset, position.line)
        return moving.position


async def _bring_out(chosen: Settings, kind: Kind, target: Path | None) -> int:
    lines = 0
    part = None if target is None else Path(f"{target}.part")
    async with _open_store(chosen) as store:
        with _writing(part) as file, _bar(kind, None) as show:
            async for line in take_out(store, kind, now_ms=SystemClock().wall_ms()):
                file.write(line)
                lines += 1
                if lines % 1_000 == 0:
                    show(0, lines)
    if part is not None and target is not None:
        part.replace(target)
    return lines


@contextlib.asynccontextmanager
async def _open_store(chosen: Settings) -> AsyncIterator[Store]:
    store = Store(chosen.store_url, timeout_seconds=_TIMEOUT_SECONDS)
    try:
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def _opened(source: Path | None) -> Iterator[BinaryIO]:
    if source is None:
        yield sys.stdin.buffer
        return
    with source.open("rb") as file:
        yield file


@contextlib.contextmanager
def _writing(target: Path | None) -> Iterator[BinaryIO]:
    if target is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # Who is signed in where is nobody else's business.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


class _Bar:
    """Bytes done of all bytes, and lines a second; call it with both as they are now."""

    def __init__(self, progress: Progress, kind: str, total_bytes: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(kind, total=total_bytes, lines=0, rate=0)
        self._first_line: int | None = None

    def __call__(self, offset: int, line: int) -> None:
        if self._first_line is None:
            self._first_line = line
        elapsed = self._progress.tasks[0].elapsed or 0
        rate = (line - self._first_line) / elapsed if elapsed > 1 else 0
        self._progress.update(self._task, completed=offset, lines=line, rate=rate)


@contextlib.contextmanager
def _bar(kind: str, total_bytes: int | None) -> Iterator[_Bar]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[lines]:,} lines, {task.fields[rate]:,.0f}/s, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield _Bar(progress, kind, total_bytes)


@contextlib.contextmanager
def _told_in_words() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None
    except (SettingsError, EdgeError, PositionError, OSError) as error:
        print(error, file=sys.stderr)
        if isinstance(error, EdgeError):
            print("is `latchstring serve` running? Then run the same command again to go on", file=sys.stderr)
        raise typer.Exit(1) from None


def _summarise(position: Position, rejects: Path, *, dry: bool, as_json: bool) -> None:
    if as_json:
        told = {name: getattr(position, name) for name in ("imported", "already", "rejected")}
        print(json.dumps({**told, "lines": position.line, "dry_run": dry}))
        return
    done = "would be imported" if dry else "imported"
    print(f"{position.imported:,} {position.kind} {done}, {position.already:,} were there already")
    if position.rejected:
        print(f"{position.rejected:,} lines rejected: see {rejects}")

"""Importing a file: every line or its reason, once, however often it is interrupted."""

from pathlib import Path
from typing import Any

import pytest

from harness.importing import device_line, rejects_of, run_import, write_lines
from harness.worker_app import Worker
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_BAD = {10: b"{", 4_500: b'{"account":"ada"}', 8_999: b"x" * 200_000}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """9,000 lines, three of them bad, and some blank ones."""
    lines: list[dict[str, Any] | bytes] = [device_line(f"u{number}") for number in range(1, 9_001)]
    for number, line in _BAD.items():
        lines[number - 1] = line
    lines[99] = b""
    return write_lines(tmp_path / "devices.jsonl", *lines)


async def _count(worker: Worker) -> int:
    return len([key async for key in worker.store.redis.scan_iter("*:device:*", count=1_000)])


async def test_every_good_line_comes_in_and_every_bad_one_is_told(worker: Worker, source: Path) -> None:
    """By number and reason; the file need not end with a newline."""
    source.write_bytes(source.read_bytes().rstrip(b"\n"))

    position = await run_import(worker.store, source, "devices")

    assert (position.imported, position.already, position.rejected, position.line) == (8_996, 0, 3, 9_000)
    assert position.offset == source.stat().st_size
    assert [number for number, _reason in rejects_of(source)] == sorted(_BAD)
    assert await _count(worker) == 8_996


@pytest.mark.parametrize("windows", [1, 2])
async def test_an_interrupted_import_goes_on_where_it_stopped(worker: Worker, source: Path, windows: int) -> None:
    """Nothing is lost, taken in twice, or rejected twice."""
    stopped = await run_import(worker.store, source, "devices", windows=windows)
    offset = stopped.offset
    went_on = await run_import(worker.store, source, "devices")

    assert 0 < offset < source.stat().st_size
    assert went_on.line == 9_000
    # What was under way when it stopped may be in the store already.
    assert went_on.imported + went_on.already == 8_996
    assert [number for number, _reason in rejects_of(source)] == sorted(_BAD)
    assert await _count(worker) == 8_996


async def test_a_position_that_was_not_saved_doubles_nothing(worker: Worker, source: Path) -> None:
    """As after a crash between the store and the file: rejects that were written since are written again."""
    await run_import(worker.store, source, "devices", windows=1)
    saved = source.with_name("devices.jsonl.progress").read_bytes()
    await run_import(worker.store, source, "devices")
    source.with_name("devices.jsonl.progress").write_bytes(saved)

    again = await run_import(worker.store, source, "devices")

    assert again.imported < again.already
    assert [number for number, _reason in rejects_of(source)] == sorted(_BAD)
    assert await _count(worker) == 8_996


async def test_a_finished_import_has_nothing_left_to_do(worker: Worker, source: Path) -> None:
    """Until the file grows."""
    await run_import(worker.store, source, "devices")
    again = await run_import(worker.store, source, "devices")
    with source.open("ab") as file:
        file.write(write_lines(source.with_name("more"), device_line("new")).read_bytes())
    more = await run_import(worker.store, source, "devices")

    assert (again.imported, again.line) == (8_996, 9_000)
    assert (more.imported, more.line) == (8_997, 9_001)


async def test_a_dry_run_remembers_nothing(worker: Worker, source: Path) -> None:
    """It counts what would come in."""
    position = await run_import(worker.store, source, "devices", dry=True)

    assert (position.imported, position.rejected) == (8_996, 3)
    assert not source.with_name("devices.jsonl.progress").exists()
    assert await _count(worker) == 0


async def test_a_store_that_goes_away_stops_the_import(worker: Worker, source: Path) -> None:
    """What was confirmed before is remembered."""
    await run_import(worker.store, source, "devices", windows=1)
    before = source.with_name("devices.jsonl.progress").read_bytes()
    nowhere = Store("redis://127.0.0.1:1")

    with pytest.raises(StoreAway):
        await run_import(nowhere, source, "devices")

    assert source.with_name("devices.jsonl.progress").read_bytes() == before

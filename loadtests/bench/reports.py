"""What a report costs, in seconds and memory, over millions of synthetic events of thirty days.

A warehouse as it is after its days are folded: half heartbeats of viewings of ten minutes, the rest views, clicks,
opens and conversions of pages, links and campaigns with a long tail; one pseudonym for every fifty events. Each
question is asked as a worker asks it, in a process of its own. `--help` for options; with `--events 100000000` it takes
about 10 GB of disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec

from latchstring_gateway.ids import new_id
from latchstring_gateway.reports.question import question
from latchstring_gateway.reports.task import Result, Task
from latchstring_gateway.shipping import cells
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.columns import COLUMNS
from latchstring_gateway.shipping.commits import Commit, Commits, Count, FileEntry
from latchstring_gateway.shipping.parquet import partition_of

_DAYS = 30
_LAST_DAY = datetime(2026, 11, 23, tzinfo=UTC)

#: Questions by the name they have in the table.
_ASKED: dict[str, tuple[str, dict[str, list[str]]]] = {
    "pages": ("pages", {}),
    "pages, TVs of one country": ("pages", {"device": ["tv"], "country": ["NL"]}),
    "clicks by page": ("clicks", {"by": ["page"]}),
    "mail": ("mail", {}),
    "audience by country": ("audience", {"by": ["country"]}),
    "audience for partners": ("audience", {"by": ["country"], "month": ["2026-10"], "partner": ["yes"]}),
    "funnel of three steps": ("funnel", {"step": ["view:/watch/1*", "view:/watch/2*", "conversion"]}),
    "viewing by title": ("viewing", {}),
    "viewing by weekday, one week": ("viewing", {"by": ["weekday"], "days": ["7"]}),
}

#: What is no column of a synthetic event is NULL. `spread` is a long tail: the first of n things takes a tenth.
_VALUES = {
    "received_at": "to_timestamp({start} + i * 3600.0 / {events})::TIMESTAMPTZ",
    "offset": "i",
    "unit": "0",
    "record_id": "unhex(md5({start} || '-' || i))",
    "source": "'batch'",
    "type": "kind",
    "page": "'/watch/' || spread(5000, dice)",
    "host": "'www.example.com'",
    "fingerprint": "unhex(md5('f' || {start} || '-' || i))",
    "occurred_at": "CASE WHEN ping NOTNULL THEN to_timestamp({start} + (i // 120) % 3000 + ping * 10) END",
    "campaign": "CASE WHEN kind <> 'heartbeat' AND dice % 5 = 0 THEN 'campaign ' || spread(40, dice) END",
    "link": "CASE WHEN kind = 'click' THEN 'https://shop.example/' || spread(1000, dice) END",
    "message": "CASE WHEN kind = 'open' THEN 'mailing ' || spread(40, dice) END",
    "fetched_by": "CASE WHEN kind = 'open' THEN ['direct', 'privacy_proxy', 'unknown'][dice % 3 + 1] END",
    "media": "CASE WHEN kind = 'heartbeat' THEN 'film ' || spread(2000, who) END",
    "viewing": "CASE WHEN kind = 'heartbeat' THEN {start} || '-' || i // 120 END",
    "ping": "ping",
    "position_ms": "ping * 10000",
    "play_state": "CASE WHEN kind = 'heartbeat' THEN 'playing' END",
    "playback_rate": "CASE WHEN kind = 'heartbeat' THEN 1.0 END",
    "device_kind": "['phone', 'computer', 'tv', 'tablet', 'console', 'other'][spread(6, dice // 7)]",
    "os": "'Linux'",
    "client": "'Firefox'",
    "language": "'en'",
    "address_prefix": "'203.0.113.0/24'",
    "gpc": "dice % 50 = 0",
    "dnt": "false",
    "sharing": "CASE WHEN dice % 50 = 0 THEN false END",
    "country": "['NL', 'DE', 'GB', 'US', 'FR', 'ES', 'IT', 'PL', 'SE', 'BR'][spread(10, dice // 11)]",
    "machine": "CASE WHEN dice % 12 = 0 THEN 'bot' WHEN kind = 'open' AND dice % 3 = 1 THEN 'privacy_proxy' END",
    "visitor": "CASE WHEN dice % 10 < 7 THEN md5('visitor' || who % {visitors}) END",
    "visitor_kind": "CASE WHEN dice % 10 < 7 THEN 'cookie' ELSE 'none' END",
    "consent": "CASE WHEN dice % 10 < 7 THEN 'granted' ELSE 'unknown' END",
    "conflict": "false",
}
_HOUR = """
COPY (
    SELECT {columns} FROM (
        SELECT i, (hash(i * 31 + {start}) >> 2)::BIGINT AS dice,
               (hash(CASE WHEN i % 2 = 0 THEN i // 120 ELSE i * 7 END + {start}) >> 2)::BIGINT AS who,
               CASE WHEN i % 2 = 0 THEN (i // 2) % 60 END AS ping,
               CASE WHEN i % 2 = 0 THEN 'heartbeat' WHEN i % 20 < 17 THEN 'view' WHEN i % 20 = 17 THEN 'click'
                    WHEN i % 40 = 19 THEN 'open' ELSE 'conversion' END AS kind
        FROM range({events}) AS t(i)
    ) ORDER BY page, received_at
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


def main() -> int:
    """Measure and print; speeds decide nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="events in all (default: 10000000)")
    parser.add_argument("--memory-mb", type=int, default=1_024, help="memory of a report (default: 1024)")
    parser.add_argument("--seconds", type=int, default=900, help="most that a report may take (default: 900)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="latchstring-bench-") as temporary:
        data_dir = Path(temporary)
        figures: dict[str, dict[str, float]] = {"warehouse": _generate(data_dir / "warehouse", chosen.events)}
        figures["cells"] = _sum_up(data_dir / "warehouse")
        for name, (report, asked) in _ASKED.items():
            figures[name] = _ask(data_dir, report, asked, memory_mb=chosen.memory_mb, seconds=chosen.seconds)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        _print(figures, chosen.events)
    return 0


def _generate(warehouse: Path, events: int) -> dict[str, float]:
    began = time.monotonic()
    an_hour, visitors = max(1, events // (_DAYS * 24)), max(1, events // 50)
    stored = 0
    with duckdb.connect() as base:
        base.execute("SET TimeZone = 'UTC'")
        base.execute(
            "CREATE MACRO spread(n, dice) AS CAST(1 + floor((n - 1) * pow((dice % 1000003) / 1000003.0, 4)) AS BIGINT)"
        )
        for day in _days():
            entries = []
            segment = new_id()
            for hour in range(24):
                start = day + timedelta(hours=hour)
                path = f"{partition_of(start.strftime('%Y-%m-%dT%H'))}/{segment}.parquet"
                (warehouse / path).parent.mkdir(parents=True)
                base.execute(_hour(warehouse / path, int(start.timestamp()), an_hour, visitors))
                entries.append(FileEntry(path, an_hour))
                stored += (warehouse / path).stat().st_size
            Commits(warehouse).add(_commit(segment, day, entries))
    return {"seconds": time.monotonic() - began, "megabytes": stored / 1e6}


def _hour(path: Path, start: int, events: int, visitors: int) -> str:
    columns = ", ".join(
        f'({_VALUES.get(column.name, "NULL")})::{_duck_type(str(column.type))} AS "{column.name}"' for column in COLUMNS
    )
    said = columns.format(start=start, events=events, visitors=visitors)
    return _HOUR.format(columns=said, start=start, events=events, path=path)


def _duck_type(arrow: str) -> str:
    if arrow.startswith("timestamp"):
        return "TIMESTAMPTZ"
    return {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "double": "DOUBLE", "bool": "BOOLEAN"}.get(
        arrow, "BLOB"
    )


def _commit(segment: str, day: datetime, entries: list[FileEntry]) -> Commit:
    counts = [
        Count("batch", f"{day:%Y-%m-%d}T{hour:02}", received=entry.rows, good=entry.rows)
        for hour, entry in enumerate(entries)
    ]
    return Commit(
        segment=segment,
        committed_at_ms=int(day.timestamp() * 1_000),
        parser=1,
        records=sum(entry.rows for entry in entries),
        events=entries,
        dead_letters=None,
        counts=counts,
        runs=[],
        damaged=[],
        torn_bytes=0,
        finished=True,
        rebooted=False,
        last_received_at_ms=None,
        span=f"{day:%Y-%m-%d}",
    )


def _days() -> Iterator[datetime]:
    for back in range(_DAYS - 1, -1, -1):
        yield _LAST_DAY - timedelta(days=back)


def _sum_up(warehouse: Path) -> dict[str, float]:
    began, cpu = time.monotonic(), time.process_time()
    catalogue = read_catalogue(warehouse)
    while (commit := cells.due(catalogue)) is not None:
        cells.make_cells(catalogue, commit)
    stored = sum(file.stat().st_size for file in (warehouse / cells.DIRECTORY).iterdir())
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu,
        "megabytes": stored / 1e6,
    }


def _ask(data_dir: Path, report: str, asked: dict[str, list[str]], *, memory_mb: int, seconds: int) -> dict[str, float]:
    """Seconds, CPU seconds and the most memory of one question's process."""
    now_ms = int((_LAST_DAY + timedelta(hours=24)).timestamp() * 1_000) - 1
    questions = [question(report, asked, now_ms=now_ms, partner_people=10)]
    task = msgspec.json.encode(Task(data_dir=str(data_dir), memory_mb=memory_mb, seconds=seconds, questions=questions))
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "latchstring_gateway.reports.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(task)
    child.stdin.close()
    told = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    found: dict[str, float] = {
        "seconds": time.monotonic() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss / 1024,
        "status": child.returncode,
    }
    if child.returncode == 0:
        (answer,) = msgspec.json.decode(told, type=Result).answers
        found |= {"gross": answer.gross, "rows": len(answer.rows)}
    return found


def _print(figures: dict[str, dict[str, float]], events: int) -> None:
    stored, summed = figures.pop("warehouse"), figures.pop("cells")
    print(f"{events:,} events of {_DAYS} days, {stored['megabytes']:,.0f} MB of Parquet, {os.cpu_count()} cores")
    print(
        f"cells: made in {summed['seconds']:.0f} s ({summed['cpu_seconds'] / events * 1e6:.2f} µs CPU an event), "
        f"{summed['megabytes']:,.0f} MB"
    )
    print(f"{'report':32}{'seconds':>9}{'CPU s':>9}{'MB':>8}{'of events':>14}")
    for name, found in figures.items():
        if found["status"]:
            print(f"{name:32}  not made: ended with {found['status']:.0f} after {found['seconds']:.0f} s")
        else:
            line = f"{found['seconds']:9.1f}{found['cpu_seconds']:9.1f}{found['megabytes']:8.0f}{found['gross']:14,.0f}"
            print(f"{name:32}{line}")


if __name__ == "__main__":
    sys.exit(main())

"""Many commits become one: their files one sorted file an hour, their dead letters one, their adjustments worked in.

A segment lives for ten seconds, so a day leaves thousands of small files and records. They are folded hour by hour as
soon as an hour is over, and once more as soon as its day is over. The new record lists whose place it takes, so readers
see either them or it; a fold that is never finished leaves files that no record names.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ..ids import new_id
from ..shipping.catalogue import Catalogue
from ..shipping.columns import SCHEMA
from ..shipping.commits import Commit, Exclusion, FileEntry, Run, added_up
from ..shipping.durable import make_durably
from .garbage import DAY_LETTER_BYTES, HOUR_LETTER_BYTES, merge_letters
from .mail_scanners import bursts, marked

#: Memory for sorting; what needs more goes to the disk.
_MEMORY: Final = "512MB"
_ROWS_AT_A_TIME: Final = 100_000
#: So few commits of a span are left as they are, unless the day is over.
_ENOUGH: Final = 8

_FILES: Final = "read_parquet($files, union_by_name = true, hive_partitioning = false)"
_ROWS: Final = """
SELECT {columns} FROM {files} AS e
LEFT JOIN burst ON burst.record_id = e.record_id AND burst.unit = e.unit
WHERE NOT EXISTS (SELECT 1 FROM gone WHERE gone.record_id = e.record_id AND gone.unit = e.unit)
ORDER BY e.page, e.received_at, e."offset", e.unit
"""


def to_compact(
    catalogue: Catalogue, closed_before: str, *, but: Collection[str] = ()
) -> tuple[str, list[Commit]] | None:
    """The span and the commits that are best folded next, or None.

    `closed_before` is an hour ("2026-11-24T09"); all before it are over. Commits of a day that is over come together,
    with what came late; else those of an hour. Spans in `but` are left alone.
    """
    today = closed_before[:10]
    spans: dict[str, list[Commit]] = {}
    for commit in catalogue.commits:
        if commit.last_hour < closed_before and not commit.expired:
            day = commit.last_hour[:10]
            spans.setdefault(day if day < today else commit.last_hour, []).append(commit)
    for span, commits in sorted(spans.items()):
        is_first = span < today and not any(commit.span == span for commit in commits)
        if span not in but and len(commits) >= (2 if is_first else _ENOUGH):
            return span, commits
    # What was adjusted is worked in, one record at a time.
    return next(
        ((c.span, [c]) for c in catalogue.commits if c.span not in but and _is_to_work_in(catalogue, c, today)), None
    )


def _is_to_work_in(catalogue: Catalogue, commit: Commit, today: str) -> bool:
    return bool(commit.span) and commit.span < today and not commit.expired and bool(catalogue.adjustments_of(commit))


def compact(catalogue: Catalogue, span: str, commits: list[Commit], *, now_ms: int) -> Commit:
    """Make the files of a record that takes the place of `commits`; it counts once it is added to the others.

    Raises OSError or duckdb.Error, and has changed nothing that counts.
    """
    name = new_id()
    entries = [entry for commit in commits for entry in catalogue.events_of(commit)]
    events = []
    for partition in sorted({entry.path.rpartition("/")[0] for entry in entries}):
        files = [str(catalogue.warehouse / e.path) for e in entries if e.path.startswith(f"{partition}/")]
        path = f"{partition}/{name}.parquet"
        rows: list[int] = []
        make_durably(catalogue.warehouse / path, partial(_write_sorted, files, catalogue, rows))
        events.append(FileEntry(path, rows[0]))
    limit = DAY_LETTER_BYTES if len(span) == len("2026-11-24") else HOUR_LETTER_BYTES
    merged = merge_letters(catalogue, commits, span[:10], name, max_bytes=limit)
    return msgspec.structs.replace(
        summary(name, span, commits, catalogue, now_ms=now_ms),
        events=events,
        dead_letters=merged.entry,
        reasons=dict(sorted(merged.reasons.items())),
        dropped=dict(sorted(merged.dropped.items())),
    )


def summary(name: str, span: str, commits: list[Commit], catalogue: Catalogue, *, now_ms: int) -> Commit:
    """A record that takes the place of `commits` and what was adjusted of them, without any files."""
    return Commit(
        segment=name,
        committed_at_ms=now_ms,
        parser=max(commit.parser for commit in commits),
        records=sum(commit.records for commit in commits),
        events=[],
        dead_letters=None,
        counts=added_up(count for commit in commits for count in catalogue.counts_of(commit)),
        exclusions=exclusions_added_up(found for commit in commits for found in catalogue.exclusions_of(commit)),
        runs=joined(run for commit in commits for run in commit.runs),
        damaged=[],
        damage=(sum(c.damaged_ranges for c in commits), sum(c.damaged_bytes for c in commits)),
        torn_bytes=sum(commit.torn_bytes for commit in commits),
        finished=all(commit.finished for commit in commits),
        rebooted=False,
        last_received_at_ms=max((c.last_received_at_ms for c in commits if c.last_received_at_ms), default=None),
        rate=max(commit.rate for commit in commits),
        folded=sorted({folded for commit in commits for folded in (commit.segment, *commit.folded)}),
        segments=sum(commit.segment_count for commit in commits),
        span=span,
        losses=[loss for commit in commits for loss in commit.power_losses()],
    )


def joined(runs: Iterable[Run]) -> list[Run]:
    """Runs of record numbers, those that touch put together: one for each life of a worker, as a rule."""
    found: list[Run] = []
    for run in sorted(runs, key=lambda run: (run.journal, run.first, run.last)):
        last = found[-1] if found else None
        if last is not None and last.journal == run.journal and run.first <= last.last + 1:
            found[-1] = Run(run.journal, last.first, max(last.last, run.last))
        else:
            found.append(run)
    return found


def exclusions_added_up(exclusions: Iterable[Exclusion]) -> list[Exclusion]:
    """Excluded events by source, hour and reason, each once, in order."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for found in exclusions:
        sums[found.source, found.hour, found.reason] += found.events
    return [Exclusion(*key, events) for key, events in sorted(sums.items())]


def _write_sorted(files: list[str], catalogue: Catalogue, rows: list[int], path: Path) -> None:
    """Write the rows of `files` that count to one file; says how many there are by adding to `rows`."""
    written = 0
    with duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1, "temp_directory": f"{path}.sorting"}) as base:
        base.execute("SET TimeZone = 'UTC'")
        gone = pa.table(
            {
                "record_id": pa.array([row for row, _ in catalogue.gone_rows], pa.binary()),
                "unit": pa.array([unit for _, unit in catalogue.gone_rows], pa.int32()),
            }
        )
        base.register("gone", gone)
        columns = _columns_in(files)
        selected = ", ".join(map(marked, columns))
        base.execute(bursts(columns).format(files=_FILES), {"files": files})
        answer = base.sql(_ROWS.format(columns=selected, files=_FILES), params={"files": files})
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            for batch in answer.to_arrow_reader(_ROWS_AT_A_TIME):
                table = pa.Table.from_batches([batch])
                missing = [field for field in SCHEMA if field.name not in table.column_names]
                for field in missing:
                    table = table.append_column(field, pa.nulls(table.num_rows, field.type))
                writer.write_table(table.select(SCHEMA.names).cast(SCHEMA))
                written += table.num_rows
    rows.append(written)


def _columns_in(files: list[str]) -> list[str]:
    """The columns of ours that any of the files has."""
    there = {name for file in files for name in pq.read_schema(file).names}
    return [name for name in SCHEMA.names if name in there]

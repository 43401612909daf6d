"""Parquet files: the stated schema, one per hour, sorted, however the rows were gathered."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from latchstring_gateway.shipping.columns import SCHEMA
from latchstring_gateway.shipping.parquet import EventRows, partition_of, row_count


def _row(page: str, at_ms: int) -> tuple[Any, ...]:
    values: dict[str, Any] = {field.name: None for field in SCHEMA}
    values |= {"received_at": at_ms, "offset": 1, "unit": 0, "record_id": bytes(16), "fingerprint": bytes(16)}
    values |= {"gpc": False, "dnt": True, "page": page}
    for name in ("source", "type", "device_kind", "os", "client", "language", "address_prefix"):
        values[name] = name
    return tuple(values.values())


def test_rows_of_all_pieces_come_out_sorted_in_one_file_per_hour(tmp_path: Path) -> None:
    """Packing in between bounds the memory and shows nowhere."""
    rows = EventRows()
    rows.add("2027-01-15T08", _row("/b", 5))
    rows.add("2027-01-15T09", _row("/x", 5))
    rows.pack()
    rows.add("2027-01-15T08", _row("/a", 9))
    rows.add("2027-01-15T08", _row("/a", 3))

    entries = rows.write(tmp_path, "segment")

    assert [(entry.path, entry.rows) for entry in entries] == [
        ("events/dt=2027-01-15/hour=08/segment.parquet", 3),
        ("events/dt=2027-01-15/hour=09/segment.parquet", 1),
    ]
    table = pq.ParquetFile(tmp_path / entries[0].path).read()
    assert table.schema.equals(SCHEMA)
    assert list(zip(table["page"].to_pylist(), table["received_at"].cast("int64").to_pylist(), strict=True)) == [
        ("/a", 3),
        ("/a", 9),
        ("/b", 5),
    ]


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    """A segment of dead letters only has no Parquet."""
    assert EventRows().write(tmp_path, "segment") == []
    assert list(tmp_path.iterdir()) == []


def test_row_count_tells_what_is_no_parquet(tmp_path: Path) -> None:
    """The ledger's check can tell a missing from a spoilt file."""
    (tmp_path / "spoilt").write_bytes(b"PAR1 not really")

    with pytest.raises(ValueError):
        row_count(tmp_path / "spoilt")
    with pytest.raises(FileNotFoundError):
        row_count(tmp_path / "missing")
    assert partition_of("2027-01-15T08") == "events/dt=2027-01-15/hour=08"


def test_a_very_long_segment_has_several_files_of_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is packed is written when it is much, so that memory does not grow with the segment; names stay the same."""
    monkeypatch.setattr("latchstring_gateway.shipping.parquet._MOST_BYTES", 300)
    rows = EventRows()
    for number in range(9):
        rows.add("2027-01-15T08", _row(f"/{number}", 5))
        if number % 3 == 2:
            assert rows.pack() == []
            rows.spill(tmp_path, "segment")

    entries = rows.write(tmp_path, "segment")

    assert [entry.path.rpartition("/")[2] for entry in entries] == [
        "segment.parquet",
        "segment.1.parquet",
        "segment.2.parquet",
    ]
    assert [row_count(tmp_path / entry.path) for entry in entries] == [3, 3, 3]

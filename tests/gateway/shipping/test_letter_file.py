"""Dead letters are written while they are found, and count when all of them are there."""

from pathlib import Path

import pytest

from harness.hits import NOW_MS
from latchstring_gateway.shipping.dead_letters import DeadLetter, read_dead_letters
from latchstring_gateway.shipping.letter_file import LetterFile


def _letter(unit: int) -> DeadLetter:
    return DeadLetter(
        received_at_ms=NOW_MS, source="batch", reason="no", record_id="00" * 16, offset=53, unit=unit, payload="x" * 100
    )


def test_all_letters_are_in_one_file_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few wait in memory; what a shipper that died has left under the temporary name is overwritten."""
    monkeypatch.setattr("latchstring_gateway.shipping.letter_file._MOST_BYTES", 1_000)
    left = tmp_path / "dead-letters/dt=2027-01-15/segment.jsonl.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of one who died\n")
    letters = LetterFile()

    for unit in range(50):
        letters.add(_letter(unit))
        letters.spill(tmp_path, "segment")
        assert letters._size_bytes < 1_000
    entry = letters.write(tmp_path, "segment")

    assert entry is not None
    assert (entry.path, entry.rows) == ("dead-letters/dt=2027-01-15/segment.jsonl", 50)
    assert [letter.unit for letter in read_dead_letters(tmp_path / entry.path)] == list(range(50))
    assert list(left.parent.iterdir()) == [tmp_path / entry.path]


def test_no_letters_make_no_file(tmp_path: Path) -> None:
    """Nor a folder."""
    assert LetterFile().write(tmp_path, "segment") is None
    assert list(tmp_path.iterdir()) == []

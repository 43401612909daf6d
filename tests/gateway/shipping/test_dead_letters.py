"""Dead letters: one line each, read back as written."""

from pathlib import Path

from latchstring_gateway.shipping.commits import FileEntry
from latchstring_gateway.shipping.dead_letters import DeadLetter, base64_text, read_dead_letters, write_dead_letters


def test_dead_letters_come_back_in_order(tmp_path: Path) -> None:
    """Whatever bytes a hit held, a line is a line."""
    letters = [
        DeadLetter(
            received_at_ms=1,
            source="pixel",
            reason="not_utf8",
            record_id="00",
            offset=53,
            unit=0,
            payload=base64_text(b),
        )
        for b in (b"\n\x00\xff", b"", b"x" * 100_000)
    ]

    entry = write_dead_letters(tmp_path, "2027-01-15", "segment", letters)

    assert entry == FileEntry("dead-letters/dt=2027-01-15/segment.jsonl", 3)
    assert list(read_dead_letters(tmp_path / entry.path)) == letters


def test_no_dead_letters_make_no_file(tmp_path: Path) -> None:
    """Nothing to say, nothing written."""
    assert write_dead_letters(tmp_path, "2027-01-15", "segment", []) is None
    assert list(tmp_path.iterdir()) == []

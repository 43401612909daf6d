"""The format number of a data directory: written at first use, a newer one refused in words."""

import json
from pathlib import Path

import pytest

from latchstring_gateway.format_mark import FORMAT, NEEDS, Mark, NewerFormatError, check_directory, mark_directory


def test_a_directory_is_marked_at_first_use_and_then_left_alone(tmp_path: Path) -> None:
    """Also one of a release that wrote no mark."""
    assert mark_directory(tmp_path) == Mark(0, 0)
    written = (tmp_path / "format").stat()

    assert mark_directory(tmp_path) == Mark(FORMAT, NEEDS)
    assert (tmp_path / "format").stat().st_ino == written.st_ino
    assert json.loads((tmp_path / "format").read_text()) == {"format": FORMAT, "needs": NEEDS}


def test_what_the_next_release_writes_is_read_unless_it_says_otherwise(tmp_path: Path) -> None:
    """Its mark stays: it must know that it has been here."""
    (tmp_path / "format").write_text(json.dumps({"format": FORMAT + 1, "needs": FORMAT}))

    assert mark_directory(tmp_path) == Mark(FORMAT + 1, FORMAT)
    assert mark_directory(tmp_path) == Mark(FORMAT + 1, FORMAT)


def test_what_only_newer_releases_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """And nothing is written."""
    content = json.dumps({"format": FORMAT + 2, "needs": FORMAT + 1})
    (tmp_path / "format").write_text(content)

    with pytest.raises(NewerFormatError, match=r"run the newer release, or go back to a backup .*docs/upgrading\.md"):
        mark_directory(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["format"]
    assert (tmp_path / "format").read_text() == content


@pytest.mark.parametrize(
    "content", ["", "2", "[]", "{}", '{"format": "1", "needs": 1}', '{"format": true, "needs": 1}', "\x00"]
)
def test_a_mark_that_is_none_is_refused_and_not_guessed(tmp_path: Path, content: str) -> None:
    """It may be a later release's, in another spelling."""
    (tmp_path / "format").write_text(content)

    with pytest.raises(NewerFormatError, match="remove it"):
        mark_directory(tmp_path)


def test_a_directory_in_the_place_of_the_mark_is_told_with_a_remedy(tmp_path: Path) -> None:
    """It was a bare "Is a directory", which says neither whose nor what to do."""
    (tmp_path / "format").mkdir()

    with pytest.raises(NewerFormatError, match="remove it"):
        check_directory(tmp_path)

"""How far an import has come: known again, or refused in words."""

from pathlib import Path

import pytest

from latchstring_gateway.moving.position import PositionError, begin, resume, save


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to import."""
    path = tmp_path / "devices.jsonl"
    path.write_bytes(b"{}\n" * 10)
    return path


def test_a_saved_position_is_found_again_also_when_the_file_has_grown(source: Path, tmp_path: Path) -> None:
    """Appending is what exports do."""
    position = begin(source, kind="devices", store="here")
    position.offset, position.line = 6, 2
    save(tmp_path / "p", position)
    with source.open("ab") as file:
        file.write(b"{}\n" * 100_000)

    assert resume(tmp_path / "p", source, kind="devices", store="here") == position


def test_another_store_begins_from_the_start(source: Path, tmp_path: Path) -> None:
    """What went into the one is not in the other."""
    position = begin(source, kind="devices", store="here")
    position.offset = 6
    save(tmp_path / "p", position)

    assert resume(tmp_path / "p", source, kind="devices", store="there").offset == 0
    assert resume(tmp_path / "none", source, kind="devices", store="here").offset == 0


@pytest.mark.parametrize("wrong", ["other file", "shorter file", "other kind", "damaged", "not text"])
def test_a_position_of_something_else_is_refused(source: Path, tmp_path: Path, wrong: str) -> None:
    """It says which file to remove."""
    position = begin(source, kind="devices", store="here")
    position.offset = 30
    save(tmp_path / "p", position)
    if wrong == "other file":
        source.write_bytes(b"[]\n" * 10)
    elif wrong == "shorter file":
        position.head_bytes, position.head = 3, begin(source, kind="devices", store="here").head
        source.write_bytes(b"{}\n")
    elif wrong in ("damaged", "not text"):
        (tmp_path / "p").write_bytes(b'{"kind":' if wrong == "damaged" else b"\xff")

    with pytest.raises(PositionError, match="p is"):
        resume(tmp_path / "p", source, kind="sessions" if wrong == "other kind" else "devices", store="here")

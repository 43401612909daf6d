"""A directory on which no gateway has run is told from one that has counted nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from latchstring_gateway.cli.main import app
from latchstring_gateway.cli.new_directory import was_used

_READERS = {
    "ledger": ["ledger"],
    "report": ["report", "pages"],
    "funnel": ["report", "funnel", "view", "click"],
    "erasures": ["erasures"],
    "erase": ["erase", "--user", "ada"],
    "letters": ["dead-letters", "list"],
    "letter": ["dead-letters", "show", "AAAA.0"],
    "replay": ["dead-letters", "replay"],
}


@pytest.mark.parametrize("command", _READERS.values(), ids=_READERS)
@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_a_directory_that_is_none_is_an_error(tmp_path: Path, command: list[str], exists: bool) -> None:
    """With a typing mistake in the path `ledger`, `report` and `erasures` said "empty", with exit code 0."""
    directory = tmp_path if exists else tmp_path / "dat"

    said = CliRunner().invoke(app, [*command, "--data-dir", str(directory)])

    assert said.exit_code == 78
    assert str(directory) in said.stderr
    assert said.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trace", ["store", "journal", "warehouse"])
def test_what_a_gateway_makes_shows_that_it_has_run(tmp_path: Path, trace: str) -> None:
    """One of the three is enough: a warehouse that was put back alone can be read."""
    assert not was_used(tmp_path)
    (tmp_path / trace).mkdir()

    assert was_used(tmp_path)
    assert CliRunner().invoke(app, ["ledger", "--data-dir", str(tmp_path)]).exit_code == 0

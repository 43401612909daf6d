"""`latchstring log-name`: from an id to what to search the logs for."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from latchstring_gateway.cli import log_name
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.log_names import LogNames
from latchstring_gateway.tokens.rotation import retire, rotate


def _run(data: Path, *arguments: str) -> Result:
    app = typer.Typer()
    log_name.register(app)
    environment = {"LATCHSTRING_DATA_DIR": str(data), "LATCHSTRING_KEYS_FILE": None}
    return CliRunner().invoke(app, list(arguments), env=environment)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with a key."""
    create_key_file(tmp_path / "keys.json")
    return tmp_path


def test_the_name_that_workers_write_is_printed(data: Path) -> None:
    """The same key file, the same name."""
    ring = KeyRing.load(data / "keys.json", SystemClock())

    said = _run(data, "device", "3q2-7wAAAAAAAAAAAAAAAA")

    assert (said.exit_code, said.output) == (0, LogNames(ring).of("device", "3q2-7wAAAAAAAAAAAAAAAA") + "\n")


def test_there_is_a_name_for_each_key_that_may_have_signed(data: Path) -> None:
    """Old lines are found too, until their key is retired."""
    path = data / "keys.json"
    (first,) = KeyRing.load(path, SystemClock()).all_keys()
    rotate(path, SystemClock(), ahead_seconds=0)

    both = _run(data, "account", "ada").output.split()
    retire(path, first.id, SystemClock())
    newest = _run(data, "account", "ada").output.split()

    assert len(both) == 2
    assert newest == both[1:]


def test_an_id_that_begins_with_a_dash_can_be_given(data: Path) -> None:
    """A random id may; two dashes before it say that no option is meant."""
    assert _run(data, "session", "--", "-q2-7wAAAAAAAAAAAAAAAA").exit_code == 0


def test_without_a_key_file_it_says_what_to_do(tmp_path: Path) -> None:
    """Status 1, and no traceback."""
    said = _run(tmp_path, "session", "x")

    assert said.exit_code == 1
    assert "there is no such file" in said.output

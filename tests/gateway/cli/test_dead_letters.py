"""`latchstring dead-letters`: readable, safe to print, and each one can be looked at and judged again."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.hits import TRUSTED, batch, pixel, write_segment
from latchstring_gateway.cli import dead_letters
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.shipping.locks import KEEPER, locked
from latchstring_gateway.shipping.run import Shipper


def _run(data_dir: Path, *arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    dead_letters.register(app)
    options = [*arguments, "--data-dir", str(data_dir)]
    result = CliRunner().invoke(app, ["dead-letters", *options], env={"COLUMNS": "160"})
    return result.exit_code, result.stdout


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Three dead letters of two reasons, one of which tries to steer the terminal; and something that is no hit."""
    steering = b'{"page":"/\x1b[31mred"}'
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=bad"), pixel(b"p=worse"), batch(steering), b"no hit at all"])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    return tmp_path


def test_list_tells_reasons_and_the_latest(data_dir: Path) -> None:
    """Counted by reason, then one line each."""
    code, output = _run(data_dir, "list", "--limit", "3")

    assert code == 0
    assert output.splitlines()[1].split() == ["bad_page", "2"]
    assert output.count("bad_page") + output.count("control_char") + output.count("not_a_hit") == 3 + 3
    assert "\x1b" not in output


def test_list_of_one_reason_as_json(data_dir: Path) -> None:
    """For scripts, with everything that was kept."""
    code, output = _run(data_dir, "list", "--reason", "bad_page", "--json")

    told = json.loads(output)
    assert code == 0
    assert told["reasons"] == {"bad_page": 2}
    assert {letter["target"] for letter in told["latest"]} == {"/b.gif?p=bad", "/b.gif?p=worse"}


def test_each_can_be_shown(data_dir: Path) -> None:
    """By the id that the list tells, whatever it holds."""
    letters = json.loads(_run(data_dir, "list", "--json")[1])["latest"]
    assert len(letters) == 4

    for letter in letters:
        code, output = _run(data_dir, "show", letter["id"])
        assert code == 0
        assert json.loads(output) == letter
        assert "\x1b" not in output
    assert _run(data_dir, "show", "nothing")[0] == 1


def test_replay_says_what_became_of_them(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words and as JSON."""
    assert _run(data_dir, "replay") == (
        0,
        "4 letters judged again: 0 events counted, 0 duplicates, 0 excluded, 4 still bad.\n",
    )
    _, output = _run(data_dir, "replay", "--reason", "bad_page", "--json")
    assert json.loads(output) == {"letters": 2, "good": 0, "duplicate": 0, "excluded": 0, "still_bad": 2}
    with locked(data_dir / "warehouse" / KEEPER):
        assert _run(data_dir, "replay")[0] == 1


def test_no_dead_letters_is_said_in_words(tmp_path: Path) -> None:
    """Nothing is an answer."""
    (tmp_path / "journal").mkdir()
    assert _run(tmp_path, "list") == (0, "No dead letters: every hit was understood.\n")


def test_fields_that_were_left_out_are_counted(tmp_path: Path) -> None:
    """By source and code, of events that count; nothing of them is a dead letter."""
    now_ms = SystemClock().wall_ms()
    write_segment(tmp_path, [pixel(b"p=/a&t=never", at_ms=now_ms), pixel(b"p=/b", at_ms=now_ms)])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()

    _, text = _run(tmp_path, "fields")
    _, told = _run(tmp_path, "fields", "--days", "2", "--json")

    assert text.split()[-3:] == ["pixel", "bad_time", "1"]
    assert json.loads(told) == [{"source": "pixel", "code": "bad_time", "events": 1}]

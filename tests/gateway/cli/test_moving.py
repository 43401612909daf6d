"""`latchstring import` and `latchstring export`, run as an operator runs them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from harness.importing import device_line, rejects_of, session_line, write_lines
from harness.waiting import wait_until
from latchstring_gateway.cli.main import app

Run = Callable[..., Result]


@pytest.fixture
def run(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, against the emptied store, in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, store: str = store_url, given: bytes | None = None) -> Result:
        env = {"LATCHSTRING_STORE": store, "COLUMNS": "200"}
        return CliRunner().invoke(app, list(arguments), env=env, input=given)

    return command


def test_an_import_ends_with_a_summary(run: Run, tmp_path: Path) -> None:
    """And the second one finds everything there."""
    source = str(write_lines(tmp_path / "d.jsonl", device_line(), device_line("bob")))
    first, again = run("import", "devices", source), run("import", "devices", source, "--from-start", "--json")

    assert (first.exit_code, first.stdout.strip()) == (0, "2 devices imported, 0 were there already")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"imported": 0, "already": 2, "rejected": 0, "lines": 2, "dry_run": False}


def test_rejected_lines_are_in_a_file_and_in_the_exit_code(run: Run, tmp_path: Path) -> None:
    """3: some lines were rejected; the others are in."""
    source = write_lines(tmp_path / "s.jsonl", b"{", session_line(), session_line(method="?"))

    done = run("import", "sessions", str(source))

    assert done.exit_code == 3
    assert "2 lines rejected: see" in done.stdout
    assert [number for number, _reason in rejects_of(source)] == [1, 3]


def test_a_dry_run_leaves_only_its_rejects(run: Run, tmp_path: Path) -> None:
    """Beside those of a real run, which it does not touch."""
    source = write_lines(tmp_path / "s.jsonl", b"{", session_line())

    done = run("import", "sessions", str(source), "--dry-run")

    assert done.exit_code == 3
    assert "1 sessions would be imported" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.jsonl", "s.jsonl.dry-run.rejected"]
    assert run("export", "sessions", "-").stdout_bytes == b""


def test_lines_may_come_and_go_through_a_pipe(run: Run, tmp_path: Path) -> None:
    """What is exported on standard output is imported from standard input."""
    given = write_lines(tmp_path / "d.jsonl", device_line(), b"{").read_bytes()
    done = run("import", "devices", "-", given=given)
    rejected = (tmp_path / "import-devices.rejected").read_bytes()
    out = run("export", "devices", "-")
    again = run("import", "devices", "-", "--json", given=out.stdout_bytes)

    assert done.exit_code == 3
    assert rejected.count(b"\n") == 1
    assert json.loads(out.stdout)["account"] == "ada"
    assert json.loads(again.stdout)["already"] == 1


def test_an_export_is_complete_and_nobody_elses_to_read(run: Run, tmp_path: Path) -> None:
    """No half file stays behind, and it is for its owner alone."""
    run("import", "devices", str(write_lines(tmp_path / "d.jsonl", device_line(), device_line("bob"))))

    done = run("export", "devices", "out.jsonl", "--json")

    assert json.loads(done.stdout) == {"lines": 2, "file": "out.jsonl"}
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "out.jsonl.part").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["import", "devices", "missing.jsonl"], "missing.jsonl"),
        (["import", "devices", "."], "directory"),
        (["export", "devices", "missing/out.jsonl"], "missing/out.jsonl"),
    ],
)
def test_what_cannot_be_read_or_written_is_told_in_words(run: Run, arguments: list[str], told: str) -> None:
    """Exit 1, no stack trace."""
    done = run(*arguments)

    assert done.exit_code == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("act", ["import", "export"])
def test_without_a_store_the_operator_is_told_to_try_again(run: Run, tmp_path: Path, act: str) -> None:
    """Exit 1."""
    file = str(write_lines(tmp_path / "d.jsonl", device_line()))

    done = run(act, "devices", file if act == "import" else "out.jsonl", store="redis://127.0.0.1:1")

    assert done.exit_code == 1
    assert "again" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_the_progress_of_another_file_is_refused(run: Run, tmp_path: Path) -> None:
    """It says which file to remove."""
    source = write_lines(tmp_path / "d.jsonl", device_line())
    run("import", "devices", str(source))
    write_lines(source, device_line("somebody-else"))

    done = run("import", "devices", str(source))

    assert done.exit_code == 1
    assert "d.jsonl.progress" in done.stderr


@pytest.mark.store
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_killed_goes_on_where_it_stopped(
    run: Run, tmp_path: Path, store_url: str, blow: signal.Signals
) -> None:
    """A real process, ended in the middle; the second run does the rest, and every device is there once."""
    source = write_lines(tmp_path / "d.jsonl", *(device_line(f"u{number}") for number in range(20_000)))
    argv = [sys.executable, "-m", "latchstring_gateway.cli.main", "import", "devices", str(source), "--rate", "4000"]
    env = {**os.environ, "LATCHSTRING_STORE": store_url}
    process = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "d.jsonl.progress").exists, "the first window to be in")
    process.send_signal(blow)
    _out, told = process.communicate(timeout=60)

    rest = run("import", "devices", str(source), "--json", "--rate", "1000000")

    assert process.returncode == (130 if blow == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in told
    summary = json.loads(rest.stdout)
    assert (summary["imported"] + summary["already"], summary["lines"]) == (20_000, 20_000)
    with redis.Redis.from_url(store_url) as client:
        assert sum(1 for _key in client.scan_iter("*:device:*", count=5_000)) == 20_000

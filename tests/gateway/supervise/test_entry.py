"""The frame of each child: what keeps it from working is logged, told to the node, and not repeated at length."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from latchstring_gateway.node_health import health_directory, read_file
from latchstring_gateway.tokens.keyring import create_key_file

_CHILD = """
import sys
from latchstring_gateway.supervise.entry import Unavoidable, run_child
def work_of(chosen, work):
    {body}
sys.exit(run_child(work_of))
"""


def run(data_dir: Path, body: str, **environment: str) -> tuple[int, list[dict[str, object]], str]:
    """A child whose work is this: its exit code, the lines of its log, and what else it wrote."""
    env = {**os.environ, "LATCHSTRING_DATA_DIR": str(data_dir), "LATCHSTRING_CHILD": "shipper", **environment}
    ran = subprocess.run([sys.executable, "-c", _CHILD.format(body=body)], env=env, capture_output=True, text=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("{")]
    rest = [line for line in ran.stderr.splitlines() if not line.startswith("{")]
    return ran.returncode, [json.loads(line) for line in lines], "\n".join(rest) + ran.stdout


def told(data_dir: Path) -> tuple[str, str]:
    """Fault and remedy, as the other processes of the node read them."""
    said = read_file(health_directory(data_dir) / "shipper.json")
    assert said is not None
    return said.fault, said.remedy


@pytest.mark.parametrize(
    ("body", "code", "fault", "remedy"),
    [
        ("raise ImportError('no socksio')", 1, "ImportError: no socksio", "install latchstring again"),
        ("raise OSError(28, 'No space left')", 1, "OSError: [Errno 28] No space left", "the disk is not full"),
        ("{}['gone']", 1, "KeyError: 'gone'", "a bug of ours"),
        ("sys.exit(7)", 7, "SystemExit: 7", "a bug of ours"),
        ("raise Unavoidable('another ships here; stop it')", 1, "another ships here; stop it", "see the reason"),
    ],
)
def test_a_fault_at_the_start_is_logged_and_told_with_a_remedy(
    tmp_path: Path, body: str, code: int, fault: str, remedy: str
) -> None:
    """A deliverer ended with code 0 again and again, in silence."""
    ended, lines, rest = run(tmp_path, body)

    assert (ended, rest) == (code, "")
    assert [(line["event"], line["child"], line["reason"]) for line in lines] == [("child_failed", "shipper", fault)]
    assert remedy in str(lines[0]["remedy"])
    assert ("exception" in lines[0]) == ("Unavoidable" not in body)
    assert told(tmp_path) == (fault, lines[0]["remedy"])


def test_the_same_fault_at_each_start_is_told_once(tmp_path: Path) -> None:
    """The supervisor counts the deaths; a traceback at each would fill the log."""
    first = run(tmp_path, "raise OSError('no disk')")
    again = run(tmp_path, "raise OSError('no disk')")
    other = run(tmp_path, "raise OSError('another disk')")

    assert [len(lines) for _code, lines, _rest in (first, again, other)] == [1, 0, 1]


def test_a_child_that_works_says_so_and_ends_well(tmp_path: Path) -> None:
    """Its file is written at once, and its code is 0 or what its work gives."""
    body = "from latchstring_gateway.node_health import look; import time; time.sleep(0.2)"

    assert run(tmp_path, body) == (0, [], "")
    assert told(tmp_path) == ("", "")
    assert run(tmp_path, "return 5")[0] == 5


def test_keys_that_cannot_be_used_are_a_mistake_of_the_settings(tmp_path: Path) -> None:
    """Exit code 78, without a traceback, with the remedy that the error itself knows."""
    create_key_file(tmp_path / "keys.json")
    (tmp_path / "keys.json").chmod(0o644)
    env = {**os.environ, "LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_CHILD": "shipper"}

    shipper = [sys.executable, "-m", "latchstring_gateway.supervise.shipper"]
    ran = subprocess.run(shipper, env=env, capture_output=True, text=True)

    assert ran.returncode == os.EX_CONFIG
    assert "chmod 600" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "chmod 600" in told(tmp_path)[0]


def test_wrong_settings_are_told_before_there_is_a_log(tmp_path: Path) -> None:
    """Exit code 78 and every mistake."""
    ended, lines, rest = run(tmp_path, "return 0", LATCHSTRING_WORKERS="many")

    assert (ended, lines) == (os.EX_CONFIG, [])
    assert "LATCHSTRING_WORKERS" in rest

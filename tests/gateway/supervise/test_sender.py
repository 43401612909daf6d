"""The sender's process: sends what is committed, says how much waits, and stops when it is told to."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.clickhouse import clickhouse
from harness.hits import pixel, write_segment
from harness.nodes import ship
from harness.waiting import wait_until
from latchstring_gateway.supervise.serving import Plan, gateway_groups

pytestmark = pytest.mark.beacons

_ARGV = [sys.executable, "-m", "latchstring_gateway.supervise.sender"]


def test_process_sends_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """A sink that is away at first gets everything when it is there."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b")])
    ship(tmp_path)
    with clickhouse(tmp_path / "clickhouse") as server:
        server.mood("refuse")
        settings = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_CLICKHOUSE": server.url}
        process = subprocess.Popen(_ARGV, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        assert b"task_failed" in process.stdout.readline()
        server.mood("")
        wait_until(lambda: server.ask("SELECT count() FROM events") == [["2"]], "the events to arrive")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert b"secret" not in output


def test_wrong_settings_are_told_and_the_password_is_not(tmp_path: Path) -> None:
    """Exit code 78, as for every mistake in the settings."""
    settings = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_CLICKHOUSE": "clickhouse://writer:secret@host/db"}

    ran = subprocess.run(_ARGV, env=os.environ | settings, capture_output=True, text=True)

    assert ran.returncode == os.EX_CONFIG
    assert "LATCHSTRING_CLICKHOUSE" in ran.stderr
    assert "secret" not in ran.stdout + ran.stderr


def test_service_runs_one_sender_if_there_is_a_sink_and_as_many_shippers_as_were_asked_for(tmp_path: Path) -> None:
    """The first shipper is called as it always was; the sender comes with them."""
    for sends, names in (
        (False, {"shipper", "shipper-2", "housekeeping"}),
        (True, {"shipper", "shipper-2", "housekeeping", "sender"}),
    ):
        plan = Plan(data_dir=tmp_path, listen="", workers=1, shippers=2, sends=sends, embedded_store=False)
        with socket.socket() as listener:
            groups = gateway_groups(plan, None, listener)

        assert {child.name for child in groups[2]} == names
        assert [child.argv[-1] for child in groups[2][:2]] == ["1", "2"]

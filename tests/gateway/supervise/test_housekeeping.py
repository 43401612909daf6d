"""The housekeeping process: does what is due, and stops when it is told to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from harness.hits import batch, pixel, write_segment
from harness.nodes import ship
from harness.waiting import wait_until
from latchstring_gateway.shipping.commits import Commits

_ARGV = [sys.executable, "-m", "latchstring_gateway.supervise.housekeeping"]


def test_process_keeps_house_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """Hits of a day long ago are compacted into one record, beside nobody and without a job to be set up."""
    at_ms = 1_700_000_000_000
    for number in range(4):
        write_segment(tmp_path, [pixel(b"p=/%d" % number, at_ms=at_ms), batch(b"{", at_ms=at_ms)])
    ship(tmp_path)

    process = subprocess.Popen(
        _ARGV,
        env=os.environ | {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_KEEP_DAYS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: len(Commits(tmp_path / "warehouse").all()) == 1, "the day to be compacted")
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0

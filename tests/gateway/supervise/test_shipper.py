"""The shipper as a process: how it ends."""

import os
import subprocess
import sys
from pathlib import Path

from harness.waiting import wait_until
from latchstring_gateway.tokens.keyring import create_key_file


def test_a_shipper_that_is_stopped_says_nothing(tmp_path: Path) -> None:
    """What its libraries think of the way it ends is no news for an operator."""
    create_key_file(tmp_path / "keys.json")
    environ = {**os.environ, "LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_LOG_LEVEL": "warning"}
    process = subprocess.Popen(
        [sys.executable, "-m", "latchstring_gateway.supervise.shipper"], env=environ, stderr=subprocess.PIPE, text=True
    )
    wait_until((tmp_path / "warehouse" / "seen.sqlite").exists, "the shipper to be at work")
    process.terminate()
    _out, told = process.communicate(timeout=60)

    assert (process.returncode, told) == (0, "")

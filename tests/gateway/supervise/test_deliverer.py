"""The hook deliverer as a process: what the environment is set to for other programs does not end it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.valkey import Valkey
from harness.waiting import wait_until
from latchstring_gateway.store import keys

pytestmark = pytest.mark.store


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://127.0.0.1:9", "not a url"])
def test_a_deliverer_works_whatever_proxy_is_named(
    own_valkey: Callable[[], Valkey], tmp_path: Path, proxy: str
) -> None:
    """Under `ALL_PROXY=socks5://…` it ended with code 0 again and again, and said nothing."""
    server = own_valkey()
    env = {**os.environ, "LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": server.url}
    process = subprocess.Popen(
        [sys.executable, "-m", "latchstring_gateway.supervise.deliverer"],
        env=env | {"ALL_PROXY": proxy, "HTTPS_PROXY": proxy, "LATCHSTRING_LOG_LEVEL": "warning"},
        stderr=subprocess.PIPE,
        text=True,
    )
    with server.client() as client:
        wait_until(lambda: client.exists(keys.DELIVERER_LOCK), "the deliverer to be at work", 20)
    process.terminate()
    _out, told = process.communicate(timeout=60)

    assert (process.returncode, told) == (0, "")

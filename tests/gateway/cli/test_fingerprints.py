"""`latchstring fingerprints forget`, run as an operator runs it: beside a worker."""

import time

import pytest
from typer.testing import CliRunner

from harness.edge_gateway import EdgeGateway
from latchstring_gateway.cli.main import app
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.keyring import KeyRing

pytestmark = pytest.mark.store


def test_what_was_kept_under_a_key_is_forgotten_by_its_name() -> None:
    """It says how much, and the second time that there is nothing; a slip of the pen is told in words."""
    gateway = EdgeGateway(workers=1, fsync="never")
    try:
        env = {
            "LATCHSTRING_DATA_DIR": str(gateway.data_dir),
            "LATCHSTRING_STORE": gateway.valkey.url,
            "LATCHSTRING_LISTEN": gateway.address,
        }
        browser = {"installation": "inst-1", "accept_language": "nl"}
        body = {"account": "ada", "authenticated_at_ms": time.time_ns() // 1_000_000, "browser": browser}
        gateway.client.post("/v1/sessions", json=body).raise_for_status()
        key = KeyRing.load(gateway.data_dir / "keys.json", SystemClock()).signing_key().id
        said = [
            CliRunner().invoke(app, ["fingerprints", "forget", "--key", one], env=env) for one in (key, key, "what?")
        ]
    finally:
        gateway.close()

    # The kind is known of every device.
    assert [one.stdout for one in said] == ["3 forgotten.\n", "0 forgotten.\n", ""]
    assert said[2].exit_code == 1
    assert "bad_field" in said[2].stderr

"""`latchstring store restored` without a store; with one: tests/gateway/revocation/test_deal_with.py."""

import pytest
from typer.testing import CliRunner

from latchstring_gateway.cli.main import app


@pytest.mark.parametrize(
    "backup_time", ["", "tomorrow", "2026-11-24T03:00:00", "2026-11-24", "99999999999999999", "-1", "\u0661"]
)
def test_a_backup_time_without_its_zone_is_a_usage_error(backup_time: str) -> None:
    """A local time would be taken for another one, and the wrong copy for the right one."""
    refused = CliRunner().invoke(app, ["store", "restored", f"--backup-time={backup_time}"], env={"COLUMNS": "200"})

    assert refused.exit_code == 2
    assert "with its zone" in refused.output
    assert "Traceback" not in refused.output


def test_the_backup_time_must_be_told() -> None:
    """There is no default: who does not know it does not know which copy this is."""
    assert CliRunner().invoke(app, ["store", "restored"]).exit_code == 2


@pytest.mark.parametrize("backup_time", ["2026-11-24T03:00:00Z", "2026-11-24T04:00:00+01:00", "1795489200000"])
def test_without_a_store_nothing_is_done(backup_time: str) -> None:
    """Told in words."""
    env = {"LATCHSTRING_STORE": "redis://127.0.0.1:1"}

    refused = CliRunner().invoke(app, ["store", "restored", "--backup-time", backup_time], env=env)

    assert (refused.exit_code, "store_away" in refused.stderr) == (1, True)

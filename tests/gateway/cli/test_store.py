"""`latchstring store restored` and `moved`, over whole services; parts: tests/gateway/revocation/test_deal_with.py."""

import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from harness.service import Service, running_service, started_service
from harness.waiting import wait_until
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


@pytest.mark.store
def test_a_data_directory_put_back_whole_is_noticed_and_dealt_with(tmp_path: Path) -> None:
    """Seen: `store-seen` went back with the rest, and the cookie of a device revoked since was answered 200.

    A restart and a new name for the directory are no reason; a copy that was made of a stopped service, put back, is
    noticed at its start; and the operator says when the copy was made, as they know it.
    """
    data, backup = tmp_path / "data", tmp_path / "backup"
    with running_service(data) as service:
        visitor = _Visitor(service)
    data.rename(tmp_path / "renamed")
    data = tmp_path / "renamed"
    # No birth time is as exact as this; nobody copies within it.
    time.sleep(0.1)
    shutil.copytree(data, backup, symlinks=True)
    copied_at = datetime.now(UTC).replace(microsecond=0)
    with running_service(data) as service:
        before = visitor.check(service)
        receipt = visitor.revoke(service)
        after = visitor.check(service)
        time.sleep(1.2)  # the node writes down that it saw the store since
    # An operator puts back what they have.
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", str(backup), str(data)], check=True)

    with started_service(data) as service:
        wait_until(lambda: _code(service) == "store_restored", "the copy to be noticed")
        while_distrusted = visitor.check(service)
        at = copied_at.astimezone(timezone(timedelta(hours=2))).isoformat()
        told = service.command("store", "restored", "--backup-time", at)
        service.wait_ready()
        wait_until(lambda: visitor.check(service) == 401, "the session to be over")
    with running_service(data) as service:
        still = visitor.check(service)

    assert (before, receipt, after) == (200, "complete", 401)
    assert while_distrusted == 503
    assert "workers had noticed" in told
    assert still == 401


@pytest.mark.store
def test_a_data_directory_that_was_moved_by_copying_is_trusted_when_the_operator_says_so(tmp_path: Path) -> None:
    """Another disk is a copy, too, and only a person knows that nothing has run on the original since."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    with running_service(data) as service:
        visitor = _Visitor(service)
    time.sleep(0.1)
    shutil.copytree(data, copy, symlinks=True)

    with started_service(copy) as service:
        wait_until(lambda: _code(service) == "store_restored", "the copy to be noticed")
        service.command("store", "moved", "--yes")
        service.wait_ready()
        moved = visitor.check(service)
    with running_service(copy) as service:
        again = visitor.check(service)

    assert (moved, again) == (200, 200)


class _Visitor:
    """Somebody signed in."""

    def __init__(self, service: Service) -> None:
        self._backend = {"authorization": f"Bearer {service.command('service-keys', 'add', 'tests')}"}
        began = {"account": "ada", "authenticated_at_ms": time.time_ns() // 1_000_000}
        answer = httpx.post(f"{service.url}/v1/sessions", json=began, headers=self._backend, timeout=10)
        self._cookie = "; ".join(line.partition(";")[0] for line in answer.json()["set_cookie"])

    def check(self, service: Service) -> int:
        """The status of a check."""
        return httpx.get(f"{service.url}/verify", headers={"cookie": self._cookie}, timeout=10).status_code

    def revoke(self, service: Service) -> str:
        """What kind of receipt there is for signing the account out."""
        answer = httpx.post(f"{service.url}/v1/accounts/ada/revoke", headers=self._backend, timeout=10)
        return str(answer.json()["status"])


def _code(service: Service) -> str | None:
    try:
        return str(httpx.get(f"{service.url}/health/ready", timeout=2).json().get("code"))
    except httpx.TransportError:
        return None

"""What older releases wrote is read: store, keys, warehouse, journal and ledger."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.hits import NOW_MS, TRUSTED
from harness.old_data import OldData, old_data
from harness.worker_app import Worker, running_worker, settings_for
from latchstring_gateway.cli.main import app
from latchstring_gateway.cli.serve import prepare
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.format_mark import FORMAT
from latchstring_gateway.ids import to_text
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.tokens.purposes import Lease

pytestmark = pytest.mark.store

#: The first whose data this one reads; it wrote no format number.
RELEASES = ["dd8f936"]


@pytest.fixture(params=RELEASES)
def old(request: pytest.FixtureRequest) -> OldData:
    """What that release left behind."""
    return old_data(request.param)


@pytest.fixture
async def worker(old: OldData, store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker of this release on its store and in its directory."""
    old.unpack(tmp_path / "data")
    store = Store(store_url)
    await old.load(store.redis)
    await store.close()
    async with running_worker(
        settings_for(store_url, tmp_path / "data"), service_key=old.said["service_key"]
    ) as running:
        yield running


async def test_who_was_signed_in_stays_and_who_was_removed_stays_out(worker: Worker, old: OldData) -> None:
    """Cookies open, running leases are good, those that ran out are renewed; removals and a disabling stand."""
    codec = worker.rooms.codec
    for whose in ("ada", "ada's other"):
        assert isinstance(codec.open(old.jar(whose)["__Host-session"].encode(), Lease), Lease), "byte for byte"
        jar = old.aged(whose, codec)
        answer = await worker.verify(jar)
        assert (answer.status_code, answer.headers["x-latch-account"]) == (200, "ada")
        renewed = await worker.navigate(worker.run_out(jar))
        assert renewed.status_code == 200
        assert "__Host-session" in renewed.headers["set-cookie"]
    for whose in ("bob", "eve"):
        assert (await worker.verify(old.aged(whose, codec))).status_code == 401
    assert (await worker.sign_in("eve")).json()["code"] == "account_disabled"
    assert (await worker.sign_in("bob")).status_code == 201


async def test_its_devices_are_listed_and_can_be_removed(worker: Worker, old: OldData) -> None:
    """By this release's own page and API."""
    listed = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert [device["name"] for device in listed] == ["Firefox on Linux"] * 2

    jar = old.aged("ada", worker.rooms.codec)
    removed = await worker.api("DELETE", f"/v1/accounts/ada/devices/{to_text(worker.lease(jar).device)}")

    assert removed.status_code == 200, removed.text
    assert (await worker.verify(jar)).status_code == 401
    receipt = await worker.api("GET", f"/v1/revocations/{old.said['revocation']}")
    assert (receipt.status_code, receipt.json()["status"]) == (200, "complete")


async def test_its_store_is_marked_and_otherwise_left_as_it_was(worker: Worker) -> None:
    """From now on a release that is too old knows it."""
    assert await worker.store.redis.hget(keys.DEPLOYMENT, "format") == str(FORMAT)


def test_its_warehouse_and_journal_are_read_and_the_ledger_adds_up(old: OldData, tmp_path: Path) -> None:
    """A compacted day, a later segment, dead letters; and what waited in the journal is shipped."""
    old.unpack(tmp_path)
    prepare(settings_for("redis://127.0.0.1:1", tmp_path))
    run = CliRunner()

    def ledger() -> dict[str, int]:
        said = run.invoke(app, ["ledger", "--json", "--data-dir", str(tmp_path)])
        assert said.exit_code == 0, said.output
        found = json.loads(said.output)
        assert found["adds_up"]
        assert found["problems"] == []
        total: dict[str, int] = found["total"]
        return total

    before = ledger()
    # Twenty pixels, one Snowplow event, one of a batch; the pixel of the later day; two bad ones; two that wait.
    assert (before["good"], before["bad"], before["pending"]) == (23, 2, 2)
    with Shipper(tmp_path, ManualClock(wall_ms=NOW_MS + 3 * 86_400_000), TRUSTED) as shipper:
        assert shipper.ship_once() == 1
    after = ledger()
    assert (after["good"], after["bad"], after["pending"]) == (24, 3, 0)
    pages = run.invoke(
        app, ["report", "pages", "--from", "2027-01-15", "--to", "2027-01-17", "--data-dir", str(tmp_path)]
    )
    assert pages.exit_code == 0, pages.output
    assert "/watch/1" in pages.output
    assert "/waiting" in pages.output
    assert json.loads((tmp_path / "format").read_text())["format"] == FORMAT

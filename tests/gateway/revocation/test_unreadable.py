"""A row of the registry that cannot be read costs a promptly complete receipt, and nothing else."""

import json
from pathlib import Path

import pytest
import redis.asyncio
from structlog.testing import capture_logs

from harness.worker_app import running_worker, settings_for
from latchstring_gateway.metrics import UNREADABLE_ROWS
from latchstring_gateway.revocation.receipt import Registered, WorkerRow
from latchstring_gateway.revocation.unreadable import LONGEST_LEASE_MS, UnreadableRows, parsed
from latchstring_gateway.store import keys

_ROW = WorkerRow(1_000, "closed", 60_000, 0, ("k1",))
_WHOLE = json.loads(_ROW.to_json())
_BAD = [
    "",
    "[]",
    "null",
    "{",
    "[" * 5_000,
    *(json.dumps({name: value for name, value in _WHOLE.items() if name != gone}) for gone in _WHOLE),
    json.dumps({**_WHOLE, "fence_ms": "x"}),
    json.dumps({**_WHOLE, "fence_ms": -1}),
    json.dumps({**_WHOLE, "fence_ms": True}),
    json.dumps({**_WHOLE, "rule": "open"}),
    json.dumps({**_WHOLE, "keys": 7}),
]


@pytest.mark.parametrize("text", _BAD)
def test_a_worker_whose_row_is_none_may_do_at_most_what_settings_allow(text: str) -> None:
    """Whatever is in the row; a pulse that is none counts as one that was just now."""
    one = parsed("w.1.x", text, "x", 5_000)

    assert (one.worker, one.pulse_ms, one.is_readable) == ("w.1.x", 5_000, False)
    assert one.row.certain_at_ms(5_000, 5_000) > 5_000 + 1.09 * LONGEST_LEASE_MS
    assert parsed("w.1.x", _ROW.to_json(), "7", 5_000) == Registered("w.1.x", _ROW, 7)


def test_an_unreadable_row_is_bounded_by_the_longest_lease_and_named_once() -> None:
    """Of its deployment; the proxy's cache is what it is behind the others."""
    workers = [
        Registered("a", WorkerRow(1_000, "closed", 0, 2_000), 5_000),
        parsed("b", "{}", "5000", 5_000),
    ]
    rows = UnreadableRows()

    with capture_logs() as lines:
        known = [rows.bounded(workers, _ROW, 300_000) for _ in range(3)][-1]

    assert known[0] == workers[0]
    assert known[1].row.certain_at_ms(5_000, 5_000) == 5_000 + 330_000 + 2_000
    assert [(line["event"], line["worker"]) for line in lines] == [("registry_row_unreadable", "b")]
    assert UNREADABLE_ROWS._value.get() == 1
    rows.bounded(workers[:1], _ROW, 300_000)
    assert UNREADABLE_ROWS._value.get() == 0


@pytest.mark.parametrize("pulses", [True, False], ids=["alive", "nobody's"])
@pytest.mark.store
async def test_one_bad_row_fails_no_start_and_no_revocation(
    store_url: str, tmp_path: Path, store_client: redis.asyncio.Redis, pulses: bool
) -> None:
    """A row that lacked one field ended two tasks, and failed starts and revocations of the whole deployment."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        text = json.dumps({name: value for name, value in _WHOLE.items() if name != "fence_ms"})
        await store_client.hset(keys.WORKERS, "stranger.1.x", text)
        seconds, _micros = await store_client.time()
        if pulses:
            await store_client.hset(keys.PULSES, "stranger.1.x", str(seconds * 1_000))
        await worker.rooms.key_watch.agree()
        async with running_worker(
            settings_for(store_url, tmp_path / "other", keys_file=worker.rooms.settings.keys_path)
        ):
            device = (await worker.sign_in("ada")).json()["device"]["id"]
            receipt = (await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")).json()
            overdue = worker.rooms.work.overdue()

    assert overdue == []
    if pulses:
        assert receipt["status"] == "partial"
        assert [one["worker"] for one in receipt["missing"]] == ["stranger.1.x"]
    else:
        assert receipt["status"] == "complete"


@pytest.mark.parametrize("span", [10**400, 10**15, 60_001], ids=["endless", "millennia", "too long"])
def test_a_row_with_a_span_that_no_setting_takes_is_unreadable(span: int) -> None:
    """Receipts ended in an OverflowError, or waited for a fence of thousands of years."""
    text = f'{{"fence_ms":{span},"rule":"closed","last_known_good_ms":0,"verify_cache_ms":0,"keys":[]}}'

    assert not parsed("w.1.x", text, "5", 10).is_readable

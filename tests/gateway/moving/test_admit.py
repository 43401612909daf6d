"""Taking lines into the store: once, whole, and never against what was decided here."""

from typing import Any

import msgspec
import pytest

from harness.importing import device_line, session_line
from harness.worker_app import Jar, Worker, dump, now_ms
from latchstring_gateway.ids import Account, new_id
from latchstring_gateway.moving.admit import admit
from latchstring_gateway.moving.lines import Judge, Kind, Row, decode
from latchstring_gateway.moving.references import references
from latchstring_gateway.sessions.policy import SessionPolicy
from latchstring_gateway.store import keys


async def _rows(worker: Worker, kind: Kind, *lines: dict[str, Any]) -> list[Row]:
    judge = Judge(await references(worker.store), SessionPolicy())
    return [judge.row(decode(kind, msgspec.json.encode(line)), now_ms()) for line in lines]


async def _admit(worker: Worker, kind: Kind, *lines: dict[str, Any], dry: bool = False) -> list[str]:
    return await admit(worker.store, await _rows(worker, kind, *lines), dry=dry)


async def _devices(worker: Worker, account: str = "ada") -> list[dict[str, Any]]:
    devices: list[dict[str, Any]] = (await worker.api("GET", f"/v1/accounts/{account}/devices")).json()["devices"]
    return devices


async def test_a_line_is_taken_in_once(worker: Worker) -> None:
    """The second time it is there already, and nothing has changed."""
    lines = (device_line(), device_line("bob"), device_line(device="d2"))
    first = await _admit(worker, "devices", *lines)
    before = await dump(worker.store)
    again = await _admit(worker, "devices", *lines)
    sessions = await _admit(worker, "sessions", session_line(), session_line(), session_line("bob"))

    assert first == ["imported"] * 3
    assert again == ["already"] * 3
    assert sessions == ["imported", "already", "imported"]
    await _admit(worker, "devices", *lines)
    after = await dump(worker.store)
    assert {key: value for key, value in after.items() if key in before and ":device:" in key} == {
        key: value for key, value in before.items() if ":device:" in key
    }


async def test_an_imported_device_stands_on_the_devices_page(worker: Worker) -> None:
    """With first and last day, before it has ever come by; and can be removed."""
    line = device_line(name="Old phone")
    await _admit(worker, "devices", line)
    (device,) = await _devices(worker)
    removed = await worker.api("DELETE", f"/v1/accounts/ada/devices/{device['id']}")

    assert (device["name"], device["kind"], device["place"]) == ("Old phone", "computer", "203.0.113.0/24")
    assert (device["first_seen_ms"], device["last_seen_ms"]) == (line["first_seen_ms"], line["last_seen_ms"])
    assert removed.status_code == 200
    assert await _devices(worker) == []


@pytest.mark.parametrize("devices_first", [True, False])
async def test_sessions_and_devices_may_come_in_either_order(worker: Worker, devices_first: bool) -> None:
    """The row ends up with the earlier first and the later last day, and the owner's name."""
    device = device_line(name="Old phone")
    session = session_line(device="d1", last_seen_ms=now_ms())
    for kind in ("devices", "sessions") if devices_first else ("sessions", "devices"):
        if kind == "devices":
            await _admit(worker, "devices", device)
        else:
            await _admit(worker, "sessions", session)

    (row,) = await _devices(worker)

    assert (row["name"], row["remembered"]) == ("Old phone", True)
    assert (row["first_seen_ms"], row["last_seen_ms"]) == (device["first_seen_ms"], session["last_seen_ms"])


async def test_a_dry_run_writes_nothing(worker: Worker) -> None:
    """And says what would become of each line."""
    await _admit(worker, "devices", device_line())
    before = await dump(worker.store)

    told = await _admit(worker, "devices", device_line(), device_line(device="new"), dry=True)
    sessions = await _admit(worker, "sessions", session_line(), dry=True)

    assert (told, sessions) == (["already", "imported"], ["imported"])
    assert await dump(worker.store) == before


async def test_an_import_undoes_nothing_that_was_decided_here(worker: Worker) -> None:
    """Removed devices, signed out and disabled accounts, and everybody signed out."""
    await _admit(worker, "devices", device_line())
    (device,) = await _devices(worker)
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device['id']}")
    await worker.api("POST", "/v1/accounts/bob/revoke")
    await worker.store.redis.hset(keys.account(Account("eve")), "disabled", "1")

    outcomes = await _admit(
        worker,
        "sessions",
        session_line("ada", device="d1"),
        session_line("bob"),
        session_line("bob", "later", authenticated_at_ms=now_ms(), last_seen_ms=now_ms()),
        session_line("eve"),
    )

    assert outcomes == ["device_removed", "overtaken", "imported", "disabled"]
    assert await _admit(worker, "devices", device_line()) == ["device_removed"]
    assert await _devices(worker) == []


async def test_an_id_of_another_account_is_refused(worker: Worker) -> None:
    """Accounts that share a partition can name each other's ids; they get nothing by it."""
    jar = await worker.signed_in("ada")
    device = (await _devices(worker))[0]["id"]
    session = (await worker.verify(jar)).headers["x-latch-session"]
    twin = next(
        name
        for name in (f"u{number}" for number in range(10_000))
        if keys.partition_of(Account(name)) == keys.partition_of(Account("ada"))
    )

    assert await _admit(worker, "devices", device_line(twin, f"latchstring:{device}")) == ["other_account"]
    assert await _admit(worker, "sessions", session_line(twin, f"latchstring:{session}")) == ["other_account"]
    assert await _admit(worker, "sessions", session_line(twin, device=f"latchstring:{device}")) == ["other_account"]
    assert await _admit(worker, "sessions", session_line("ada", f"latchstring:{session}")) == ["already"]
    assert (await worker.verify(jar)).status_code == 200


async def test_an_imported_session_is_not_signed_in_before_its_cookie_is_handed_out(worker: Worker) -> None:
    """No token of counter 1 can be renewed while the family stands at 0; a forged guess at it is no reuse alarm."""
    own = new_id()
    await _admit(worker, "sessions", session_line(session=f"latchstring:{own}"))
    row = await worker.store.redis.hgetall(keys.session(keys.partition_of(Account("ada")), own))

    assert (row["n"], row["state"]) == ("0", "live")
    assert (await worker.verify(Jar({"__Host-session": own}))).status_code == 401


async def test_many_lines_of_one_account_and_of_many_keep_their_places(worker: Worker) -> None:
    """Outcomes stand where their lines stood, however they were sent."""
    lines = [device_line(f"u{number % 7}", f"d{number}") for number in range(400)]
    await _admit(worker, "devices", *lines[::2])

    outcomes = await _admit(worker, "devices", *lines)

    assert outcomes == ["already", "imported"] * 200
    assert len(await _devices(worker, "u0")) == len(lines[::7])

"""How long devices are kept, what makes room for one more, and what is left of one that was removed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.worker_app import AGENT, SESSION, Jar, Worker, running_worker, settings_for
from latchstring_gateway.ids import Account
from latchstring_gateway.revocation.give_back import give_back
from latchstring_gateway.revocation.revoke import SLICE
from latchstring_gateway.store import keys

_ADA = Account("ada@example.com")
_DAY_MS = 86_400_000


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker whose accounts may have three devices and three sessions."""
    chosen = settings_for(store_url, tmp_path, devices_per_account=3, sessions_per_account=3)
    async with running_worker(chosen) as running:
        yield running


async def _device(worker: Worker, jar: Jar) -> str:
    return (await worker.verify(jar)).headers["x-latch-device"]


def _row(device: str) -> str:
    return keys.device(keys.partition_of(_ADA), device)


async def _everything(worker: Worker) -> dict[str, str]:
    """Every key of the store with all that it holds, as text."""
    redis: Any = worker.store.redis
    found: dict[str, str] = {}
    read: dict[str, Any] = {
        "hash": redis.hgetall,
        "set": redis.smembers,
        "string": redis.get,
        "stream": redis.xrange,
        "zset": lambda key: redis.zrange(key, 0, -1),
    }
    for name in await redis.keys("*"):
        found[str(name)] = f"{name} {await read[await redis.type(name)](name)}"
    return found


async def test_a_device_is_forgotten_90_days_after_its_last_sign_in_could_be_good(worker: Worker) -> None:
    """Rows had no end: they lapse now, and with the last of them the list of the account."""
    jar = await worker.signed_in(_ADA)
    redis, device = worker.store.redis, await _device(worker, jar)
    left = [await redis.pttl(_row(device)), await redis.pttl(keys.devices(_ADA))]
    await redis.delete(_row(device))

    for ms in left:
        assert 119 * _DAY_MS < ms < 121 * _DAY_MS, "remembered for 30 days after this, and 90 more"
    assert (await worker.api("GET", f"/v1/accounts/{_ADA}/devices")).json()["devices"] == []
    assert await redis.exists(keys.devices(_ADA)) == 0


async def test_a_renewal_lengthens_a_device_and_a_short_sign_in_does_not_shorten_it(worker: Worker) -> None:
    """A row of an older release, which had no end, gets as long as any sign-in may last."""
    jar = await worker.signed_in(_ADA)
    redis, row = worker.store.redis, _row(await _device(worker, jar))
    await redis.persist(row)
    await worker.navigate(worker.run_out(jar))
    old = await redis.pttl(row)
    await redis.pexpire(row, 1_000_000)
    await worker.navigate(worker.run_out(jar))
    renewed = await redis.pttl(row)
    await worker.sign_in(_ADA, jar=jar, remember=False)

    assert old > 489 * _DAY_MS
    assert renewed > 119 * _DAY_MS
    assert await redis.pttl(row) > 119 * _DAY_MS


async def test_a_device_on_which_nobody_can_be_signed_in_makes_room(worker: Worker) -> None:
    """The one used longest ago goes, without asking anybody; those that may be signed in stay, and refuse a fourth."""
    jars = [await worker.signed_in(_ADA) for _ in range(3)]
    devices = [await _device(worker, jar) for jar in jars]
    full = await worker.sign_in(_ADA, jar=Jar())
    for number in (0, 1):
        await worker.store.redis.hset(_row(devices[number]), mapping={"good_until_ms": 1, "last_seen_ms": 2 - number})
    one_more = await worker.sign_in(_ADA, jar=Jar())
    listed = [row["id"] for row in (await worker.api("GET", f"/v1/accounts/{_ADA}/devices")).json()["devices"]]

    assert (full.status_code, one_more.status_code) == (409, 201)
    assert devices[1] not in listed
    assert {devices[0], devices[2]} < set(listed)


async def test_an_account_over_its_limit_was_refused_though_its_devices_lie_idle(worker: Worker) -> None:
    """After the limit was lowered: 409 without a choice; whoever counts the idle ones as gone finds room."""
    live = await _device(worker, await worker.signed_in(_ADA))
    idle = [f"{number:022d}" for number in range(4)]
    for number, device in enumerate(idle):
        row: dict[Any, Any] = {"account": _ADA, "state": "active", "good_until_ms": 1, "last_seen_ms": number}
        await worker.store.redis.hset(_row(device), mapping=row)
        await worker.store.redis.sadd(keys.devices(_ADA), device)

    answer = await worker.sign_in(_ADA, jar=Jar())
    listed = [row["id"] for row in (await worker.api("GET", f"/v1/accounts/{_ADA}/devices")).json()["devices"]]

    assert answer.status_code == 201
    assert set(listed) == {live, idle[3], answer.json()["device"]["id"]}


async def test_an_account_far_over_its_limit_could_not_choose_enough(worker: Worker) -> None:
    """248 had to be given up, and 200 were offered: an account from before there was a limit was locked out."""
    pipe = worker.store.redis.pipeline(transaction=False)
    ids = [f"{number:022d}" for number in range(250)]
    for number, device in enumerate(ids):
        row: dict[Any, Any] = {"account": _ADA, "state": "active", "name": "TV", "kind": "tv", "last_seen_ms": number}
        pipe.hset(_row(device), mapping=row)
    pipe.sadd(keys.devices(_ADA), *ids)
    await pipe.execute()

    refused = await worker.sign_in(_ADA, jar=Jar())
    told = refused.json()
    taken = await worker.sign_in(_ADA, jar=Jar(), give_up=ids[: told["surplus"]])

    assert (refused.status_code, told["surplus"], len(told["devices"])) == (409, 248, 250)
    assert taken.status_code == 201


async def test_giving_back_a_removal_locked_the_account_out(worker: Worker) -> None:
    """The row was marked and stayed in the account's list with its name: it counted, and could not be removed again."""
    jars = [await worker.signed_in(_ADA) for _ in range(3)]
    device = await _device(worker, jars[0])
    partition = keys.partition_of(_ADA)
    before: dict[str, Any] = {
        str(key): await worker.store.redis.dump(key) for key in (_row(device), keys.devices(_ADA))
    }
    await worker.api("DELETE", f"/v1/accounts/{_ADA}/devices/{device}")
    for key, dumped in before.items():
        await worker.store.redis.restore(key, 0, dumped, replace=True)
    await worker.store.redis.delete(keys.revocations(partition))
    await give_back(worker.store, worker.rooms.feed.replica, [partition])
    row: Any = await worker.store.redis.hgetall(_row(device))

    assert set(row) == {"account", "state", "removed_at_ms", "kind"}
    assert not await worker.store.redis.sismember(keys.devices(_ADA), device)
    assert (await worker.sign_in(_ADA, jar=Jar())).status_code == 201


async def test_the_limit_of_sessions_was_forgotten_when_the_newest_session_ended(worker: Worker) -> None:
    """The list lapsed with a session of 12 hours, though remembered ones go on for a year."""
    await worker.signed_in(_ADA)
    remembered = await worker.store.redis.pttl(keys.sessions(_ADA))
    await worker.sign_in(_ADA, jar=Jar(), remember=False)

    assert remembered > 300 * _DAY_MS
    assert await worker.store.redis.pttl(keys.sessions(_ADA)) > remembered - 60_000


@pytest.mark.parametrize("how", ["removed", "signed out", "everywhere", "over", "replaced", "one too many"])
async def test_a_trace_of_who_it_was_stayed_behind(worker: Worker, how: str) -> None:
    """Ended sessions kept account, network and kind; now the whole store says nothing but what privacy.md names."""
    browser = {"user_agent": AGENT, "address": "193.0.6.139"}
    jar = Jar()
    await worker.sign_in(_ADA, jar=jar, browser=browser)
    answer = await worker.verify(jar)
    device, session = answer.headers["x-latch-device"], answer.headers["x-latch-session"]
    row = keys.session(keys.partition_of(_ADA), session)
    if how == "removed":
        await worker.api("DELETE", f"/v1/accounts/{_ADA}/devices/{device}")
    elif how == "signed out":
        await worker.api("DELETE", f"/v1/accounts/{_ADA}/sessions/{session}")
    elif how == "everywhere":
        await worker.api("POST", f"/v1/accounts/{_ADA}/revoke")
    elif how == "replaced":
        again = await worker.sign_in(_ADA, jar=jar, browser={**browser, "cookie": jar.header()})
        assert again.status_code == 201
    elif how == "over":
        await worker.store.redis.hset(row, mapping={"absolute_ms": 1})
        await worker.navigate(worker.run_out(jar))
    else:
        for _ in range(3):
            await worker.sign_in(_ADA, browser={**browser, "cookie": Jar({**jar, SESSION: ""}).header()})
    held: Any = await worker.store.redis.hgetall(row)

    assert set(held) == {"state", "reason", "owner"}, how
    assert held["state"] == "ended"
    if how == "removed":
        left = await _everything(worker)
        named = ("outbox", "receipt:", "repeat:", "account:", "device:", "revocations")
        for name, text in left.items():
            if not any(word in name for word in named):
                assert all(trace not in text for trace in (_ADA, "193.0.6", "Firefox")), name
        tombstone = left[_row(device)]
        assert all(trace not in tombstone for trace in ("193.0.6", "Firefox", "Linux"))


async def test_a_removal_of_thousands_held_the_store(worker: Worker) -> None:
    """3,000 devices in one script were 0.5 s: each script revokes 50 at most, and the receipt is for all."""
    jar = await worker.signed_in(_ADA)
    here, redis, partition = await _device(worker, jar), worker.store.redis, keys.partition_of(_ADA)
    ids = [f"{number:022d}" for number in range(3 * SLICE + 7)]
    pipe = redis.pipeline(transaction=False)
    for one in ids:
        pipe.hset(keys.device(partition, one), mapping={"account": _ADA, "state": "active", "name": "TV", "kind": "tv"})
    pipe.sadd(keys.devices(_ADA), *ids)
    await pipe.execute()
    await redis.config_resetstat()
    receipt = await worker.api("POST", f"/v1/accounts/{_ADA}/devices/remove-others", {"keep": here})
    again = await worker.api("DELETE", f"/v1/accounts/{_ADA}/devices/{ids[0]}")
    outbox: Any = await redis.xrange(keys.outbox(partition))
    told = [fields for _, fields in outbox if fields["type"] == "device.removed"]
    stream: Any = await redis.xrange(keys.revocations(partition))
    entries = [fields["e"].split() for _, fields in stream]
    by_script: dict[str, int] = {}
    for words in entries:
        by_script[words[5]] = by_script.get(words[5], 0) + 1

    assert receipt.json()["status"] == "complete"
    assert again.json()["status"] == "complete", "and told nobody twice"
    assert len(told) == len(ids)
    assert sorted(by_script.values(), reverse=True)[:4] == [SLICE, SLICE, SLICE, 7]
    assert await redis.smembers(keys.devices(_ADA)) == {here}
    assert (await worker.verify(jar)).status_code == 200


async def test_a_device_with_thousands_of_sessions_held_the_store(store_url: str, tmp_path: Path) -> None:
    """Who signed in again and again with the device cookie alone: 6,000 sessions were 0.6 s of the store at a removal.

    A device has 50; the one used longest ago ends.
    """
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        first = await worker.signed_in(_ADA)
        device = await _device(worker, first)
        jars = [Jar({name: value for name, value in first.items() if name != SESSION}) for _ in range(52)]
        for jar in jars:
            assert (await worker.sign_in(_ADA, jar=jar)).status_code == 201
        fields: Any = await worker.store.redis.hkeys(_row(device))
        statuses = [(await worker.verify(jar)).status_code for jar in (first, *jars)]
        outbox: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(_ADA)))

        assert len([field for field in fields if field.startswith("s:")]) == 50
        assert statuses == [401, 401, 401] + [200] * 50
        assert len([row for _, row in outbox if "session_limit" in row["data"]]) == 3


async def test_the_list_is_read_in_pages(worker: Worker) -> None:
    """Every row of an account was read at once: 2,000 stalled the worker for 1.4 s."""
    redis, partition = worker.store.redis, keys.partition_of(_ADA)
    pipe = redis.pipeline(transaction=False)
    ids = [f"{number:022d}" for number in range(250)]
    for number, one in enumerate(ids):
        fields: dict[Any, Any] = {"account": _ADA, "state": "active", "name": "TV", "last_seen_ms": 1_000 + number}
        pipe.hset(keys.device(partition, one), mapping=fields)
    pipe.sadd(keys.devices(_ADA), *ids)
    await pipe.execute()
    base = f"/v1/accounts/{_ADA}/devices"
    first = (await worker.api("GET", base)).json()
    rest = (await worker.api("GET", f"{base}?after={first['next']}&limit=100")).json()
    page = [row["id"] for row in first["devices"] + rest["devices"]]

    assert (len(first["devices"]), page, rest["next"]) == (200, ids[::-1], None)
    for wrong in ("limit=0", "limit=1001", "limit=x", "after=x", "after=1.x", "limit=%D9%A3"):
        assert (await worker.api("GET", f"{base}?{wrong}")).status_code == 400, wrong


async def test_a_thief_elsewhere_did_not_show_on_the_owners_page(worker: Worker) -> None:
    """A device's place was that of its sign-in: it follows its use, and shows where else that was."""
    jar = Jar()
    await worker.sign_in(_ADA, jar=jar, browser={"user_agent": AGENT, "address": "193.0.6.139"})
    for address in ("203.0.113.9", "193.0.6.139", "198.51.100.4", "193.0.6.7"):
        await worker.navigate(worker.run_out(jar), **{"x-forwarded-for": address})
    (row,) = (await worker.api("GET", f"/v1/accounts/{_ADA}/devices")).json()["devices"]

    assert row["place"] == "193.0.6.0/24"
    assert [former["place"] for former in row["former_places"]] == ["198.51.100.0/24", "203.0.113.0/24"]

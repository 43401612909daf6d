"""A worker keeps its keys in step with its file and with the other workers."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import DEVICE, SESSION, Worker, running_worker, settings_for
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.errors import StoreRefused
from latchstring_gateway.settings import Settings
from latchstring_gateway.store import keys
from latchstring_gateway.tokens.codec import Reason, Refused
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.rotation import retire, rotate, rotate_if_due

pytestmark = pytest.mark.store


async def look(worker: Worker) -> None:
    """What its watch does once a second."""
    await worker.rooms.key_watch.follow()
    await worker.rooms.key_watch.agree()


async def in_use_by(worker: Worker) -> str:
    """The key that signs a sign-in there."""
    await look(worker)
    return (await worker.signed_in())[SESSION].split(".")[1]


async def wait_signing(worker: Worker, key_id: str) -> None:
    """Return when a sign-in there is signed by this key."""

    async def signs() -> bool:
        return await in_use_by(worker) == key_id

    await wait_until_async(signs, "the newer key to sign")


def keep(path: Path, *keys: RingKey) -> None:
    """Put a key file in place."""
    fresh = path.with_suffix(".new")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.touch(0o600)
    fresh.write_text(dump(keys))
    fresh.replace(path)


def hosts(store_url: str, tmp_path: Path, **changes: float) -> tuple[Settings, Settings, RingKey, RingKey]:
    """Settings of two hosts, the second still without the newer of two keys."""
    now_ms = SystemClock().wall_ms()
    old, fresh = new_key(now_ms - 1, not_before_ms=0), new_key(now_ms, not_before_ms=0)
    first, second = (settings_for(store_url, tmp_path / name, **changes) for name in "ab")
    keep(first.keys_path, old, fresh)
    keep(second.keys_path, old)
    return first, second, old, fresh


async def test_a_worker_behind_is_not_ready_and_refuses_nobody(store_url: str, tmp_path: Path) -> None:
    """Started with an old file while a newer key is in use: 503, never 401 or a redirect, until the file is there."""
    first_settings, second_settings, old, fresh = hosts(store_url, tmp_path)
    async with running_worker(first_settings) as first:
        await wait_signing(first, fresh.id)
        jar = await first.signed_in()
        async with running_worker(second_settings, service_key=first.service_key) as second:
            behind = await second.client.get("/health/ready")
            answers = [await second.navigate(jar), await second.verify(jar)]
            # It comes back to the key that all know while one is behind.
            meanwhile = await in_use_by(first)
            stranger = await second.navigate({SESSION: jar[SESSION].replace(fresh.id, "nobody")})
            keep(second_settings.keys_path, old, fresh)
            await look(second)
            after = await second.client.get("/health/ready")
            accepted = await second.verify(jar)

    assert (behind.status_code, behind.json()["wrong"]) == (503, ["keys"])
    assert [(one.status_code, one.headers.get("set-cookie")) for one in answers] == [(503, None)] * 2
    assert meanwhile == old.id
    assert stranger.status_code == 303
    assert (after.status_code, accepted.status_code) == (200, 200)


async def test_a_key_signs_only_after_the_lead(store_url: str, tmp_path: Path) -> None:
    """Published at once, so that websites' copies of the JWKS have it before they see a passport of it."""
    first_settings, _, old, fresh = hosts(store_url, tmp_path, key_lead_seconds=0.5)
    async with running_worker(first_settings) as worker:
        published = (await worker.client.get("/.well-known/jwks.json")).json()
        early = await in_use_by(worker)
        await wait_signing(worker, fresh.id)

    assert {key["kid"] for key in published["keys"]} == {old.id, fresh.id}
    assert early == old.id


async def test_a_worker_that_has_heard_nobody_signs_with_the_oldest_key(tmp_path: Path) -> None:
    """Just started, the store away: another worker may not have the newer key yet."""
    first_settings, _, old, _ = hosts("redis://127.0.0.1:1", tmp_path)
    async with running_worker(first_settings, wait=False) as worker:
        await look(worker)

        assert worker.rooms.ring.signing_key().id == old.id


@pytest.mark.parametrize("fault", ["garbage", "empty", "gone", "open to all", "half"])
async def test_a_file_that_breaks_is_told_and_harms_nobody(store_url: str, tmp_path: Path, fault: str) -> None:
    """The keys in memory serve on; readiness warns, the metric falls, and the repair is noticed."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        path = worker.rooms.settings.keys_path
        jar, good = await worker.signed_in(), path.read_bytes()
        _break(path, fault)
        await look(worker)
        worker.rooms.key_watch.tell()
        usable = REGISTRY.get_sample_value("latchstring_key_file_usable")
        broken = await worker.client.get("/health/ready")
        served = [(await worker.verify(jar)).status_code, (await worker.sign_in()).status_code]
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_bytes(good)
        await look(worker)
        worker.rooms.key_watch.tell()
        repaired = await worker.client.get("/health/ready")

    assert (broken.status_code, broken.json()) == (200, {"ready": True, "wrong": [], "warnings": ["key_file"]})
    assert (usable, served) == (0, [200, 201])
    assert repaired.json()["warnings"] == []
    assert REGISTRY.get_sample_value("latchstring_key_file_usable") == 1


async def test_a_key_retired_after_a_bad_character_was_repaired_is_dropped(store_url: str, tmp_path: Path) -> None:
    """One bad base64 character ended the task that watches the file, in silence: retired keys stayed accepted.

    Meanwhile readiness warns.
    """
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        path, client = worker.rooms.settings.keys_path, worker.client
        jar = await worker.signed_in()
        first = worker.rooms.ring.signing_key()
        good = path.read_text()

        async def warns(of: list[str]) -> bool:
            return bool((await client.get("/health/ready")).json()["warnings"] == of)

        _replace(path, re.sub(r'("secret": ").', r"\1!", good))
        await wait_until_async(lambda: warns(["key_file"]), "readiness to warn")
        keep(path, first, new_key(first.created_at_ms + 1, not_before_ms=0))
        await wait_until_async(lambda: warns([]), "the repair to be noticed")
        retire(path, first.id, worker.rooms.clock)

        async def is_refused() -> bool:
            return (await worker.verify(jar)).status_code == 401

        await wait_until_async(is_refused, "the retired key to be dropped")


def _replace(path: Path, text: str) -> None:
    made = path.with_name("made")
    made.touch(0o600)
    made.write_text(text)
    made.replace(path)


def _break(path: Path, fault: str) -> None:
    if fault == "gone":
        path.unlink()
    elif fault == "open to all":
        path.chmod(0o640)
    else:
        text = path.read_bytes()
        path.write_bytes({"garbage": b"\x00\xff", "empty": b"", "half": text[: len(text) // 2]}[fault])


async def test_a_retired_key_is_dropped_also_while_the_store_hangs(
    own_valkey: Callable[[], Valkey], tmp_path: Path
) -> None:
    """Within 2 s of the file being in place, and every lease verified before with it."""
    valkey = own_valkey()
    async with running_worker(settings_for(valkey.url, tmp_path)) as worker:
        path = worker.rooms.settings.keys_path
        jar = await worker.signed_in()
        assert (await worker.verify(jar)).status_code == 200
        old = worker.rooms.ring.signing_key()
        valkey.freeze()
        try:
            rotate(path, SystemClock(), ahead_seconds=0)
            retire(path, old.id, SystemClock())
            leases, token = worker.rooms.leases, jar[SESSION].encode()
            await wait_until_async(lambda: not leases.by_line, "the verified leases to be dropped")
            assert leases.find(token) == Refused(Reason.RETIRED_KEY)
            assert (await worker.verify(jar)).status_code == 401
        finally:
            valkey.thaw()


async def test_an_agreement_that_the_store_refuses_is_no_outage(store_url: str, tmp_path: Path) -> None:
    """An error of the script was taken for a store that is away: no key could be agreed on, and nothing said so."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        await worker.store.redis.set(keys.KEY_KNOWERS, "no hash")
        await worker.store.redis.hincrby(keys.DEPLOYMENT, "registry_version", 1)
        await worker.rooms.feed.refresh()

        with pytest.raises(StoreRefused):
            await worker.rooms.key_watch.agree()


async def test_ages_are_told(store_url: str, tmp_path: Path) -> None:
    """Of the key that signs, and of the oldest that still verifies."""
    now_ms = SystemClock().wall_ms()
    keys = [
        RingKey("gone01", KeyState.RETIRED, now_ms - 9_000_000, 0, b"g" * 32),
        RingKey("old001", KeyState.VERIFY_ONLY, now_ms - 5_000_000, 0, b"o" * 32),
        RingKey("new001", KeyState.ACTIVE, now_ms - 1_000_000, 0, b"n" * 32),
    ]
    settings = settings_for(store_url, tmp_path)
    keep(settings.keys_path, *keys)
    async with running_worker(settings) as worker:
        worker.rooms.key_watch.tell()

    ages = [REGISTRY.get_sample_value("latchstring_key_age_seconds", {"key": name}) for name in ("signing", "oldest")]
    assert ages == [pytest.approx(1_000, abs=30), pytest.approx(5_000, abs=30)]


async def test_the_schedule_rotates_once_however_many_workers_there_are(store_url: str, tmp_path: Path) -> None:
    """The signing key is a day old and may be half a day: two workers on one file make one new key, and use it."""
    settings = settings_for(store_url, tmp_path, key_rotate_days=0.5)
    old = new_key(SystemClock().wall_ms() - 86_400_000, not_before_ms=0)
    keep(settings.keys_path, old)
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(running_worker(settings)) for _ in range(2)]

        async def use_the_new_key() -> bool:
            return (
                {await in_use_by(worker) for worker in workers}
                == {KeyRing.load(settings.keys_path, SystemClock()).all_keys()[-1].id}
                != {old.id}
            )

        await wait_until_async(use_the_new_key, "both to sign with the new key")
        for worker in workers * 3:
            await look(worker)
        keys = KeyRing.load(settings.keys_path, SystemClock()).all_keys()

    assert len(keys) == 2


async def test_a_rotation_that_fails_is_logged_and_not_repeated_at_once(
    store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file turned bad under the schedule: signing goes on with the old key, and the log gets one line, not many."""
    settings = settings_for(store_url, tmp_path, key_rotate_days=0.5)
    keep(settings.keys_path, new_key(SystemClock().wall_ms(), not_before_ms=0))
    async with running_worker(settings) as worker:
        watch = worker.rooms.key_watch
        settings.keys_path.write_text("{")
        watch._clock = ManualClock(wall_ms=SystemClock().wall_ms() + 86_400_000)
        for _ in range(3):
            await watch.agree()
        assert (await worker.sign_in()).status_code == 201

    assert capsys.readouterr().out.count("key_rotation_failed") == 1


async def test_a_rotation_is_due_by_the_newest_active_key(tmp_path: Path) -> None:
    """Judged under the lock, so whoever comes second finds it done; by a clock, to the millisecond."""
    clock = ManualClock()
    path = tmp_path / "keys.json"
    keep(path, new_key(clock.wall_ms(), not_before_ms=0))
    clock.advance(99)
    early = rotate_if_due(path, clock, rotate_seconds=100)
    clock.advance(1)

    made = [rotate_if_due(path, clock, rotate_seconds=100) for _ in range(2)]

    assert early is None
    assert made[0] is not None
    assert made[1] is None


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker on the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


async def test_the_device_cookie_is_known_after_a_rotation(worker: Worker) -> None:
    """The browser keeps its device: the cookie's key still verifies."""
    jar = await worker.signed_in()
    old = jar[DEVICE].split(".")[1]
    rotate(worker.rooms.settings.keys_path, SystemClock(), ahead_seconds=0)

    async def uses_the_new_key() -> bool:
        return await in_use_by(worker) != old

    await wait_until_async(uses_the_new_key, "the new key to sign")
    again = await worker.sign_in(jar=jar)

    assert again.json()["device"]["new"] is False
    assert jar[DEVICE].split(".")[1] != old

"""Who leans on which key: counted in a real store, with a few too many and never too few."""

import pytest

from harness.waiting import wait_until_async
from harness.worker_app import SESSION, Worker, now_ms
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.ids import to_text
from latchstring_gateway.sessions.key_census import UNNOTED, KeyCensus, take_census
from latchstring_gateway.store import keys
from latchstring_gateway.tokens.rotation import rotate

pytestmark = pytest.mark.store


async def census_of(worker: Worker, at_ms: int | None = None) -> KeyCensus:
    """A census now, or as it would be at another time."""
    return await take_census(worker.store, now_ms=at_ms or now_ms(), progress=lambda *_: None)


async def rotated(worker: Worker) -> tuple[str, str]:
    """The ids of the key before and after a rotation that is in use."""
    old = worker.rooms.ring.signing_key().id
    fresh = rotate(worker.rooms.settings.keys_path, SystemClock(), ahead_seconds=0).id

    async def in_use() -> bool:
        await worker.rooms.key_watch.follow()
        await worker.rooms.key_watch.agree()
        return worker.rooms.ring.signing_key().id == fresh

    await wait_until_async(in_use, "the new key to be in use")
    return old, fresh


async def test_a_session_counts_for_the_key_its_browser_last_showed(worker: Worker) -> None:
    """Not for the one it is handed at that moment, for the answer may be lost: only from the next renewal on."""
    jar = await worker.signed_in()
    due = worker.run_out(jar)
    old, fresh = await rotated(worker)

    handed_over = await worker.navigate(due)
    after_the_first = await census_of(worker)
    jar.take(handed_over.headers.get_list("set-cookie"))
    shown = await worker.navigate(worker.run_out(jar))
    after_the_second = await census_of(worker)

    assert [due[SESSION].split(".")[1], jar[SESSION].split(".")[1]] == [old, fresh]
    assert (handed_over.status_code, shown.status_code) == (200, 200)
    assert dict(after_the_first.sessions) == {old: 1}
    assert dict(after_the_second.sessions) == {fresh: 1}


async def test_only_what_still_lives_counts(worker: Worker) -> None:
    """Signed out, removed, out everywhere, disabled, or past its limits: nobody is cut off who is not signed in."""
    key = worker.rooms.ring.signing_key().id
    await worker.signed_in("stays")
    await worker.signed_in("short", remember=False)
    out, removed = [worker.lease(await worker.signed_in(account)) for account in ("out", "removed")]
    for account in ("everywhere", "disabled"):
        await worker.signed_in(account)
    for method, url in (
        ("DELETE", f"/v1/accounts/out/sessions/{to_text(out.session)}"),
        ("DELETE", f"/v1/accounts/removed/devices/{to_text(removed.device)}"),
        ("POST", "/v1/accounts/everywhere/revoke"),
        ("POST", "/v1/accounts/disabled/disable"),
    ):
        assert (await worker.api(method, url)).status_code == 200, url

    census = await census_of(worker)
    tomorrow = await census_of(worker, now_ms() + 86_400_000)

    assert (dict(census.sessions), dict(census.remembered)) == ({key: 2}, {key: 1})
    assert dict(tomorrow.sessions) == {key: 1}
    assert dict(census.devices) == {key: 5}


async def test_signing_everybody_out_leaves_nobody_to_cut_off(worker: Worker) -> None:
    """It is one figure in each partition, and no session's record says so."""
    await worker.signed_in("ada")
    await worker.signed_in("bob")
    assert (await worker.api("POST", "/v1/revoke-everybody")).status_code == 200

    assert (await census_of(worker)).sessions.total() == 0


async def test_a_session_from_before_keys_were_noted_counts_apart(worker: Worker) -> None:
    """It is told, not guessed."""
    await worker.signed_in()
    async for name in worker.store.redis.scan_iter("*:session:*"):
        await worker.store.redis.hdel(str(name), "key")

    assert dict((await census_of(worker)).sessions) == {UNNOTED: 1}


async def test_account_names_that_look_like_keys_of_the_store_mislead_nobody(worker: Worker) -> None:
    """An account may have colons in its name."""
    for account in ("a:session:b", "device:x", "x:device:"):
        await worker.signed_in(account)

    census = await census_of(worker)

    assert (census.sessions.total(), census.devices.total()) == (3, 3)


async def test_progress_ends_at_the_whole(worker: Worker) -> None:
    """For the bar that people see."""
    await worker.signed_in()
    seen: list[tuple[int, int]] = []

    await take_census(worker.store, now_ms=now_ms(), progress=lambda done, total: seen.append((done, total)))

    assert seen[-1][0] == seen[-1][1] > 0


async def test_somebody_elses_keys_in_the_store_stop_no_census(worker: Worker) -> None:
    """A key without a colon ended `keys retire --dry-run` in a traceback, as did one of another type."""
    key = worker.rooms.ring.signing_key().id
    await worker.signed_in()
    tag = keys.prefix(7)
    for name in (b"nocolon", b"\xff\xfe", b"{zzz}:device:x", tag.encode() + b"device:\xff"):
        await worker.store.redis.set(name, "a string")
    for kind in ("session", "device"):
        await worker.store.redis.set(f"{tag}{kind}:string", "x")
        await worker.store.redis.hset(f"{tag}{kind}:foreign", mapping={"a": "b"})
    await worker.store.redis.hset(f"{tag}session:lacking", mapping={"state": "live"})

    census = await census_of(worker)

    assert (dict(census.sessions), dict(census.devices), census.unreadable) == ({key: 1}, {key: 1}, 3)

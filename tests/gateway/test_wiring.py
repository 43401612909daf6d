"""One worker put together: its keys follow the file, and it signs only with what every worker knows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.waiting import wait_until_async
from harness.worker_app import SESSION, Worker, running_worker, settings_for
from latchstring_gateway import wiring
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.revocation import registry
from latchstring_gateway.running import Running
from latchstring_gateway.tokens.keyfile import dump, new_key
from latchstring_gateway.tokens.keyring import KeyFileError, create_key_file


@pytest.fixture
async def workers(store_url: str, tmp_path: Path) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two workers with one key file each, at first the same."""
    async with running_worker(settings_for(store_url, tmp_path / "a")) as first:
        copy = tmp_path / "keys.json"
        copy.touch(0o600)
        copy.write_bytes(first.rooms.settings.keys_path.read_bytes())
        async with running_worker(settings_for(store_url, tmp_path / "b", keys_file=copy)) as second:
            yield first, second


async def look(worker: Worker) -> None:
    """What its watch does once a second."""
    await worker.rooms.key_watch.follow()
    await worker.rooms.key_watch.agree()


def test_without_a_key_file_nothing_is_built(tmp_path: Path) -> None:
    """The mistake is told at start, with its remedy."""
    with pytest.raises(KeyFileError, match="latchstring keys init"):
        wiring.build(settings_for("redis://127.0.0.1:1", tmp_path))


async def test_a_new_key_signs_only_when_every_worker_knows_it(workers: tuple[Worker, Worker]) -> None:
    """A cookie signed too early would be refused by the worker that has not read the file yet."""
    first, second = workers
    old = first.rooms.ring.all_keys()[0]
    fresh = new_key(SystemClock().wall_ms(), not_before_ms=0)
    first.rooms.settings.keys_path.write_text(dump([old, fresh]))
    await look(first)
    for worker in workers:
        await look(worker)

    early = (await first.signed_in())[SESSION]
    second.rooms.settings.keys_path.write_text(dump([old, fresh]))

    async def told() -> bool:
        for worker in workers:
            await look(worker)
        return all(fresh.id in one.row.keys for one in await registry.read(first.store))

    await wait_until_async(told, "both to say that they know the key")

    async def heard() -> bool:
        # By the next heartbeat, which says that the registry has changed.
        for worker in workers:
            await look(worker)
        return all(worker.rooms.ring.signing_key().id == fresh.id for worker in workers)

    await wait_until_async(heard, "both to sign with it")
    late = await first.signed_in()

    assert early.split(".")[1] == old.id
    assert late[SESSION].split(".")[1] == fresh.id
    assert (await second.verify(late)).status_code == 200


async def test_what_one_worker_revokes_the_other_refuses(workers: tuple[Worker, Worker]) -> None:
    """The receipt counts both, and after it neither accepts."""
    first, second = workers
    second.service_key = first.service_key
    jar = await first.signed_in()
    assert (await second.verify(jar)).status_code == 200

    receipt = (await second.api("POST", "/v1/accounts/ada/revoke")).json()

    assert (receipt["status"], receipt["applied"], receipt["workers"]) == ("complete", 2, 2)
    assert [(await worker.verify(jar)).status_code for worker in workers] == [401, 401]


async def test_a_broken_key_file_leaves_the_keys_in_memory(workers: tuple[Worker, Worker]) -> None:
    """Somebody's editor has saved half of it: sign-ins and checks go on."""
    first, _ = workers
    jar = await first.signed_in()
    first.rooms.settings.keys_path.write_text("{")
    await look(first)

    assert first.rooms.ring.problem is not None
    assert (await first.verify(jar)).status_code == 200
    assert (await first.sign_in()).status_code == 201


async def test_a_worker_listens_only_when_it_can_judge(store_url: str, tmp_path: Path) -> None:
    """Workers share their listening socket: one that had not loaded answered 503 while its neighbours were well."""
    settings = settings_for(store_url, tmp_path)
    create_key_file(settings.keys_path)
    rooms = wiring.build(settings)

    async with Running(rooms):
        assert rooms.feed.loaded
        assert rooms.feed.holds()


async def test_a_worker_that_finds_no_store_starts_all_the_same(tmp_path: Path) -> None:
    """Hits are taken, and checks answered 503, also when worker and store were restarted together."""
    settings = settings_for("redis://127.0.0.1:1", tmp_path)
    create_key_file(settings.keys_path)
    rooms = wiring.build(settings)

    async with Running(rooms):
        assert rooms.feed.store_away

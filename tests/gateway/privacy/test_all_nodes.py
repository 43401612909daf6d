"""An erasure that one node was asked for is carried out on all: those that run, and those that come back later."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from harness.people import PSEUDONYMS
from harness.waiting import wait_until_async
from harness.worker_app import running_worker, settings_for
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.ids import new_id
from latchstring_gateway.privacy.all_nodes import AllNodes
from latchstring_gateway.shipping.erasures import Erased, Erasure, Erasures, subjects
from latchstring_gateway.shipping.pseudonyms import FILE
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

_SECRET = "ada-7f3a9c"


def _asked(at_ms: int) -> Erasure:
    return Erasure(id=new_id(), requested_at_ms=at_ms, subjects=subjects(PSEUDONYMS, users=[_SECRET]))


async def test_every_node_hears_of_it(store_url: str, tmp_path: Path) -> None:
    """Asked at one worker, it is on the other node's disk within seconds; no name is in the store."""
    one, two = tmp_path / "one", tmp_path / "two"
    two.mkdir(parents=True)
    elsewhere = Erasures(two / "warehouse")
    async with running_worker(settings_for(store_url, one)) as first:
        (two / "keys.json").write_bytes((one / "keys.json").read_bytes())
        (two / "keys.json").chmod(0o600)
        (two / FILE).write_bytes((one / FILE).read_bytes())
        async with running_worker(settings_for(store_url, two)):
            asked = await first.api("POST", "/v1/erasures", {"users": [_SECRET]})
            await wait_until_async(elsewhere.ids, "the other node to hear of it")

        found = elsewhere.read(asked.json()["id"])
        assert found is not None
        assert (found.state, found.segments) == ("waiting", None)
        told = await first.store.redis.zrange(keys.ERASURES, 0, -1)
        assert _SECRET not in str(told)


async def test_a_node_that_was_away_hears_of_it_when_it_starts(store_url: str, tmp_path: Path) -> None:
    """However long ago it was, within the time the store keeps it; what it knows already stays as it is."""
    now_ms = SystemClock().wall_ms()
    store = Store(store_url)
    erasures = Erasures(tmp_path)
    before, after = _asked(now_ms - 300 * 86_400_000), _asked(now_ms)
    try:
        for erasure in (before, after):
            await AllNodes(store, Erasures(tmp_path / "other")).tell(erasure)
        done = Erasure(id=after.id, requested_at_ms=now_ms, subjects=after.subjects, state="complete")
        erasures.write(done)
        node = AllNodes(store, erasures)
        await node.take_in()
        await node.take_in()
    finally:
        await store.close()

    assert set(erasures.ids()) == {before.id, after.id}
    assert erasures.read(after.id) == done
    erased = Erased(erasures)
    erased.follow()
    assert erased.has("user", PSEUDONYMS.of("user", _SECRET.encode()), now_ms)


async def test_the_store_keeps_it_for_400_days(store_url: str) -> None:
    """Then nobody's data are that old."""
    now_ms = SystemClock().wall_ms()
    store = Store(store_url)
    try:
        await store.redis.zadd(keys.ERASURES, {"old": now_ms - 401 * 86_400_000})
        await AllNodes(store, Erasures(Path("unused"))).tell(_asked(now_ms))
        kept = await store.redis.zcard(keys.ERASURES)
    finally:
        await store.close()

    assert kept == 1


async def test_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    """Whoever asks has to repeat it: other nodes may not know."""
    store = Store(f"unix://{tmp_path}/nothing.sock")
    try:
        with pytest.raises(StoreAway):
            await AllNodes(store, Erasures(tmp_path)).tell(_asked(0))
    finally:
        await store.close()


async def test_an_entry_that_cannot_be_read_holds_up_no_other(store_url: str, tmp_path: Path) -> None:
    """One erasure that nobody can read kept every later one from being heard of on this node."""
    now_ms = SystemClock().wall_ms()
    store, erasures, after = Store(store_url), Erasures(tmp_path), _asked(now_ms)
    try:
        await store.redis.zadd(keys.ERASURES, {'{"id": 7}': now_ms - 1_000})
        await AllNodes(store, Erasures(tmp_path / "other")).tell(after)
        node = AllNodes(store, erasures)
        with capture_logs() as lines:
            await node.take_in()
            await node.take_in()
    finally:
        await store.close()

    assert list(erasures.ids()) == [after.id]
    assert [line["event"] for line in lines] == ["erasure_unreadable"]


async def test_an_erasure_that_is_repeated_after_an_outage_reaches_every_node(store_url: str, tmp_path: Path) -> None:
    """The store was away when it was asked for, so nobody else heard of it. Repeated an hour later it kept its time,
    and nodes that had since heard of a later one never looked back as far.
    """
    now_ms = SystemClock().wall_ms()
    store = Store(store_url)
    first, node = Erasures(tmp_path / "first"), Erasures(tmp_path / "node")
    follower, teller = AllNodes(store, node), AllNodes(store, first)
    lost, later = _asked(now_ms - 3_600_000), _asked(now_ms)
    try:
        first.write(lost)
        await teller.tell(later)
        await follower.take_in()
        repeated = first.ask(lost.id, lost.subjects, requested_at_ms=now_ms + 5_000)
        await teller.tell(repeated)
        await follower.take_in()
        assert node.read(lost.id) == repeated

        node.write(Erasure(id=lost.id, requested_at_ms=now_ms + 5_000, subjects=lost.subjects, state="complete"))
        again = first.ask(lost.id, lost.subjects, requested_at_ms=now_ms + 9_000)
        await teller.tell(again)
        await follower.take_in()
    finally:
        await store.close()

    assert node.read(lost.id) == again
    assert again.state == "waiting"

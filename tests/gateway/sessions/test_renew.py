"""The rotating credential against the real script: who is renewed, who is a thief, and who must never be taken for one.

Scripts take the store's own time, so the tests move the instants in the records instead of a clock.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import RUN, SESSION, Jar, Worker, now_ms, running_worker, set_cookies, settings_for
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.ids import Account, to_text
from latchstring_gateway.sessions.leases import OpenLease
from latchstring_gateway.sessions.renew import _RENEW, Over, Renewals
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

ADA = Account("ada")
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000


@dataclass
class Visitor:
    """A browser that signed in, and the records behind it."""

    worker: Worker
    jar: Jar

    @property
    def session_key(self) -> str:
        """The session's record."""
        return keys.session(keys.partition_of(ADA), self._ids[0])

    @property
    def device_key(self) -> str:
        """The device's row."""
        return keys.device(keys.partition_of(ADA), self._ids[1])

    @property
    def _ids(self) -> tuple[str, str]:
        lease = self.worker.lease(self.jar)
        return to_text(lease.session), to_text(lease.device)

    async def record(self) -> dict[str, str]:
        """The session's record."""
        return await self.worker.store.redis.hgetall(self.session_key)  # type: ignore[return-value]

    async def set(self, **fields: object) -> None:
        """Change the session's record."""
        await self.worker.store.redis.hset(self.session_key, mapping={k: str(v) for k, v in fields.items()})

    async def age(self, ms: int) -> None:
        """Let the last rotation lie `ms` further back."""
        await self.worker.store.redis.hincrby(self.session_key, "n_issued_at_ms", -ms)

    def run_out(self, jar: Jar | None = None, **changes: Any) -> Jar:
        """The jar as it is when its lease has run out."""
        old = self.jar if jar is None else jar
        lease = self.worker.lease(old)
        gone = replace(lease, issued_at_ms=lease.issued_at_ms - 301_000, lease_end_ms=lease.issued_at_ms - 1_000)
        return Jar({**old, SESSION: self.worker.seal(replace(gone, **changes))})

    async def renew(self, jar: Jar | None = None, **headers: str) -> tuple[int, Jar]:
        """Present a run-out lease on a navigation; the status, and the jar after its answer."""
        presented = self.run_out(jar)
        answer = await self.worker.navigate(presented, **headers)
        after = Jar(presented)
        after.take(set_cookies(answer))
        return answer.status_code, after

    def n(self, jar: Jar) -> int:
        """The counter in a jar."""
        return self.worker.lease(jar).n


@pytest.fixture
async def visitor(worker: Worker) -> Visitor:
    """A remembered browser."""
    return Visitor(worker, await worker.signed_in())


async def _events(worker: Worker, kind: str) -> list[dict[str, str]]:
    entries: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(ADA)))
    return [fields for _position, fields in entries if fields["type"] == kind]


async def test_the_current_token_is_renewed_with_the_same_counter(visitor: Visitor) -> None:
    """A lease that has run out costs one trip and comes back as a new lease of the same credential."""
    status, after = await visitor.renew()

    assert (status, visitor.n(after)) == (200, 1)
    renewed = visitor.worker.lease(after)
    assert abs(renewed.issued_at_ms - now_ms()) < 5_000
    assert 270_000 <= renewed.lease_end_ms - renewed.issued_at_ms <= 300_000, "cut by up to a tenth"


async def test_the_counter_advances_once_a_day_and_only_then(visitor: Visitor) -> None:
    """A day after its issue n becomes n+1; the renewal right after keeps n+1."""
    await visitor.age(_DAY_MS - _MINUTE_MS)
    _, early = await visitor.renew()
    await visitor.age(_MINUTE_MS)
    _, due = await visitor.renew(early)
    _, again = await visitor.renew(due)

    assert [visitor.n(jar) for jar in (early, due, again)] == [1, 2, 2]


@pytest.mark.parametrize(
    ("headers", "rides"),
    [
        ({"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}, False),
        ({"range": "bytes=0-"}, False),
        ({"x-forwarded-method": "DELETE"}, False),
        ({"x-forwarded-method": "POST", "x-latch-content-length": "100000"}, False),
        ({"x-forwarded-method": "POST", "x-latch-content-length": "100"}, True),
    ],
)
async def test_the_counter_never_advances_where_the_answer_may_not_carry_it(
    visitor: Visitor, headers: dict[str, str], rides: bool
) -> None:
    """A sub-resource or a write is let in on the same counter, however due the next one is."""
    await visitor.age(2 * _DAY_MS)

    status, after = await visitor.renew(None, **headers)

    assert (status, visitor.n(after), (await visitor.record())["n"]) == (200, 1, "1")
    assert (after[SESSION] != visitor.run_out()[SESSION]) is rides


async def test_a_lost_answer_gets_the_same_successor_again(visitor: Visitor) -> None:
    """The answer with n+1 never arrived: n gets the same n+1 again, as often as it takes, and nobody is a thief."""
    await visitor.age(_DAY_MS)
    await visitor.renew()

    counters = [visitor.n((await visitor.renew())[1]) for _ in range(3)]
    await visitor.age(_DAY_MS // 2)  # hours later, still unused
    counters.append(visitor.n((await visitor.renew())[1]))

    assert counters == [2] * 4
    assert (await visitor.record())["replays"] == "4"
    assert await _events(visitor.worker, "credential.reuse") == []


async def test_within_grace_the_former_token_is_taken_although_its_successor_is_in_use(visitor: Visitor) -> None:
    """A request that was under way during the rotation is answered, not punished."""
    await visitor.age(_DAY_MS)
    _, successor = await visitor.renew()
    await visitor.age(10 * _MINUTE_MS)
    await visitor.renew(successor)
    assert (await visitor.record())["n_used"] == "1"

    status, late = await visitor.renew()

    assert (status, visitor.n(late)) == (200, 2)


async def test_a_successor_counts_as_used_only_two_minutes_after_its_issue(visitor: Visitor) -> None:
    """A browser may crash before it writes its cookies down; until then its former token is still its only one."""
    await visitor.age(_DAY_MS)
    _, successor = await visitor.renew()
    await visitor.age(119_000)
    await visitor.renew(successor)
    assert (await visitor.record())["n_used"] == "0"
    await visitor.age(2_000)
    await visitor.renew(successor)

    assert (await visitor.record())["n_used"] == "1"


async def test_a_token_that_was_superseded_and_whose_successor_is_in_use_ends_this_sign_in_alone(
    visitor: Visitor,
) -> None:
    """The copy and the owner's own cookie are worthless; his other devices stay, and he is told."""
    worker = visitor.worker
    other = await worker.signed_in()
    stolen = visitor.jar
    await visitor.age(_DAY_MS)
    _, owner = await visitor.renew()
    await visitor.age(16 * _MINUTE_MS)
    _, owner = await visitor.renew(owner)

    status, _ = await visitor.renew(stolen)

    assert status == 303

    async def refused() -> bool:
        # Both leases still run; the revocation reaches them by the bell.
        return {(await worker.verify(jar)).status_code for jar in (stolen, owner)} == {401}

    await wait_until_async(refused, "the copy and the owner's own lease to be refused")
    assert (await worker.verify(other)).status_code == 200
    assert (await visitor.record())["reason"] == "reuse"
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    marked = [device["id"] for device in devices if device["reuse_at_ms"]]
    assert marked == [visitor.device_key.rpartition(":")[2]]
    (event,) = await _events(worker, "credential.reuse")
    assert json.loads(event["data"]) == {
        "session": visitor.session_key.rpartition(":")[2],
        "device": marked[0],
        "presented": 1,
        "current": 2,
    }
    stream: Any = await worker.store.redis.xrange(keys.revocations(keys.partition_of(ADA)))
    assert " session " in stream[-1][1]["e"]


async def test_reuse_is_told_once_a_sign_in(visitor: Visitor) -> None:
    """An old disk image that keeps knocking makes one alarm."""
    await visitor.age(_DAY_MS)
    _, owner = await visitor.renew()
    await visitor.set(n=5)
    for _ in range(3):
        assert (await visitor.renew(owner))[0] == 303

    assert len(await _events(visitor.worker, "credential.reuse")) == 1


async def test_a_token_two_behind_is_reuse_even_in_grace(visitor: Visitor) -> None:
    """No browser that lost one answer is two counters behind."""
    await visitor.age(_DAY_MS)
    _, second = await visitor.renew()
    await visitor.age(_DAY_MS)
    _, third = await visitor.renew(second)
    assert visitor.n(third) == 3

    assert (await visitor.renew())[0] == 303
    assert (await visitor.record())["reason"] == "reuse"


async def test_a_store_that_lost_its_last_second_adopts_what_it_forgot(visitor: Visitor) -> None:
    """The rotation was answered, then a fail-over lost it: n+1 is signed, so it is right, and nobody is a thief."""
    lease = visitor.worker.lease(visitor.jar)
    stamp = await _new_epoch(visitor.worker)
    ahead = visitor.run_out()
    ahead[SESSION] = visitor.worker.seal(
        replace(lease, n=2, issued_at_ms=stamp - 4_000, lease_end_ms=stamp - 1, fresh_until_ms=stamp + _HOUR_MS)
    )

    answer = await visitor.worker.navigate(ahead)

    assert answer.status_code == 200
    assert (await visitor.record())["n"] == "2"
    assert await _events(visitor.worker, "credential.reuse") == []


@pytest.mark.parametrize("issued_before_stamp_ms", [5_500, -1_000])
async def test_a_token_ahead_of_the_store_is_adopted_only_within_what_a_fail_over_can_lose(
    visitor: Visitor, issued_before_stamp_ms: int
) -> None:
    """Signed before the window or after the epoch began, no loss explains it."""
    lease = visitor.worker.lease(visitor.jar)
    stamp = await _new_epoch(visitor.worker)
    ahead = replace(lease, n=2, issued_at_ms=stamp - issued_before_stamp_ms, lease_end_ms=stamp - 1)

    answer = await visitor.worker.navigate({**visitor.jar, SESSION: visitor.worker.seal(ahead)})

    assert answer.status_code == 303
    assert (await visitor.record())["reason"] == "reuse"


async def test_nobody_is_accused_by_a_worker_that_has_not_heard_of_the_new_epoch(visitor: Visitor) -> None:
    """The first request after a fail-over may arrive before the first heartbeat: the worker asks for the epoch first.

    It passed the epoch it knew to the script, so a token of the lost second looked like a thief's.
    """
    worker = visitor.worker
    lease = worker.lease(visitor.jar)
    ahead = replace(lease, n=2, issued_at_ms=now_ms() - 1_000, lease_end_ms=now_ms() - 1)
    cookie = {**visitor.jar, SESSION: worker.seal(ahead)}
    # As if another server had taken over this instant; no heartbeat has seen it yet.
    await worker.store.redis.hset(keys.DEPLOYMENT, "run_id", "another")

    answer = await worker.navigate(cookie)

    assert answer.status_code == 200
    assert (await visitor.record())["n"] == "2"


async def _new_epoch(worker: Worker) -> int:
    before = worker.rooms.feed.epoch
    await worker.store.redis.hset(keys.DEPLOYMENT, "run_id", "another")
    feed = worker.rooms.feed
    await wait_until_async(lambda: feed.epoch != before and feed.holds(), "the new epoch to be heard")
    return feed.epoch_stamp_ms


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "ended"}, "ended"),
        ({"absolute_ms": 1}, "over"),
        ({"fresh_until_ms": 1, "remember_until_ms": 1}, "over"),
        ({"fresh_until_ms": 1, "remembered": 0}, "over"),
    ],
)
async def test_a_session_that_is_over_is_cleared_on_a_navigation(
    visitor: Visitor, changes: dict[str, object], reason: str
) -> None:
    """Ended, or past its limits: sent to sign in, the cookie goes, and it stays over."""
    await visitor.set(**changes)

    answer = await visitor.worker.navigate(visitor.run_out())

    assert answer.status_code == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await visitor.record())["state"] == "ended"


@pytest.mark.parametrize(("field", "value"), [("disabled", "1"), ("generation", "1")])
async def test_an_account_that_is_disabled_or_signed_out_renews_nothing(
    visitor: Visitor, field: str, value: str
) -> None:
    """The account's own state is looked at in the same step."""
    await visitor.worker.store.redis.hset(keys.account(ADA), field, value)

    assert (await visitor.renew())[0] == 303


async def test_a_removed_device_renews_nothing(visitor: Visitor) -> None:
    """Not even in the instant before its revocation is heard."""
    await visitor.worker.store.redis.hset(visitor.device_key, "state", "removed")

    assert (await visitor.renew())[0] == 303


async def test_a_session_the_store_never_saw_is_refused_but_not_cleared(visitor: Visitor) -> None:
    """The store may have lost it: 401, the cookie stays, no alarm."""
    await visitor.worker.store.redis.delete(visitor.session_key)

    answer = await visitor.worker.navigate(visitor.run_out())

    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
    assert await _events(visitor.worker, "credential.reuse") == []


async def test_past_the_idle_limit_a_remembered_user_is_recognised_but_not_fresh(visitor: Visitor) -> None:
    """He sees his page; where the password is wanted he is asked for it."""
    await visitor.set(fresh_until_ms=now_ms() - 1)

    status, after = await visitor.renew()
    page = await visitor.worker.navigate(after)
    payment = await visitor.worker.verify(after, "/fresh")
    to_payment = await visitor.worker.navigate(after, "/fresh")

    assert status == 200
    assert page.headers["x-latch-level"] == "remembered"
    assert (payment.status_code, payment.json()["code"]) == (401, "fresh_required")
    assert to_payment.status_code == 303
    assert to_payment.headers["location"].endswith("&fresh=1")
    assert "set-cookie" not in to_payment.headers


async def test_use_extends_the_idle_limits_and_a_background_poll_does_not(visitor: Visitor) -> None:
    """A tab that polls keeps nobody signed in."""
    soon = now_ms() + _MINUTE_MS
    await visitor.set(fresh_until_ms=soon, remember_until_ms=soon)
    await visitor.worker.navigate(visitor.run_out(), "/background")
    polled = await visitor.record()
    await visitor.renew()
    used = await visitor.record()

    assert (polled["fresh_until_ms"], polled["remember_until_ms"]) == (str(soon), str(soon))
    assert int(used["fresh_until_ms"]) > soon + 20 * _MINUTE_MS
    assert int(used["remember_until_ms"]) > soon + 29 * _DAY_MS


async def test_a_background_poll_takes_no_renewal_from_the_requests_that_extend(visitor: Visitor) -> None:
    """Beside a poll every 10 s, navigations found a lease that was never due, and active users were signed out."""
    presented = visitor.run_out()
    polls = [await visitor.worker.verify(presented, "/background", **{"sec-fetch-dest": "empty"}) for _ in range(2)]
    renewals_by_polls = int((await visitor.record())["renewed_at_ms"])
    image = await visitor.worker.verify(presented, **{"sec-fetch-dest": "image"})
    extended = await visitor.record()
    page = await visitor.worker.navigate(presented)

    assert [answer.status_code for answer in (*polls, image, page)] == [200] * 4
    assert not [cookie for poll in polls for cookie in set_cookies(poll)]
    assert int(extended["renewed_at_ms"]) >= renewals_by_polls
    assert int(extended["fresh_until_ms"]) > visitor.worker.lease(visitor.jar).fresh_until_ms - 1
    assert len(set_cookies(page)) == 1


async def test_requests_that_may_carry_nothing_ask_the_store_once_a_lease(visitor: Visitor) -> None:
    """Forty images beside a run-out lease cost one trip; and the store's yes does not outlive a revocation."""
    presented = visitor.run_out()
    image = {"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}
    first = await visitor.worker.verify(presented, **image)
    renewed_at = (await visitor.record())["renewed_at_ms"]
    rest = [await visitor.worker.verify(presented, **image) for _ in range(5)]
    same = (await visitor.record())["renewed_at_ms"] == renewed_at
    await visitor.worker.api("DELETE", f"/v1/accounts/ada/sessions/{first.headers['x-latch-session']}")
    after = await visitor.worker.verify(presented, **image)

    assert {answer.status_code for answer in (first, *rest)} == {200}
    assert same
    assert after.status_code == 401


@pytest.mark.parametrize(("remember", "expected"), [(True, "remembered"), (False, None)])
async def test_without_the_run_cookie_the_browser_was_closed(
    worker: Worker, remember: bool, expected: str | None
) -> None:
    """On a shared computer: with the box ticked recognised, not fresh; without it signed out."""
    jar = await worker.signed_in(remember=remember)
    del jar[RUN]

    answer = await worker.navigate(jar)

    assert answer.headers.get("x-latch-level") == expected
    assert answer.status_code == (200 if remember else 303)


async def test_the_box_decides_whether_the_cookie_outlives_the_browser(worker: Worker) -> None:
    """Not ticked: no Max-Age, at sign-in and at every renewal. Ticked: 30 days, sliding."""
    lines = []
    for remember in (False, True):
        visitor = Visitor(worker, await worker.signed_in(remember=remember))
        lines.append(set_cookies(await worker.navigate(visitor.run_out()))[0])

    assert "Max-Age" not in lines[0]
    assert "Max-Age=2592000" in lines[1]
    for line in lines:
        assert "; Secure" in line
        assert "; HttpOnly" in line
        assert "; SameSite=Lax" in line
        assert "; Path=/" in line
        assert "Domain" not in line


async def test_a_worker_that_hears_no_heartbeat_takes_nobody_for_fresh_who_is_not(
    visitor: Visitor, store_url: str, tmp_path: Path
) -> None:
    """It has no clock but the store's answer; it took the epoch's first second for now, and everybody was fresh."""

    class Deaf(Store):
        def raw_connection(self) -> Any:
            raise StoreAway

    await visitor.set(fresh_until_ms=now_ms() - 1)
    keys_file = visitor.worker.rooms.settings.keys_path
    deaf_settings = settings_for(store_url, tmp_path / "deaf", keys_file=keys_file)
    async with running_worker(deaf_settings, make_store=Deaf, wait=False) as deaf:
        answer = await deaf.navigate(visitor.jar)

    assert (answer.status_code, answer.headers["x-latch-level"]) == (200, "remembered")


async def test_simultaneous_renewals_of_one_token_share_a_call(visitor: Visitor) -> None:
    """A page of many fetches after a pause costs one script."""
    sent: list[str] = []

    class Counting(Store):
        async def guard(self, call: Any) -> Any:
            sent.append("call")
            return await super().guard(call)

    rooms = visitor.worker.rooms
    store = Counting(rooms.store.url)
    renewals = Renewals(store, rooms.leases, rooms.feed, rooms.settings.session_policy())
    lease = rooms.leases.find(visitor.run_out()[SESSION].encode())
    assert isinstance(lease, OpenLease)
    results = await asyncio.gather(*(renewals.renew(lease, advance=True, extend=True) for _ in range(20)))
    await store.close()

    assert len(sent) == 1
    assert not [one for one in results if isinstance(one, Over)]


class Browsers(RuleBasedStateMachine):
    """Each browser holds one counter; answers wait on the wire and arrive late, never, or again."""

    def __init__(self, store_server: Valkey) -> None:
        super().__init__()
        self.client = store_server.client()
        self.client.flushall()
        self.run = self.client.register_script(_RENEW.text)
        self.now = 0
        self.holds: dict[int, int] = {}
        self.wire: list[tuple[int, int, int]] = []
        self.client.hset("{t}:account", mapping={"generation": 0})
        for browser in range(3):
            self.client.hset(f"{{t}}:device:{browser}", mapping={"state": "active"})
            self.client.hset(
                f"{{t}}:session:{browser}",
                mapping={
                    "account": "ada",
                    "device": browser,
                    "state": "live",
                    "n": 1,
                    "n_issued_at_ms": now_ms(),
                    "n_used": 0,
                    "authenticated_at_ms": now_ms(),
                    "fresh_until_ms": now_ms() + _HOUR_MS,
                    "remembered": 1,
                    "remember_until_ms": now_ms() + 9 * _DAY_MS,
                    "absolute_ms": now_ms() + 10**12,
                    "replays": 0,
                },
            )
            self.holds[browser] = 1

    @rule(browser=st.integers(0, 2), advance=st.booleans(), delivered=st.sampled_from(["now", "later", "never"]))
    def ask(self, browser: int, advance: bool, delivered: str) -> None:
        """A request with the cookie the browser holds at this instant."""
        names = (f"session:{browser}", "account", f"device:{browser}", "generations", "revocations", "number", "outbox")
        said = (browser, self.holds[browser], now_ms(), 0, int(advance), 1, 0, 1)
        limits = (300_000, 1_800_000, 10**12, 10**12, _DAY_MS, 15 * _MINUTE_MS, 120_000, 5_000, 0)
        answer: list[Any] = self.run(
            keys=[f"{{t}}:{name}" for name in names], args=["{t}:", *map(str, (*said, *limits)), "evt_x"]
        )
        assert answer[0] == b"ok", f"browser {browser} was refused: {answer}"
        n = int(answer[2])
        assert n >= self.holds[browser], "a browser is never sent back"
        if delivered == "now":
            self.holds[browser] = n
        elif delivered == "later":
            self.wire.append((browser, n, self.now))

    @rule(which=st.integers(0, 50), again=st.booleans())
    def deliver(self, which: int, again: bool) -> None:
        """One of the answers on the wire arrives, in whatever order, and overwrites what the browser held."""
        if self.wire:
            index = which % len(self.wire)
            browser, n, _sent = self.wire[index]
            if not again:
                del self.wire[index]
            self.holds[browser] = n

    @rule(ms=st.sampled_from([1_000, 130_000, 10 * _MINUTE_MS, 5 * _HOUR_MS, _DAY_MS]))
    def pass_time(self, ms: int) -> None:
        """Time passes for every record; answers older than a grace no longer arrive."""
        self.now += ms
        for browser in range(3):
            self.client.hincrby(f"{{t}}:session:{browser}", "n_issued_at_ms", -ms)
        self.wire = [answer for answer in self.wire if self.now - answer[2] < 15 * _MINUTE_MS]

    @invariant()
    def nobody_is_accused(self) -> None:
        """No sign-in has ended and no alarm has gone out."""
        assert self.client.xlen("{t}:outbox") == 0

    def teardown(self) -> None:
        """Close the client."""
        self.client.close()


def test_many_clients_with_lost_doubled_and_late_answers_are_never_taken_for_thieves(store_server: Valkey) -> None:
    """Hypothesis drives browsers whose answers are lost, doubled or reordered; no sign-in ever ends for it."""
    short = settings(
        max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )

    run_state_machine_as_test(lambda: Browsers(store_server), settings=short)  # type: ignore[arg-type]  # any factory will do

"""Renewing a lease against the real script: what a renewal extends, what it costs, and when it ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness.visitor import ADA, Deaf, Visitor
from harness.worker_app import RUN, SESSION, Worker, now_ms, running_worker, set_cookies, settings_for
from latchstring_gateway.sessions.leases import OpenLease
from latchstring_gateway.sessions.renew import From, Over, Renewals
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000


async def test_the_current_token_is_renewed_with_the_same_counter(visitor: Visitor) -> None:
    """A lease that has run out costs one trip and comes back as a new lease of the same credential."""
    status, after = await visitor.renew()

    assert (status, visitor.n(after)) == (200, 1)
    renewed = visitor.worker.lease(after)
    assert abs(renewed.issued_at_ms - now_ms()) < 5_000
    assert 270_000 <= renewed.lease_end_ms - renewed.issued_at_ms <= 300_000, "cut by up to a tenth"


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
    results = await asyncio.gather(
        *(renewals.renew(lease, advance=True, extend=True, origin=From("", "")) for _ in range(20))
    )
    await store.close()

    assert len(sent) == 1
    assert not [one for one in results if isinstance(one, Over)]

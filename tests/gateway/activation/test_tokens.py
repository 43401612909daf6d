"""Tokens of TVs: shown, exchanged, lost on the way, copied; and what is no token of theirs."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace
from starlette.types import Receive, Scope, Send

from harness.asgi import ask
from harness.tv import SETTINGS, Tv, connect
from harness.valkey import Valkey
from harness.visitor import events
from harness.waiting import wait_until_async
from harness.worker_app import FORWARDED, NAVIGATION, SESSION, Jar, Worker, running_worker, settings_for
from latchstring_gateway import wiring
from latchstring_gateway.tokens.purposes import AccessToken, Lease, RefreshToken
from latchstring_gateway.wire import Head, Reply

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
#: Longer than two graces of an hour and two minutes: what comes back then was surely kept.
_KEPT_MS = 3 * _HOUR_MS


@pytest.fixture
async def connected(tv: Tv, worker: Worker, owner: Jar) -> Tv:
    """A TV that is signed in."""
    return await connect(tv, worker, owner)


def _counter(tv: Tv, refresh_token: str) -> int:
    opened = tv.worker.rooms.codec.open(refresh_token.encode(), RefreshToken)
    assert isinstance(opened, RefreshToken)
    return opened.n


def _access(tv: Tv) -> AccessToken:
    opened = tv.worker.rooms.codec.open(tv.tokens["access_token"].encode(), AccessToken)
    assert isinstance(opened, AccessToken)
    return opened


async def _row(worker: Worker) -> str:
    redis = worker.store.redis
    rows = [str(key) for key in await redis.keys("*:session:*")]
    (tvs_row,) = [key for key in rows if await redis.hget(key, "method") == "device_code"]
    return tvs_row


async def _age(worker: Worker, ms: int) -> None:
    """Let the last rotation lie further back."""
    for field in ("n_issued_at_ms", "n_given_at_ms"):
        await worker.store.redis.hincrby(await _row(worker), field, -ms)


async def test_a_refresh_gives_the_next_token_once_the_last_was_kept(connected: Tv, worker: Worker) -> None:
    """The counter moves at every refresh that comes surely later than its token arrived."""
    counters = []
    for _ in range(3):
        await _age(worker, _KEPT_MS)
        assert (await connected.refresh()).status_code == 200
        counters.append(_counter(connected, connected.tokens["refresh_token"]))

    assert counters == [2, 3, 4]
    assert (await connected.verify()).status_code == 200


async def test_nothing_of_a_tv_is_ever_fresh(connected: Tv, worker: Worker) -> None:
    """No password was typed on it: payment asks for one, in words that an app can read; also after a refresh."""
    before = await connected.verify("/fresh")
    await connected.refresh()
    after = await connected.verify("/fresh")

    for answer in (before, after):
        assert (answer.status_code, answer.json()["code"]) == (401, "fresh_required")
        assert 'error="insufficient_user_authentication"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("every", [2, 3])
@pytest.mark.parametrize("apart_ms", [5 * _MINUTE_MS, _KEPT_MS, 30 * _DAY_MS])
async def test_a_lost_answer_never_signs_a_tv_out(connected: Tv, worker: Worker, every: int, apart_ms: int) -> None:
    """A flaky network drops every second or third answer, the app tries again: it stays signed in for ever."""
    for number in range(1, 41):
        await _age(worker, apart_ms)
        answer = await connected.renewal(connected.tokens["refresh_token"])
        assert answer.status_code == 200, (number, answer.text)
        if number % every:
            connected.tokens = answer.json()

    assert (await connected.verify()).status_code == 200
    assert await worker.store.redis.hget(await _row(worker), "state") == "live"


async def test_a_tv_that_hears_nothing_for_days_is_not_signed_out(connected: Tv, worker: Worker) -> None:
    """Twenty answers in a row are lost, hours apart; the first that arrives is good."""
    token = connected.tokens["refresh_token"]
    for _ in range(20):
        await _age(worker, 6 * _HOUR_MS)
        assert (await connected.renewal(token)).status_code == 200
    await connected.refresh()

    assert (await connected.verify()).status_code == 200


async def test_a_power_cut_may_take_the_last_tokens_away(connected: Tv, worker: Worker) -> None:
    """The flash of a TV had not kept what came in the last seconds: the tokens before are still good."""
    for _ in range(5):
        await _age(worker, _KEPT_MS)
        before = dict(connected.tokens)
        await connected.refresh()
        connected.tokens = before
        assert (await connected.refresh()).status_code == 200


async def test_a_copied_refresh_token_ends_this_sign_in_when_it_comes_late(
    connected: Tv, worker: Worker, owner: Jar
) -> None:
    """The TV has gone on for two tokens: who brings the old one is a thief, both are out, the owner's browser stays.

    The owner and the website are told of whom; the row of the sign-in keeps nothing personal.
    """
    stolen, row = connected.tokens["refresh_token"], await _row(worker)
    device = await worker.store.redis.hget(row, "device")
    for _ in range(2):
        await _age(worker, _KEPT_MS)
        await connected.refresh()

    thief = await connected.renewal(stolen)
    assert (thief.status_code, thief.json()["error"]) == (400, "invalid_grant")

    async def is_out() -> bool:
        return (await connected.verify()).status_code == 401

    await wait_until_async(is_out, "the TV's access token to be refused")
    assert (await connected.refresh()).json()["error"] == "invalid_grant"
    assert (await worker.verify(owner)).status_code == 200
    left = await worker.store.redis.hgetall(row)
    assert (set(left), left["state"]) == ({"state", "reason", "owner"}, "ended")
    assert left["reason"] == "reuse"
    (told,) = await events(worker, "credential.reuse")
    session = row.rpartition(":")[2]
    assert json.loads(told["data"]) == {"session": session, "device": device, "presented": 1, "current": 3}
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert [one["id"] for one in devices if one["reuse_at_ms"]] == [device]


async def test_a_refresh_token_is_its_clients_alone_and_trying_consumes_nothing(connected: Tv, worker: Worker) -> None:
    """Another registered app gets nothing for it (RFC 6749 section 6)."""
    await _age(worker, _KEPT_MS)
    foreign = await connected.renewal(connected.tokens["refresh_token"], client_id="console-app")
    n = await worker.store.redis.hget(await _row(worker), "n")

    assert (foreign.status_code, foreign.json()["error"], n) == (400, "invalid_grant", "1")


async def test_every_token_is_good_for_one_thing(connected: Tv, worker: Worker, owner: Jar) -> None:
    """No access token refreshes or is a cookie, no refresh token or cookie is shown as an access token."""
    access, refresh = connected.tokens["access_token"], connected.tokens["refresh_token"]
    # Whoever has seen a token before must still see what it is for.
    assert (await connected.verify()).status_code == 200
    assert (await connected.refresh()).status_code == 200

    assert (await connected.renewal(access)).json()["error"] == "invalid_grant"
    assert (await connected.renewal(owner[SESSION])).json()["error"] == "invalid_grant"
    for token in (access, refresh):
        assert (await worker.verify({SESSION: token})).status_code == 401
    for token in (refresh, owner[SESSION]):
        assert (await connected.verify(access_token=token)).status_code == 401


async def test_an_access_token_that_is_over_is_refused_for_an_app_to_read(connected: Tv, worker: Worker) -> None:
    """401 with the challenge of RFC 6750, never a way to a page; the refresh token stays good."""
    lease = _access(connected)
    over = worker.rooms.codec.seal(
        replace(lease, issued_at_ms=lease.issued_at_ms - 400_000, lease_end_ms=lease.issued_at_ms - 100_000)
    ).decode()
    answer = await connected.verify(access_token=over, **NAVIGATION)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert "set-cookie" not in answer.headers
    assert (await connected.refresh()).status_code == 200


async def test_no_access_token_outlives_the_deployments_lease(connected: Tv, worker: Worker) -> None:
    """What is revoked is remembered for two leases: a token that claims an hour is good for five minutes."""
    lease = _access(connected)
    long_ago = replace(lease, issued_at_ms=lease.issued_at_ms - 400_000, lease_end_ms=lease.issued_at_ms + _HOUR_MS)

    assert (await connected.verify(access_token=worker.rooms.codec.seal(long_ago).decode())).status_code == 401


async def test_any_other_authorization_is_nobody(worker: Worker) -> None:
    """401, and for a page the way to sign in: the website's own credentials mean nothing to us."""
    for authorization in (
        "Bearer",
        "Bearer ",
        "Bearer v1.",
        "Bearer v1.a.b.c",
        "Bearer  v1.a.b.c",
        "Bearer the-websites-own",
        "Basic dHY6dHY=",
        "v1.a.b.c",
    ):
        refused = await worker.verify(None, authorization=authorization)
        optional = await worker.verify(None, "/optional", authorization=authorization)

        assert (refused.status_code, optional.headers["x-latch-account"]) == (401, ""), authorization


async def test_two_authorization_headers_are_none(connected: Tv, worker: Worker) -> None:
    """Which one a website would read nobody knows."""
    token = f"Bearer {connected.tokens['access_token']}".encode()
    answer = await worker.client.get("/verify", headers=[(b"authorization", token), (b"authorization", token)])

    assert answer.status_code == 401


async def test_a_cookie_goes_before_an_access_token(connected: Tv, worker: Worker) -> None:
    """The same request has the same account by the fast way and by the long one."""
    eve = await worker.signed_in("eve")
    token = f"Bearer {connected.tokens['access_token']}"
    fast = await worker.verify(eve, authorization=token)
    long = await worker.navigate(worker.run_out(eve), authorization=token)

    assert [answer.headers["x-latch-account"] for answer in (fast, long)] == ["eve", "eve"]


def _hot(worker: Worker, *headers: tuple[bytes, bytes], path: bytes = b"/verify") -> object:
    """What the hot handler says."""
    forwarded = [(name.encode(), value.encode()) for name, value in FORWARDED.items()]
    return worker.edge.hot_routes[path].handler(Head(b"GET", path, [*forwarded, *headers], "127.0.0.1"))


async def test_an_access_token_is_checked_as_fast_as_a_cookie(connected: Tv, worker: Worker, owner: Jar) -> None:
    """The hot handler answers it until it ends, beside nothing else that might decide, and only where it is enough."""
    shown = (b"authorization", f"Bearer {connected.tokens['access_token']}".encode())
    cookie = (b"cookie", owner.header().encode())
    lease = _access(connected)
    late = replace(lease, issued_at_ms=lease.issued_at_ms - 290_000, lease_end_ms=lease.lease_end_ms - 285_000)
    nearly_over = (b"authorization", b"Bearer " + worker.rooms.codec.seal(late))
    answer, again = _hot(worker, shown), _hot(worker, shown)

    assert isinstance(answer, Reply)
    assert answer is again
    assert dict(answer.headers)[b"x-latch-level"] == b"remembered"
    assert isinstance(_hot(worker, nearly_over), Reply)
    for headers in (
        (shown, shown),
        (shown, cookie, cookie),
        (shown, (b"x-latch-require", b"fresh")),
        (shown, (b"cookie", b"a=b")),
    ):
        assert _hot(worker, *headers) is None
    assert _hot(worker, shown, path=b"/verify/fresh") is None
    both = _hot(worker, shown, cookie)
    assert isinstance(both, Reply)
    assert dict(both.headers)[b"x-latch-level"] == b"fresh", "the cookie goes first"

    await worker.api("DELETE", f"/v1/accounts/ada/devices/{(await connected.verify()).headers['x-latch-device']}")
    assert _hot(worker, shown) is None


async def test_a_removed_tv_is_out_at_once(connected: Tv, worker: Worker) -> None:
    """The receipt is complete: neither token is accepted any more."""
    device = (await connected.verify()).headers["x-latch-device"]
    receipt = await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")

    assert receipt.json()["status"] == "complete"
    assert (await connected.verify()).status_code == 401
    assert (await connected.refresh()).json()["error"] == "invalid_grant"


async def test_an_access_token_opens_no_page_of_ours(connected: Tv, worker: Worker) -> None:
    """A TV in the living room removes nobody's devices and lets no other TV in."""
    for path in ("/latch/devices", "/latch/activate"):
        answer = await worker.client.get(
            path, headers={**NAVIGATION, "authorization": f"Bearer {connected.tokens['access_token']}"}
        )

        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")


async def test_a_website_without_a_proxy_takes_them_too(connected: Tv, worker: Worker) -> None:
    """The gate in its own process knows a TV as forward auth does."""

    async def website(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["latch"].account.encode()})

    gate = wiring.gate(worker.rooms, website)
    token = f"Bearer {connected.tokens['access_token']}".encode()
    answer = await ask(gate, path="/", query_string=b"", headers=[(b"authorization", token)])

    assert (answer.status, answer.body) == (200, b"ada")


@pytest.mark.store
async def test_a_store_that_is_away_signs_no_tv_out(own_valkey: Callable[[], Valkey], tmp_path: Path) -> None:
    """The access token is bridged as a cookie is, a refresh is told to come back, and then everything goes on."""
    valkey = own_valkey()
    async with running_worker(settings_for(valkey.url, tmp_path, **SETTINGS)) as worker:
        tv = await connect(Tv(worker), worker, await worker.signed_in())
        valkey.kill9()
        await wait_until_async(lambda: worker.rooms.feed.store_away, "the worker to miss its store")
        away, refused, asked = await tv.verify(), await tv.refresh(), await tv.post("device_authorization")
        valkey.restart()
        feed = worker.rooms.feed
        await wait_until_async(lambda: feed.holds() and not feed.store_away, "the worker to follow its store again")

        for answer in (refused, asked):
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        assert away.status_code == 200
        assert (await tv.refresh()).status_code == 200
        assert (await tv.verify()).status_code == 200


def test_what_a_token_says_is_what_its_lease_says() -> None:
    """Access and refresh token have a lease's fields and the client's name, under purposes of their own."""
    fields = set(Lease.__struct_fields__)
    lease: dict[str, Any] = asdict(Lease(b"s" * 16, "ada", b"d" * 16, 1, 0, 1, 1, 1, 2, True, b"r" * 6))

    for kind in (AccessToken, RefreshToken):
        assert set(kind(**lease, client="app").__struct_fields__) == fields | {"client"}
    assert len({kind.purpose for kind in (Lease, AccessToken, RefreshToken)}) == 3
    assert not any(one is other for one, other in itertools.combinations((Lease, AccessToken, RefreshToken), 2))

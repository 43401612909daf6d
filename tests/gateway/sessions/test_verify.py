"""Every bad cookie at /verify gets the right answer, leaves no trace and tells nobody a secret."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from harness.worker_app import (
    DEVICE,
    FORWARDED,
    IDENTITY,
    RUN,
    SESSION,
    Jar,
    Worker,
    dump,
    now_ms,
    running_worker,
    settings_for,
)
from latchstring_gateway.sessions.forward_auth import PATHS, ForwardAuth
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey
from latchstring_gateway.tokens.keyfile import dump as dump_keys
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import AccessToken, BoundAccessToken
from latchstring_gateway.wire import Head, Recorded

_CLEARED = "__Host-session=; Path=/; Secure; SameSite=Lax; Max-Age=0; HttpOnly"


def _foreign(worker: Worker, key_id: str) -> Codec:
    # Keys of somebody else's ring.
    key = RingKey(key_id, KeyState.ACTIVE, now_ms() - 5_000, now_ms() - 5_000, bytes(32))
    return Codec(KeyRing.from_json(dump_keys([key]), worker.rooms.clock))


#: Cookie header of the bad request, and whether a navigation may clear the cookie: only where it was proved bad.
_BAD: dict[str, tuple[Callable[[Worker, Jar], str], bool]] = {
    "empty value": (lambda w, j: f"{SESSION}=", False),
    "empty header": (lambda w, j: "", False),
    "8 KB": (lambda w, j: f"{SESSION}={'a' * 8_192}", True),
    "64 KB": (lambda w, j: f"{SESSION}={'a' * 65_536}", False),
    "8 KB after a good one": (lambda w, j: f"{SESSION}={j[SESSION]}{'a' * 8_192}", True),
    "non-ASCII": (lambda w, j: f"{SESSION}=\xe9\xff", False),
    "non-ASCII inside": (lambda w, j: f"{SESSION}={j[SESSION][:50]}\xe9{j[SESSION][51:]}", False),
    "duplicated": (lambda w, j: f"{j.header()}; {SESSION}={j[SESSION]}", False),
    "duplicated with another": (lambda w, j: f"{SESSION}=x; {j.header()}", False),
    "name forged by a space": (lambda w, j: f"\xa0{SESSION}={j[SESSION]}", False),
    "name in lower case": (lambda w, j: f"{SESSION.lower()}={j[SESSION]}", False),
    "quoted": (lambda w, j: f'{SESSION}="{j[SESSION]}"', False),
    "device cookie as session": (lambda w, j: f"{SESSION}={j[DEVICE]}", True),
    "run cookie as session": (lambda w, j: f"{SESSION}={j[RUN]}", True),
    "unknown key id": (lambda w, j: f"{SESSION}={_foreign(w, 'nobody').seal(w.lease(j)).decode()}", False),
    "known key id, other secret": (
        lambda w, j: f"{SESSION}={_foreign(w, next(iter(w.rooms.ring.known_ids()))).seal(w.lease(j)).decode()}",
        True,
    ),
    "padded": (lambda w, j: f"{SESSION}={j[SESSION]}=", False),
    "one more character": (lambda w, j: f"{SESSION}={j[SESSION]}A", True),
    "inserted byte": (lambda w, j: f"{SESSION}={j[SESSION].replace('.', '..', 1)}", True),
    "other version": (lambda w, j: f"{SESSION}={j[SESSION].replace('v1', 'v2', 1)}", True),
    "unknown session": (
        lambda w, j: f"{SESSION}={w.seal(replace(w.lease(j), session=bytes(16), issued_at_ms=0))}",
        False,
    ),
    "cookie bomb": (lambda w, j: "a=;" * 5_000 + j.header(), False),
}


def _nothing_let_in(answer: httpx.Response) -> None:
    assert not [name for name in answer.headers if name in IDENTITY]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", _BAD)
async def test_a_bad_cookie_is_refused_and_leaves_no_trace(
    worker: Worker, name: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """401 for a fetch, 303 to the sign-in page for a navigation, never a 500; cleared only where it was proved bad."""
    make, clear = _BAD[name]
    jar = await worker.signed_in()
    header = make(worker, jar)
    before = await dump(worker.store)

    fetched = await worker.verify(header)
    optional = await worker.navigate(header, "/optional")
    navigated = await worker.navigate(header)

    assert (fetched.status_code, fetched.json()["code"]) == (401, "not_signed_in")
    assert fetched.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in fetched.headers
    assert navigated.status_code == 303
    assert navigated.headers["location"].startswith("/sign-in?return=v1.")
    assert navigated.headers.get("set-cookie") == (_CLEARED if clear else None)
    assert optional.status_code == 200
    assert [optional.headers[name] for name in IDENTITY] == [""] * 6
    assert "set-cookie" not in optional.headers
    _nothing_let_in(fetched)
    _nothing_let_in(navigated)
    assert await dump(worker.store) == before, "nothing is stored for it"
    logged = "".join(capfd.readouterr()) + caplog.text
    secrets = [*jar.values(), jar[SESSION].rpartition(".")[2], worker.service_key]
    assert not [secret for secret in secrets if secret in logged], "no secret is logged"


async def test_a_cookie_cut_at_any_byte_is_refused(worker: Worker) -> None:
    """No beginning of a token opens."""
    token = (await worker.signed_in())[SESSION]

    statuses = {(await worker.verify(f"{SESSION}={token[:length]}")).status_code for length in range(len(token))}

    assert statuses == {401}


async def test_a_cookie_with_any_bit_flipped_is_refused(worker: Worker) -> None:
    """1,400 neighbours of a good token: not one is accepted, and not one is a 500."""
    token = (await worker.signed_in())[SESSION].encode()
    statuses = set()
    for position in range(len(token)):
        for bit in range(8):
            flipped = bytearray(token)
            flipped[position] ^= 1 << bit
            head = {**FORWARDED, "cookie": (f"{SESSION}=".encode() + bytes(flipped)).decode("latin-1")}
            sent = [(name.encode(), value.encode("latin-1")) for name, value in head.items()]
            answer = worker.edge.hot_routes[b"/verify"].handler(Head(b"GET", b"/verify", sent, "127.0.0.1"))
            assert answer is None, "the hot handler lets none in"
            if flipped[position] in b"\r\n\0":
                continue  # no server hands these on in a header
            statuses.add((await worker.client.get("/verify", headers=sent)).status_code)

    assert statuses == {401}


async def test_a_cookie_spelled_otherwise_is_refused(worker: Worker) -> None:
    """Base64 has four last characters for one signature; only the one we wrote opens."""
    token = (await worker.signed_in())[SESSION]
    signature = token.rpartition(".")[2]
    same_bytes = [
        token[:-1] + last
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if last != token[-1]
        and base64.urlsafe_b64decode(signature[:-1] + last + "=") == base64.urlsafe_b64decode(signature + "=")
    ]

    statuses = [(await worker.verify(f"{SESSION}={spelled}")).status_code for spelled in same_bytes]

    assert statuses == [401] * 3


async def test_a_lease_over_by_a_second_is_renewed_or_refused_by_the_store_alone(worker: Worker) -> None:
    """Its end costs a round trip, not the session; after the session has ended it is worth nothing."""
    jar = await worker.signed_in()
    lease = worker.lease(jar)
    ended = replace(lease, issued_at_ms=lease.issued_at_ms - 301_000, lease_end_ms=lease.issued_at_ms - 1_000)
    cookie = {**jar, SESSION: worker.seal(ended)}

    renewed = await worker.navigate(cookie)
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{renewed.headers['x-latch-session']}")
    refused = await worker.navigate(cookie)

    assert renewed.status_code == 200
    assert renewed.headers.get_list("set-cookie")[0].startswith(f"{SESSION}=v1.")
    assert (refused.status_code, refused.headers["set-cookie"]) == (303, _CLEARED)


@pytest.mark.parametrize(("issued_in_ms", "life_ms"), [(3_600_000, 300_000), (60_000, 300_000), (-400_000, 3_600_000)])
async def test_a_lease_from_the_future_or_too_long_asks_the_store(
    worker: Worker, issued_in_ms: int, life_ms: int
) -> None:
    """Revocations are remembered for two leases; a lease that could outlive that must not pass on its own word."""
    jar = await worker.signed_in()
    issued = worker.lease(jar).issued_at_ms + issued_in_ms
    strange = replace(worker.lease(jar), issued_at_ms=issued, lease_end_ms=issued + life_ms)
    cookie = {**jar, SESSION: worker.seal(strange)}

    asked = await worker.navigate(cookie)
    await worker.store.redis.flushall()
    unknown = await worker.navigate(cookie)

    assert asked.status_code == 200
    reissued = Jar()
    reissued.take(asked.headers.get_list("set-cookie"))
    assert abs(worker.lease(reissued).issued_at_ms - now_ms()) < 10_000, "it comes back with the store's own times"
    assert unknown.status_code == 303, "without the store's word it is worth nothing"


async def test_a_retired_keys_cookies_are_proved_bad(worker: Worker) -> None:
    """A key that leaked is retired, and whatever it signed goes with it, on every worker within a second."""
    jar = await worker.signed_in()
    assert (await worker.navigate(jar)).status_code == 200
    path = worker.rooms.settings.keys_path
    old = worker.rooms.ring.all_keys()[0]
    fresh = RingKey("fresh1", KeyState.ACTIVE, now_ms() - 1, now_ms() - 1, bytes(32))
    path.write_text(
        dump_keys([RingKey(old.id, KeyState.RETIRED, old.created_at_ms, old.not_before_ms, old.secret), fresh])
    )
    worker.rooms.ring.reload_if_changed()
    worker.rooms.leases.refresh()

    answer = await worker.navigate(jar)

    assert (answer.status_code, answer.headers["set-cookie"]) == (303, _CLEARED)


async def test_a_key_made_since_is_looked_for_before_a_cookie_is_refused(worker: Worker) -> None:
    """Another worker may sign with a key this one has not read yet: the file is read again, and the visitor passes."""
    jar = await worker.signed_in()
    old = worker.rooms.ring.all_keys()[0]
    added = RingKey("added1", KeyState.ACTIVE, now_ms() - 1, now_ms() - 1, bytes(32))
    cookie = {**jar, SESSION: _foreign(worker, "added1").seal(worker.lease(jar)).decode()}
    assert (await worker.navigate({**jar, SESSION: cookie[SESSION].replace("added1", "other1")})).status_code == 303
    worker.rooms.settings.keys_path.write_text(dump_keys([old, added]))
    worker.rooms.checker._reread_ns = 0  # a second later

    assert (await worker.navigate(cookie)).status_code == 200


async def test_every_identity_header_is_on_every_2xx_and_at_most_one_cookie(worker: Worker) -> None:
    """Whatever a client sent under these names is overwritten, because each is always there."""
    jar = await worker.signed_in()
    stale = worker.run_out(jar)
    answers = [
        await worker.verify(jar),
        await worker.navigate(stale),
        await worker.navigate(jar, "/fresh"),
        await worker.navigate(jar, "/background"),
        await worker.navigate(jar, "/optional"),
        await worker.navigate(None, "/optional"),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert [name for name in IDENTITY if name in answer.headers] == IDENTITY
        assert len(answer.headers.get_list("set-cookie")) <= 1
        assert answer.headers["cache-control"] == "no-store"
    assert len(answers[1].headers.get_list("set-cookie")) == 1


@pytest.mark.parametrize("remember", [True, False])
async def test_the_session_cookie_stays_under_300_bytes(worker: Worker, remember: bool) -> None:
    """With the longest account there may be."""
    jar = await worker.signed_in("a" * 64, remember=remember)
    answer = await worker.navigate(worker.run_out(jar))

    assert len(f"{SESSION}={jar[SESSION]}") < 300
    assert len(answer.headers["set-cookie"].partition(";")[0]) < 300


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_hot_handler_says_what_the_long_way_says(worker_loop: Callable[..., None], data: st.DataObject) -> None:
    """Same request, same verdict and identity, whenever the hot handler answers at all."""
    worker_loop(data)


@pytest.fixture
async def worker_loop(store_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., None]]:
    """Asks both ways for a request drawn by Hypothesis; driven without awaiting, for nothing here has to wait."""
    # No heartbeat runs during a test that is not async: the fence must outlast it.
    async with running_worker(settings_for(store_url, tmp_path, fence_seconds=60)) as worker:
        answered: list[int] = []
        yield await _both_ways(worker, answered)
        assert len(answered) > 10, "the hot handler answered some of the requests"


async def _both_ways(worker: Worker, answered: list[int]) -> Callable[..., None]:
    jar = await worker.signed_in()
    forgetful = await worker.signed_in("bob", remember=False)
    removed = await worker.signed_in("eve")
    await worker.api("DELETE", f"/v1/accounts/eve/sessions/{(await worker.verify(removed)).headers['x-latch-session']}")
    lease = worker.lease(jar)
    early = replace(lease, issued_at_ms=lease.issued_at_ms - 280_000, lease_end_ms=lease.lease_end_ms - 280_000)
    past = replace(lease, fresh_until_ms=lease.issued_at_ms)
    ahead = replace(lease, issued_at_ms=lease.issued_at_ms + 10**6, lease_end_ms=lease.lease_end_ms + 10**6)
    tokens = [jar[SESSION], forgetful[SESSION], removed[SESSION], "junk", *map(worker.seal, (early, past, ahead))]
    runs = [jar[RUN], forgetful[RUN], removed[RUN], "x"]
    seal = worker.rooms.codec.seal
    shown = [
        seal(AccessToken(**asdict(one), client="app")).decode() for one in (lease, early, ahead, worker.lease(removed))
    ]
    shown += [seal(BoundAccessToken(**asdict(lease), client="app", thumbprint=bytes(32))).decode(), jar[SESSION]]
    credentials = [f"{scheme} {token}" for token in shown for scheme in ("Bearer", "bearer", "DPoP")]
    credentials += ["Basic eDp5", jar.header(), "Bearer"]

    def both(data: st.DataObject) -> None:
        chosen = data.draw(
            st.fixed_dictionaries({}, optional={SESSION: st.sampled_from(tokens), RUN: st.sampled_from(runs)})
        )
        more = data.draw(
            st.fixed_dictionaries(
                {"x-forwarded-method": st.sampled_from(["GET", "POST", "HEAD"])},
                optional={
                    "sec-fetch-dest": st.sampled_from(["document", "image", "empty"]),
                    "sec-fetch-mode": st.sampled_from(["navigate", "no-cors"]),
                    "upgrade": st.just("websocket"),
                    "x-latch-require": st.sampled_from(["fresh", "max-auth-age=1", "junk"]),
                    "x-latch-content-length": st.sampled_from(["0", "70000"]),
                },
            )
        )
        path = data.draw(st.sampled_from(sorted(PATHS)))
        line = data.draw(st.sampled_from([Jar(chosen).header()] * 4 + credentials[:1]))
        cookies = [line] * data.draw(st.sampled_from([0, 1, 1, 1, 2]))
        more_shown = data.draw(st.lists(st.sampled_from(credentials), max_size=2))
        headers = [(k.encode(), v.encode()) for k, v in {**FORWARDED, **more}.items()]
        headers += [(b"cookie", cookie.encode()) for cookie in cookies]
        headers += [(b"authorization", one.encode()) for one in more_shown]
        head = Head(b"GET", path.encode(), headers, "127.0.0.1")
        hot = worker.edge.hot_routes[path.encode()].handler(head)
        if hot is None:
            return
        assert not isinstance(hot, Recorded)
        answered.append(hot.status)
        forward_auth = _forward_auth(worker)
        answering = forward_auth.answer(head, PATHS[path])
        try:
            answering.send(None)
        except StopIteration as done:
            long = done.value
        else:
            answering.close()
            raise AssertionError("the hot handler answered what the long way asks the store for")
        assert (long.status, long.headers, long.body) == (hot.status, hot.headers, hot.body)

    return both


def _forward_auth(worker: Worker) -> ForwardAuth:
    rooms = worker.rooms
    return ForwardAuth(rooms.judge, rooms.clock, rooms.trusted, lambda outcome: None, lambda head: b"")

"""Tokens that are bound to a key of the TV's: stolen without it they are worth nothing, and each proof is good once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from harness.app_key import AppKey
from harness.asgi import ask
from harness.tv import CLIENT, DEVICE_GRANT, SETTINGS, TOKEN_URL, WATCH_URL, Tv, approve, connect
from harness.worker_app import Jar, Worker, dump, now_ms, running_worker, settings_for
from latchstring_gateway import wiring
from latchstring_gateway.ids import to_text
from latchstring_gateway.tokens.purposes import BoundRefreshToken

_ALGS = 'algs="ES256 Ed25519 EdDSA"'


@pytest.fixture
def bound(worker: Worker) -> Tv:
    """A TV with a key."""
    return Tv(worker, key=AppKey())


@pytest.fixture
async def connected(bound: Tv, worker: Worker, owner: Jar) -> Tv:
    """The same, signed in."""
    return await connect(bound, worker, owner)


def _key(tv: Tv) -> AppKey:
    assert tv.key is not None
    return tv.key


async def _row(worker: Worker) -> dict[str, Any]:
    redis = worker.store.redis
    rows: list[Any] = [await redis.hgetall(str(key)) for key in await redis.keys("*:session:*")]
    (tvs_row,) = [dict(row) for row in rows if row["method"] == "device_code"]
    return tvs_row


def _fields(tv: Tv) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": tv.tokens["refresh_token"]}


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_a_tv_with_a_key_is_signed_in_by_bound_tokens(worker: Worker, owner: Jar, algorithm: str) -> None:
    """The whole life: codes, polls, tokens of type DPoP, a page, a refresh, and the website knows whose TV it is."""
    tv = Tv(worker, key=AppKey(algorithm))
    await tv.ask()
    before = await tv.poll()
    await approve(worker, owner, tv.codes)
    first = await tv.poll()
    again = await tv.poll()
    refreshed = await tv.refresh()
    seen = await tv.verify()

    assert before.json()["error"] == "authorization_pending"
    assert {answer.json()["token_type"] for answer in (first, again, refreshed)} == {"DPoP"}
    assert (seen.status_code, seen.headers["x-latch-account"]) == (200, "ada")


async def test_a_stolen_refresh_token_alone_is_worth_nothing(connected: Tv, worker: Worker) -> None:
    """Without a proof, by another key, and by a proof for which the thief has no key: nothing is given or consumed."""
    before = await _row(worker)
    thief = Tv(worker, key=AppKey())
    without = await thief.send("token", **_fields(connected))
    by_his_own = await thief.post("token", **_fields(connected))
    borrowed = _key(thief).proof("POST", TOKEN_URL, nonce=thief.nonce, header={"jwk": _key(connected).jwk})
    by_a_lie = await thief.send("token", borrowed, **_fields(connected))

    told = [(answer.status_code, answer.json()["error"]) for answer in (without, by_his_own, by_a_lie)]
    assert told == [(400, "invalid_dpop_proof"), (400, "invalid_grant"), (400, "invalid_dpop_proof")]
    assert await _row(worker) == before
    assert (await connected.refresh()).status_code == 200
    assert (await connected.verify()).status_code == 200


async def test_a_stolen_access_token_alone_is_worth_nothing(connected: Tv) -> None:
    """Nor as what it is not: a bearer."""
    token = connected.tokens["access_token"]
    stolen = Tv(connected.worker)
    stolen.tokens = connected.tokens
    as_bearer = await stolen.verify()
    without = await connected.worker.verify(None, authorization=f"DPoP {token}")
    by_another = await connected.verify(dpop=AppKey().proof("GET", WATCH_URL, access_token=token))

    assert (as_bearer.status_code, as_bearer.json()["code"]) == (401, "invalid_token")
    assert as_bearer.headers["www-authenticate"].startswith("Bearer ")
    for answer in (without, by_another):
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof")


async def test_a_token_that_is_not_bound_is_no_bound_one(tv: Tv, worker: Worker, owner: Jar) -> None:
    """A proof beside a bearer's token proves nothing about it (RFC 9449 section 7.1)."""
    await connect(tv, worker, owner)
    token = tv.tokens["access_token"]
    answer = await Tv(worker, key=AppKey()).verify(access_token=token)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_token"')


async def test_the_nonce_comes_first(bound: Tv, worker: Worker, owner: Jar) -> None:
    """A proof without one is told which to use, and a new one comes with each answer, for scripts to read too."""
    await bound.ask()
    await approve(worker, owner, bound.codes)
    fields = {"grant_type": DEVICE_GRANT, "device_code": bound.codes["device_code"]}
    first = await bound.send("token", _key(bound).proof("POST", TOKEN_URL), **fields)
    nonce = first.headers["dpop-nonce"]
    second = await bound.send("token", _key(bound).proof("POST", TOKEN_URL, nonce=nonce, iat=1), **fields)

    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    assert second.status_code == 200, "the clock of a TV may stand at 1970"
    for answer in (first, second):
        assert answer.headers["dpop-nonce"]
        assert answer.headers["access-control-expose-headers"] == "DPoP-Nonce"
    assert "dpop-nonce" not in (await Tv(worker).post("token")).headers


async def test_the_nonce_of_another_worker_is_good(bound: Tv, worker: Worker, store_url: str, tmp_path: Path) -> None:
    """No worker keeps any: what counts is the key ring."""
    await bound.ask()
    settings = settings_for(store_url, tmp_path, **SETTINGS)
    async with running_worker(settings, service_key=worker.service_key) as other:
        nonce = other.rooms.proofs.nonce()
    polled = await bound.send(
        "token",
        _key(bound).proof("POST", TOKEN_URL, nonce=nonce),
        grant_type=DEVICE_GRANT,
        device_code=bound.codes["device_code"],
    )

    assert polled.json()["error"] == "authorization_pending"


async def test_a_proof_is_good_once(connected: Tv, worker: Worker) -> None:
    """Sent again it is refused, at every worker, and nothing is consumed by it."""
    proof = _key(connected).proof("POST", TOKEN_URL, nonce=connected.nonce)
    first = await connected.send("token", proof, **_fields(connected))
    row = await _row(worker)
    again = await connected.send("token", proof, **_fields(connected))
    redis = worker.store.redis
    lives = [await redis.ttl(str(key)) for key in await redis.keys("*:spent-proof:*")]

    assert first.status_code == 200
    assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")
    assert await _row(worker) == row
    assert len(lives) == 2, "of the poll and of the refresh"
    assert all(400 < seconds <= 420 for seconds in lives), "longer than any nonce is good"
    assert _key(connected).thumbprint not in repr(await dump(worker.store))


async def test_a_proof_that_is_sent_many_times_at_once_is_good_once(connected: Tv) -> None:
    """Whoever is first, by whatever worker."""
    proof = _key(connected).proof("POST", TOKEN_URL, nonce=connected.nonce)
    answers = await asyncio.gather(*(connected.send("token", proof, **_fields(connected)) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


async def test_a_proof_for_a_grant_is_good_once_too(bound: Tv, worker: Worker, owner: Jar) -> None:
    """Whoever saw the request fetches no second pair of tokens with it."""
    await bound.ask()
    await bound.poll()
    await approve(worker, owner, bound.codes)
    proof = _key(bound).proof("POST", TOKEN_URL, nonce=bound.nonce)
    fields = {"grant_type": DEVICE_GRANT, "device_code": bound.codes["device_code"]}
    answers = [await bound.send("token", proof, **fields) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["error"] == "invalid_dpop_proof"


async def test_proofs_that_are_given_nothing_leave_nothing(bound: Tv, worker: Worker) -> None:
    """Who makes keys and names by the million does not fill the store."""
    await bound.ask()
    await bound.poll()
    before = await dump(worker.store)
    for _ in range(5):
        await bound.post("token", grant_type="refresh_token", refresh_token="v1.a.b.c")
        await bound.post("token", grant_type=DEVICE_GRANT, device_code="3f" + "A" * 43)

    assert await dump(worker.store) == before


def _bad_proofs(tv: Tv) -> dict[str, list[str]]:
    key, nonce = _key(tv), tv.nonce
    good = key.proof("POST", TOKEN_URL, nonce=nonce)
    return {
        "two": [good, good],
        "noise": ["noise"],
        "unsigned": [".".join([*good.split(".")[:2], ""])],
        "another method": [key.proof("GET", TOKEN_URL, nonce=nonce)],
        "another address": [key.proof("POST", "https://evil.example/latch/oauth/token", nonce=nonce)],
        "another endpoint": [key.proof("POST", TOKEN_URL.replace("token", "revoke"), nonce=nonce)],
        "foreign": [key.proof("POST", TOKEN_URL, nonce=nonce, header={"jwk": AppKey().jwk})],
    }


async def test_a_bad_proof_is_told_why_and_costs_nothing(connected: Tv, worker: Worker) -> None:
    """400 `invalid_dpop_proof` in the words of RFC 9449 section 5; the refresh token stays good."""
    before = await dump(worker.store)
    for name, proofs in _bad_proofs(connected).items():
        headers = [*connected.headers.items(), *(("dpop", proof) for proof in proofs)]
        answer = await worker.client.post(TOKEN_URL, data={"client_id": CLIENT, **_fields(connected)}, headers=headers)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), name
        assert answer.headers["dpop-nonce"], name
    assert await dump(worker.store) == before
    assert (await connected.refresh()).status_code == 200


@pytest.mark.parametrize("nonce", ["", "v1.a.b.c", "noise"])
async def test_a_nonce_that_is_none_of_ours_is_told_so(connected: Tv, nonce: str) -> None:
    """`use_dpop_nonce`, and one that is good."""
    answer = await connected.send("token", _key(connected).proof("POST", TOKEN_URL, nonce=nonce), **_fields(connected))

    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "POST"}, "invalid_dpop_proof"),
        ({"url": "https://www.example.com/account"}, "invalid_dpop_proof"),
        ({"url": "https://shop.example.com/watch"}, "invalid_dpop_proof"),
        ({"url": "http://www.example.com/watch"}, "invalid_dpop_proof"),
        ({"ath": None}, "invalid_dpop_proof"),
        ({"ath": "A" * 43}, "invalid_dpop_proof"),
        ({"header": {"typ": "JWT"}}, "invalid_dpop_proof"),
        ({"header": {"jwk": AppKey().jwk}}, "invalid_dpop_proof"),
        ({"iat": now_ms() // 1000 - 3_600}, "use_dpop_nonce"),
        ({"iat": now_ms() // 1000 + 3_600}, "use_dpop_nonce"),
        ({"nonce": "v1.a.b.c"}, "use_dpop_nonce"),
    ],
)
async def test_beside_an_access_token_a_bad_proof_is_told_why(connected: Tv, changes: Any, code: str) -> None:
    """401 with the challenge of RFC 9449 section 7.1, what was wrong, and a nonce for the next try."""
    token = connected.tokens["access_token"]
    said = {"method": "GET", "url": WATCH_URL, "access_token": token, **changes}
    answer = await connected.verify(dpop=_key(connected).proof(**said))
    challenge = answer.headers["www-authenticate"]

    assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (401, code, code)
    assert challenge.startswith(f'DPoP error="{code}", error_description="expected ')
    assert challenge.endswith(_ALGS)
    assert answer.headers["dpop-nonce"]


async def test_a_tv_whose_clock_is_wrong_comes_in_by_the_nonce(connected: Tv) -> None:
    """The answer that refused it carries what lets it in."""
    token, key = connected.tokens["access_token"], _key(connected)
    refused = await connected.verify(dpop=key.proof("GET", WATCH_URL, access_token=token, iat=1))
    nonce = refused.headers["dpop-nonce"]
    let_in = await connected.verify(dpop=key.proof("GET", WATCH_URL, access_token=token, iat=1, nonce=nonce))

    assert (refused.status_code, let_in.status_code) == (401, 200)


async def test_a_website_without_a_proxy_takes_them_too(connected: Tv, worker: Worker) -> None:
    """Its gate knows no host but LATCHSTRING_PUBLIC_ORIGIN, and asks for the proof as forward auth does."""

    async def website(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["latch"].account.encode()})

    gate = wiring.gate(worker.rooms, website)
    token = connected.tokens["access_token"]
    proof = _key(connected).proof("GET", WATCH_URL, access_token=token)
    for path, status in (("/watch", 200), ("/account", 401)):
        headers = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", proof.encode())]

        assert (await ask(gate, path=path, query_string=b"", headers=headers)).status == status


async def test_two_proofs_are_none(connected: Tv, worker: Worker) -> None:
    """Which one a website would read nobody knows."""
    token = connected.tokens["access_token"]
    proof = _key(connected).proof("GET", "https://www.example.com/verify", access_token=token).encode()
    for proofs, status in (([proof], 200), ([proof, proof], 401), ([], 401)):
        headers = [(b"authorization", f"DPoP {token}".encode()), *((b"dpop", one) for one in proofs)]

        assert (await worker.client.get("/verify", headers=headers)).status_code == status


async def test_of_a_route_that_wants_a_password_a_bound_tv_is_told_in_its_scheme(connected: Tv) -> None:
    """RFC 9470 in the challenge that the app knows."""
    answer = await connected.verify("/fresh")

    assert (answer.status_code, answer.json()["code"]) == (401, "fresh_required")
    assert answer.headers["www-authenticate"].startswith('DPoP error="insufficient_user_authentication"')


async def test_an_optional_route_lets_who_cannot_prove_his_key_in_as_nobody(connected: Tv) -> None:
    """As anybody else."""
    known = await connected.verify("/optional")
    unknown = await connected.verify("/optional", dpop="noise")

    assert (known.headers["x-latch-account"], unknown.headers["x-latch-account"]) == ("ada", "")
    assert unknown.status_code == 200


async def test_a_removed_tv_is_out_whatever_it_proves(connected: Tv, worker: Worker) -> None:
    """The receipt is complete: neither token is accepted any more."""
    device = (await connected.verify()).headers["x-latch-device"]
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")

    assert (await connected.verify()).json()["code"] == "invalid_token"
    assert (await connected.refresh()).json()["error"] == "invalid_grant"


async def test_introspection_tells_the_key(connected: Tv, worker: Worker) -> None:
    """`cnf` and the type (RFC 9449 section 6.2): the service asks for the proof itself."""
    headers = {"authorization": f"Bearer {worker.service_key}"}
    for which, active in (("access_token", True), ("refresh_token", False)):
        answer = await worker.client.post("/v1/introspect", data={"token": connected.tokens[which]}, headers=headers)

        assert answer.json()["active"] is active
        if active:
            assert answer.json()["token_type"] == "DPoP"
            assert answer.json()["cnf"] == {"jkt": _key(connected).thumbprint}


async def test_a_bound_tv_signs_itself_out(connected: Tv) -> None:
    """RFC 7009 asks for no proof: a token that leaked may be ended by whoever finds it."""
    assert (await connected.post("revoke", token=connected.tokens["access_token"])).status_code == 200
    assert (await connected.refresh()).json()["error"] == "invalid_grant"


async def test_a_tv_that_learns_to_prove_a_key_keeps_its_sign_in(tv: Tv, worker: Worker, owner: Jar) -> None:
    """A new version of the app refreshes with a proof: from then on its tokens are bound, nobody signs in again."""
    await connect(tv, worker, owner)
    tv.key = AppKey()
    refreshed = await tv.refresh()
    opened = worker.rooms.codec.open(tv.tokens["refresh_token"].encode(), BoundRefreshToken)

    assert refreshed.json()["token_type"] == "DPoP"
    assert isinstance(opened, BoundRefreshToken)
    assert to_text(opened.thumbprint) == tv.key.thumbprint
    assert (await tv.verify()).status_code == 200


@pytest.fixture
async def strict(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker on which one of the two clients must prove a key."""
    settings = settings_for(store_url, tmp_path, **SETTINGS, tv_dpop_clients=CLIENT)
    async with running_worker(settings) as running:
        yield running


async def test_a_client_may_be_made_to_prove_a_key(strict: Worker) -> None:
    """It gets no tokens without, the other does."""
    owner = await strict.signed_in()
    tv = Tv(strict)
    await tv.ask()
    await approve(strict, owner, tv.codes)
    without = await tv.poll()
    other = await tv.post("token", client_id="console-app", grant_type="refresh_token", refresh_token="x")
    tv.key = AppKey()
    polled = await tv.poll()

    assert (without.status_code, without.json()["error"]) == (400, "invalid_dpop_proof")
    assert other.json()["error"] == "invalid_grant"
    assert polled.json()["token_type"] == "DPoP"


async def test_an_app_that_is_a_web_page_may_send_proofs(worker: Worker) -> None:
    """The preflight that a browser sends before such a header is answered."""
    headers = {"origin": "null", "access-control-request-method": "POST", "access-control-request-headers": "dpop"}
    answer = await worker.client.options("/latch/oauth/token", headers=headers)

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert answer.headers["access-control-allow-headers"] == "DPoP"


def _key_of(answer: httpx.Response, worker: Worker) -> bytes:
    opened = worker.rooms.codec.open(answer.json()["refresh_token"].encode(), BoundRefreshToken)
    assert isinstance(opened, BoundRefreshToken)
    return opened.thumbprint


async def _with_codes_of(tv: Tv, key: AppKey | None) -> httpx.Response:
    """Poll with another TV's device code."""
    other = Tv(tv.worker, key=key)
    other.codes = tv.codes
    return await other.poll()


@pytest.mark.parametrize("owners", [AppKey(), None], ids=["bound", "not bound"])
async def test_one_device_code_gave_live_tokens_to_two_keys(worker: Worker, owner: Jar, owners: AppKey | None) -> None:
    """The repeat after a lost answer was for anybody with the code; now for who was answered first."""
    tv = Tv(worker, key=owners)
    await tv.ask()
    await approve(worker, owner, tv.codes)
    first = await tv.poll()
    by_another = await _with_codes_of(tv, AppKey())
    by_none = await _with_codes_of(tv, None)
    again = await tv.poll()

    assert (first.status_code, again.status_code) == (200, 200)
    assert (by_another.status_code, by_another.json()["error"]) == (400, "invalid_grant")
    assert by_none.status_code == (200 if owners is None else 400), "a code that no key was proved for is a bearer's"
    assert (await tv.verify()).status_code == 200


async def test_a_copied_refresh_token_was_bound_to_a_second_key(tv: Tv, worker: Worker, owner: Jar) -> None:
    """Token n, not bound, was exchanged for tokens of any number of keys; now of the first alone."""
    await connect(tv, worker, owner)
    copied = tv.tokens["refresh_token"]
    mine, thief, bearer = Tv(worker, key=AppKey()), Tv(worker, key=AppKey()), Tv(worker)
    bound = await mine.renewal(copied)
    by_the_thief = await thief.renewal(copied)
    as_it_was = await bearer.renewal(copied)
    repeated = await mine.renewal(copied)

    assert [answer.status_code for answer in (bound, repeated)] == [200, 200]
    assert _key_of(bound, worker) == _key_of(repeated, worker)
    for refused in (by_the_thief, as_it_was):
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await _row(worker))["state"] == "live"
    assert (await mine.renewal(bound.json()["refresh_token"])).status_code == 200


async def test_a_sign_in_from_before_it_remembered_its_key_is_bound_at_its_next_refresh(
    connected: Tv, worker: Worker
) -> None:
    """A row that was written by an older release has no key: the bound token's own is adopted."""
    (row,) = [
        key
        for key in await worker.store.redis.keys("*:session:*")
        if await worker.store.redis.hget(key, "method") == "device_code"
    ]
    await worker.store.redis.hdel(row, "bound_to")
    answer = await connected.refresh()

    assert answer.status_code == 200
    assert await worker.store.redis.hget(row, "bound_to") == _key_of(answer, worker).hex()

"""The device grant as a TV app meets it: RFC 8628 word for word, and every bad request its own error."""

import asyncio
import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from harness.asgi import ask
from harness.tv import CLIENT, DEVICE_GRANT, Tv, approve, decide
from harness.worker_app import NAVIGATION, Jar, Worker, dump
from latchstring_gateway.activation.grants import MOST_WAITING
from latchstring_gateway.ids import to_text
from latchstring_gateway.store import keys

_TOKEN = "/latch/oauth/token"
_AUTHORIZE = "/latch/oauth/device_authorization"
_FORM = {"content-type": "application/x-www-form-urlencoded"}


async def _grant(tv: Tv) -> str:
    code = tv.codes["device_code"]
    found = await tv.worker.store.redis.keys(f"{keys.prefix(int(code[:2], 16))}grant:*")
    assert len(found) == 1
    return str(found[0])


async def test_a_device_is_given_its_codes(tv: Tv) -> None:
    """Every member of RFC 8628 section 3.2, never cached."""
    answer = await tv.post("device_authorization")
    codes = answer.json()

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert sorted(codes) == [
        "device_code",
        "expires_in",
        "interval",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
    ]
    assert codes["verification_uri"] == "https://www.example.com/latch/activate"
    assert codes["verification_uri_complete"] == f"{codes['verification_uri']}?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (900, 5)
    assert set(codes["user_code"].replace("-", "")) <= set("BCDFGHJKLMNPQRSTVWXZ")


async def test_the_store_knows_no_device_code(tv: Tv) -> None:
    """Whoever reads the store, or its backup, cannot fetch anybody's tokens."""
    codes = await tv.ask()

    assert codes["device_code"][2:] not in repr(await dump(tv.worker.store))


async def test_a_tv_is_signed_in_when_its_owner_approves(tv: Tv, worker: Worker, owner: Jar) -> None:
    """Codes, a poll that waits, a yes on another device, tokens, and the website knows whose TV it is."""
    codes = await tv.ask()
    before = await tv.poll()
    assert (await approve(worker, owner, codes)).status_code == 200
    after = await tv.poll()
    seen = await tv.verify()

    assert (before.status_code, before.json()["error"]) == (400, "authorization_pending")
    assert after.status_code == 200
    assert after.headers["cache-control"] == "no-store"
    assert sorted(after.json()) == ["access_token", "expires_in", "refresh_token", "token_type"]
    assert after.json()["token_type"] == "Bearer"
    assert 0 < after.json()["expires_in"] <= 300
    assert (seen.status_code, seen.headers["x-latch-account"], seen.headers["x-latch-level"]) == (
        200,
        "ada",
        "remembered",
    )
    assert int(seen.headers["x-latch-auth-time"]) == worker.lease(owner).authenticated_at_ms // 1000
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert seen.headers["x-latch-device"] in {device["id"] for device in devices if device["kind"] == "tv"}


async def test_a_lost_answer_with_the_first_tokens_is_given_again_until_they_are_used(
    tv: Tv, worker: Worker, owner: Jar
) -> None:
    """A device code is good until the device shows that it has its tokens; then it is worth nothing."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    lost = (await tv.poll()).json()
    again = (await tv.poll()).json()
    count = len((await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"])
    await worker.store.redis.hincrby(await _session(worker), "n_issued_at_ms", -1_000)
    assert (await tv.refresh()).status_code == 200
    spent = await tv.poll()

    assert lost.keys() == again.keys()
    assert count == 2, "one browser and one TV"
    assert (spent.status_code, spent.json()["error"]) == (400, "invalid_grant")


async def _session(worker: Worker) -> str:
    for key in await worker.store.redis.keys("*:session:*"):
        if await worker.store.redis.hget(str(key), "method") == "device_code":
            return str(key)
    raise AssertionError("no session of a TV")


async def test_polls_at_once_make_one_device(tv: Tv, worker: Worker, owner: Jar) -> None:
    """An app that polls from several threads, or over several workers, is one TV with one sign-in."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    answers = await asyncio.gather(*(tv.poll() for _ in range(12)))
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    tokens = [answer.json()["access_token"] for answer in answers]
    sessions = {(await tv.verify(access_token=token)).headers["x-latch-session"] for token in tokens}

    assert {answer.status_code for answer in answers} == {200}
    assert (len(devices), len(sessions)) == (2, 1)


async def test_a_refusal_is_told(tv: Tv, worker: Worker, owner: Jar) -> None:
    """`access_denied`, and the code is dead for good."""
    await tv.ask()
    await decide(worker, owner, tv.codes["user_code"], "refuse")
    late_yes = await approve(worker, owner, tv.codes)
    polled = await tv.poll()

    assert late_yes.status_code == 400
    assert (polled.status_code, polled.json()["error"]) == (400, "access_denied")


async def test_codes_expire(tv: Tv, worker: Worker, owner: Jar) -> None:
    """`expired_token`, and nobody can approve them any more."""
    await tv.ask()
    await worker.store.redis.hset(await _grant(tv), "expires_at_ms", 1)
    late = await approve(worker, owner, tv.codes)
    polled = await tv.poll()

    assert late.status_code == 400
    assert (polled.status_code, polled.json()["error"]) == (400, "expired_token")


async def test_everything_about_a_grant_is_forgotten_in_time(tv: Tv) -> None:
    """Every key of it has a time to live."""
    await tv.ask()
    redis = tv.worker.store.redis
    made = [
        key
        for pattern in ("*:grant:*", "*:user-code:*", "*:budget:*", "*:waiting-codes")
        for key in await redis.keys(pattern)
    ]

    assert len(made) == 4
    assert all([0 < await redis.ttl(key) <= 1_800 for key in made])


async def test_several_codes_of_one_tv_are_good_at_once(tv: Tv, worker: Worker, owner: Jar) -> None:
    """The picture on the screen may be an older one than the app thinks (canonical/authd#1766)."""
    first, second = await tv.ask(), await tv.ask()
    await approve(worker, owner, first)

    assert (await tv.poll(device_code=first["device_code"])).status_code == 200
    assert (await tv.poll(device_code=second["device_code"])).json()["error"] == "authorization_pending"


async def _polled(tv: Tv, *, seconds_ago: float) -> str:
    """Poll as if the last accepted poll had been that long ago."""
    grant, redis = await _grant(tv), tv.worker.store.redis
    last = await redis.hget(grant, "polled_at_ms")
    if last is not None:
        now = await redis.time()
        await redis.hset(grant, "polled_at_ms", round(now[0] * 1000 + now[1] / 1000 - seconds_ago * 1000))
    error: str = (await tv.poll()).json()["error"]
    return error


async def test_the_first_poll_is_free_and_the_interval_has_a_second_of_tolerance(tv: Tv) -> None:
    """At once, and then every 5 seconds or a little less."""
    await tv.ask()

    assert [await _polled(tv, seconds_ago=ago) for ago in (0, 5, 4.2)] == ["authorization_pending"] * 3


async def test_who_polls_too_early_waits_five_seconds_longer_each_time(tv: Tv) -> None:
    """`slow_down` adds 5 seconds to this and every later interval, up to a minute."""
    await tv.ask()
    answers = [await _polled(tv, seconds_ago=ago) for ago in (0, 2, 6, 13, 15)]
    intervals = await tv.worker.store.redis.hget(await _grant(tv), "interval_ms")

    assert answers == ["authorization_pending", "slow_down", "slow_down", "slow_down", "slow_down"]
    assert intervals == "25000"


async def test_a_client_that_never_slows_down_is_not_shut_out(tv: Tv) -> None:
    """What is too early does not count as the last poll, so a fixed cadence is in time again (H2CK/oidc#716)."""
    await tv.ask()
    grant, redis = await _grant(tv), tv.worker.store.redis
    await tv.poll()
    accepted = int(str(await redis.hget(grant, "polled_at_ms")))
    for _ in range(30):
        assert (await tv.poll()).json()["error"] == "slow_down"
    assert int(str(await redis.hget(grant, "polled_at_ms"))) == accepted
    assert await redis.hget(grant, "interval_ms") == "60000"

    assert await _polled(tv, seconds_ago=60) == "authorization_pending"


async def test_an_impatient_client_gets_what_was_approved(tv: Tv, worker: Worker, owner: Jar) -> None:
    """Never `slow_down` once there is an answer."""
    await tv.ask()
    for _ in range(5):
        await tv.poll()
    await approve(worker, owner, tv.codes)

    assert (await tv.poll()).status_code == 200


async def test_a_device_code_is_its_clients_alone(tv: Tv, worker: Worker, owner: Jar) -> None:
    """Another registered app learns nothing by it, approved or not."""
    await tv.ask()
    early = await tv.poll(client_id="console-app")
    await approve(worker, owner, tv.codes)
    late = await tv.poll(client_id="console-app")

    assert {answer.json()["error"] for answer in (early, late)} == {"invalid_grant"}
    assert (await tv.poll()).status_code == 200


async def test_an_approval_does_not_outlive_the_password_it_rests_on(tv: Tv, worker: Worker, owner: Jar) -> None:
    """Signed out everywhere between the yes and the poll: the TV does not come in after it."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    await worker.api("POST", "/v1/accounts/ada/revoke")
    polled = await tv.poll()

    assert (polled.status_code, polled.json()["error"]) == (400, "access_denied")


@pytest.mark.parametrize("put_out", ["device", "session", "others"])
async def test_an_intruder_keeps_no_approval_in_store(tv: Tv, worker: Worker, owner: Jar, put_out: str) -> None:
    """He approves a TV of his and lets it wait; the owner puts him out; the TV does not come in behind her back."""
    intruder = await worker.signed_in()
    await tv.ask()
    await approve(worker, intruder, tv.codes)
    lease, kept = worker.lease(intruder), to_text(worker.lease(owner).device)
    base = "/v1/accounts/ada"
    if put_out == "device":
        await worker.api("DELETE", f"{base}/devices/{to_text(lease.device)}")
    elif put_out == "session":
        await worker.api("DELETE", f"{base}/sessions/{to_text(lease.session)}")
    else:
        await worker.api("POST", f"{base}/devices/remove-others", {"keep": kept})
    polled = await tv.poll()

    assert (polled.status_code, polled.json()["error"]) == (400, "access_denied")
    devices = (await worker.api("GET", f"{base}/devices")).json()["devices"]
    assert "tv" not in {device["kind"] for device in devices}


async def test_who_signs_out_after_the_tv_came_in_leaves_it_in(tv: Tv, worker: Worker, owner: Jar) -> None:
    """Also where the answer with the tokens was lost, and is asked for again."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    await tv.poll()
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{to_text(worker.lease(owner).session)}")

    assert (await tv.poll()).status_code == 200
    assert (await tv.verify()).status_code == 200


async def test_a_tv_that_was_removed_before_it_polled_again_stays_out(tv: Tv, worker: Worker, owner: Jar) -> None:
    """The answer was lost, the owner removes the device: the repeated poll brings nothing back."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    await tv.poll()
    device = (await tv.verify()).headers["x-latch-device"]
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")

    assert (await tv.poll()).json()["error"] == "access_denied"


_GOOD = f"client_id={CLIENT}&grant_type={DEVICE_GRANT}&device_code=x"
_BAD_REQUESTS: dict[str, tuple[str, str | bytes, dict[str, str], int, str]] = {
    "no client": (_AUTHORIZE, "", _FORM, 400, "invalid_request"),
    "blank client": (_AUTHORIZE, "client_id=", _FORM, 400, "invalid_request"),
    "unknown client": (_AUTHORIZE, "client_id=nobody", _FORM, 401, "invalid_client"),
    "basic": (_AUTHORIZE, f"client_id={CLIENT}", {**_FORM, "authorization": "Basic eDp5"}, 401, "invalid_client"),
    "secret": (_AUTHORIZE, f"client_id={CLIENT}&client_secret=s", _FORM, 401, "invalid_client"),
    "scope": (_AUTHORIZE, f"client_id={CLIENT}&scope=admin", _FORM, 400, "invalid_scope"),
    "scope of a refresh": (
        _TOKEN, f"client_id={CLIENT}&grant_type=refresh_token&refresh_token=x&scope=admin", _FORM, 400, "invalid_scope",
    ),
    "client twice": (_AUTHORIZE, f"client_id={CLIENT}&client_id={CLIENT}", _FORM, 400, "invalid_request"),
    "json": (_AUTHORIZE, '{"client_id": "x"}', {"content-type": "application/json"}, 415, "invalid_request"),
    "xml": (_TOKEN, "<client_id/>", {"content-type": "text/xml"}, 415, "invalid_request"),
    "multipart": (_TOKEN, "--x\r\n", {"content-type": "multipart/form-data; boundary=x"}, 415, "invalid_request"),
    "no type": (_TOKEN, _GOOD, {}, 415, "invalid_request"),
    "not utf-8": (_TOKEN, "client_id=%ff", _FORM, 400, "invalid_request"),
    "raw bytes": (_TOKEN, b"client_id=\xff\x00", _FORM, 400, "invalid_request"),
    "no grant": (_TOKEN, f"client_id={CLIENT}", _FORM, 400, "invalid_request"),
    "no device code": (_TOKEN, f"client_id={CLIENT}&grant_type={DEVICE_GRANT}", _FORM, 400, "invalid_request"),
    "password grant": (_TOKEN, f"client_id={CLIENT}&grant_type=password", _FORM, 400, "unsupported_grant_type"),
    "bad device code": (_TOKEN, _GOOD, _FORM, 400, "invalid_grant"),
    "made-up device code": (_TOKEN, _GOOD[:-1] + "3f" + "A" * 43, _FORM, 400, "invalid_grant"),
    "code twice": (_TOKEN, f"{_GOOD}&device_code=y", _FORM, 400, "invalid_request"),
    "no refresh token": (_TOKEN, f"client_id={CLIENT}&grant_type=refresh_token", _FORM, 400, "invalid_request"),
    "bad refresh token": (
        _TOKEN, f"client_id={CLIENT}&grant_type=refresh_token&refresh_token=%00v1.x.y.z", _FORM, 400, "invalid_grant",
    ),
    "wide refresh token": (
        _TOKEN, f"client_id={CLIENT}&grant_type=refresh_token&refresh_token=%F0%9F%93%BA", _FORM, 400, "invalid_grant",
    ),
    "forty fields": (_TOKEN, "&".join(f"f{i}=1" for i in range(40)), _FORM, 400, "invalid_request"),
    "a megabyte": (_TOKEN, "client_id=" + "x" * 1_000_000, _FORM, 413, "invalid_request"),
}  # fmt: skip


async def test_a_bad_request_is_told_why_in_the_words_of_the_rfc(worker: Worker) -> None:
    """JSON with `error`, nothing written, nothing repeated of what was sent."""
    before = await dump(worker.store)

    for name, (path, body, headers, status, error) in _BAD_REQUESTS.items():
        answer = await worker.client.post(path, content=body, headers=headers)

        told: dict[str, Any] = answer.json()
        assert (answer.status_code, told["error"]) == (status, error), name
        assert answer.headers["content-type"] == "application/json", name
        assert answer.headers["cache-control"] == "no-store", name
        assert all("\x20" <= c <= "\x7e" and c not in '"\\' for c in told["error_description"]), name
        assert ("www-authenticate" in answer.headers) is ("authorization" in headers), name
    assert await dump(worker.store) == before


#: What each endpoint takes, so that only the form of it is wrong below.
_FIELDS: dict[str, dict[str, str]] = {
    _AUTHORIZE: {"client_id": CLIENT},
    _TOKEN: {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": "x"},
    "/latch/oauth/revoke": {"client_id": CLIENT, "token": "x"},
    "/v1/introspect": {"token": "x"},
}
_MULTIPART = "".join(
    f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    for name, value in {"client_id": CLIENT, "token": "x"}.items()
)


def _no_forms(fields: dict[str, str]) -> dict[str, tuple[bytes, str | None, int]]:
    """Bodies and content types of what is no form of these fields, and the status of each."""
    form = "application/x-www-form-urlencoded"
    right = urlencode(fields).encode()
    found: dict[str, tuple[bytes, str | None, int]] = {
        "json": (json.dumps(fields).encode(), "application/json", 415),
        "json called a form": (json.dumps(fields).encode(), form, 400),
        "xml": (b"<?xml version='1.0'?><token>x</token>", "application/xml", 415),
        "multipart": (f"{_MULTIPART}--b--\r\n".encode(), "multipart/form-data; boundary=b", 415),
        "plain": (right, "text/plain", 415),
        "no type": (right, None, 415),
        "two types": (right, f"{form}, application/json", 415),
        "utf-16": (right.decode().encode("utf-16"), form, 400),
        "gzip": (gzip.compress(right), form, 400),
        "a megabyte": (right + b"&padding=" + b"x" * 1_000_000, form, 413),
        "upper case": (right.upper(), form, 400),
        "nothing": (b"", form, 400),
    }
    for name, value in fields.items():
        found[f"{name} twice"] = (right + b"&" + urlencode({name: value}).encode(), form, 400)
        found[f"{name} twice, once blank"] = (right + f"&{name}=".encode(), form, 400)
    return found


@pytest.mark.parametrize("path", _FIELDS)
async def test_what_is_no_form_is_refused_at_every_endpoint(worker: Worker, path: str) -> None:
    """400, 413 or 415 with `invalid_request`, never a 500, and nothing is written; a form with a charset is one."""
    credential = {"authorization": f"Bearer {worker.service_key}"} if path.startswith("/v1/") else {}
    before = await dump(worker.store)
    for name, (body, media_type, status) in _no_forms(_FIELDS[path]).items():
        headers = credential if media_type is None else {**credential, "content-type": media_type}
        answer = await worker.client.post(path, content=body, headers=headers)

        assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request"), name
        assert answer.headers["cache-control"] == "no-store", name
    in_the_address = await worker.client.post(f"{path}?{urlencode(_FIELDS[path])}", headers={**_FORM, **credential})
    assert (in_the_address.status_code, in_the_address.json()["error"]) == (400, "invalid_request")
    assert await dump(worker.store) == before
    charset = {"content-type": "Application/X-WWW-Form-URLEncoded; charset=UTF-8", **credential}
    taken = await worker.client.post(path, content=urlencode(_FIELDS[path]), headers=charset)
    assert taken.json().get("error") != "invalid_request"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", list(_FIELDS)[:3])
async def test_only_posts_are_taken(worker: Worker, path: str, method: str) -> None:
    """A code or token in an address would stand in logs."""
    assert (await worker.client.request(method, f"{path}?client_id={CLIENT}")).status_code == 405


@pytest.mark.parametrize("agent", [b"", b"x" * 60_000, b"\xff\xfe\x80", b"<script>alert(1)</script>", b"\t{{7*7}}%s"])
async def test_whatever_a_device_calls_itself_is_shown_harmless(worker: Worker, owner: Jar, agent: bytes) -> None:
    """User agents that are blank, endless, no text or a script are asked about like any other."""
    asked = await worker.client.post(_AUTHORIZE, data={"client_id": CLIENT}, headers=[(b"user-agent", agent)])
    page = await worker.client.get(
        f"/latch/activate?user_code={asked.json()['user_code']}", headers={**NAVIGATION, "cookie": owner.header()}
    )

    assert (asked.status_code, page.status_code) == (200, 200)
    assert "Connect this" in page.text
    assert "<script" not in page.text
    assert len(page.text) < 20_000


async def test_more_than_two_megabytes_are_not_read(worker: Worker) -> None:
    """The limit before every endpoint holds here too."""
    answer = await worker.client.post(_TOKEN, content=b"x" * 2_000_000, headers=_FORM)

    assert answer.status_code == 413


async def test_an_app_that_is_a_web_page_may_ask(tv: Tv) -> None:
    """HTML apps on TVs have origins of their own, or null; no cookie is looked at here."""
    tv.headers["origin"] = "null"
    answer = await tv.post("device_authorization")

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


async def test_behind_a_unix_socket_the_network_is_the_browsers_too(worker: Worker) -> None:
    """A proxy that has no address is trusted to say whose request it is: the budget is that network's, and kept."""
    answer = await ask(
        worker.edge.asgi,
        method="POST",
        path="/latch/oauth/device_authorization",
        query_string=b"",
        headers=[
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"x-forwarded-for", b"203.0.113.77"),
        ],
        client=None,
        server=("/run/latchstring.sock", None),
        chunks=[f"client_id={CLIENT}".encode()],
    )
    redis = worker.store.redis
    grants = [await redis.hget(str(key), "network") for key in await redis.keys("*:grant:*")]

    assert answer.status == 200
    assert grants == ["203.0.113.0/24"]
    assert len(await redis.keys("*:budget:*")) == 1


async def test_one_network_may_not_ask_for_codes_without_end(tv: Tv, worker: Worker) -> None:
    """After 300 in ten minutes it is told to wait; others go on."""
    for _ in range(300):
        assert (await tv.post("device_authorization")).status_code == 200
    refused = await tv.post("device_authorization")
    elsewhere = await Tv(worker, address="203.0.113.200").post("device_authorization")

    assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(refused.headers["retry-after"]) <= 600
    assert elsewhere.status_code == 200


async def test_too_many_waiting_codes_make_new_ones_wait(tv: Tv, worker: Worker) -> None:
    """With more of them a random guess would hit too often."""
    far_future = 2**52
    many = {f"filler-{number}": far_future for number in range(MOST_WAITING)}
    await worker.store.redis.zadd(keys.WAITING_CODES, many)
    answer = await tv.post("device_authorization")

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")

"""Forward auth on behalf of a proxy: whose word counts, and what the proxy gets to pass on."""

import httpx
import pytest

from harness.worker_app import FORWARDED, IDENTITY, NAVIGATION, RUN, Jar, Worker, now_ms, set_cookies
from latchstring_gateway.ids import Account
from latchstring_gateway.sessions import return_path
from latchstring_gateway.store import keys


async def _target(worker: Worker, answer: httpx.Response) -> str:
    # Where the sealed return value of a redirect leads.
    sealed = answer.headers["location"].partition("return=")[2].partition("&")[0]
    return return_path.open_target(worker.rooms.codec, sealed, now_ms=now_ms())


async def test_the_return_target_is_the_original_request_s(worker: Worker) -> None:
    """Path and query as the browser sent them, sealed."""
    answer = await worker.navigate(None, **{"x-forwarded-uri": "/watch?title=7&next=%2F"})

    assert answer.status_code == 303
    assert await _target(worker, answer) == "/watch?title=7&next=%2F"


@pytest.mark.parametrize("uri", ["//evil.com/x", "/\\evil.com", "/" + "a" * 5_000, "/caf\xe9//", "*"])
async def test_a_request_for_a_strange_target_comes_back_to_a_page_of_ours(worker: Worker, uri: str) -> None:
    """Whatever was asked for, the way back after the sign-in stays on the host."""
    answer = await worker.navigate(None, **{"x-forwarded-uri": uri})

    target = await _target(worker, answer)
    assert return_path.is_own(target)
    assert "evil" not in target


_HOSTILE: list[dict[str, str]] = [
    {"x-forwarded-uri": "http://h/public"},
    {"x-forwarded-uri": "/a b"},
    {"x-forwarded-uri": "/a\x00b"},
    {"x-forwarded-uri": "watch"},
    {"x-forwarded-method": "get"},
    {"x-forwarded-method": "G E T"},
    {"x-forwarded-host": "\x00not-one-factor.example.com"},
    {"x-forwarded-host": "a.example.com, b.example.com"},
    {"x-forwarded-proto": "evil_protocol"},
    {"connection": "close, X-Forwarded-Method"},
]


async def test_a_proxy_that_describes_what_no_browser_sends_gets_400(worker: Worker) -> None:
    """No policy is skipped over a request that cannot be read; the same for one half described or described twice."""
    for hostile in _HOSTILE:
        answer = await worker.verify(None, **hostile)
        assert (answer.status_code, answer.json()["code"][:10]) == (400, "forwarded_"), hostile
    half = await worker.client.get("/verify", headers={"x-forwarded-uri": "/watch"})
    twice = await worker.client.get("/verify", headers=[*FORWARDED.items(), ("x-forwarded-host", "evil.example")])

    assert (half.status_code, half.json()["code"]) == (400, "forwarded_incomplete")
    assert (twice.status_code, twice.json()["code"]) == (400, "forwarded_duplicate")


async def test_a_strangers_forwarded_headers_say_nothing(worker: Worker) -> None:
    """From a peer that is no proxy of ours the request itself is judged (CVE-2026-40575)."""
    transport = httpx.ASGITransport(worker.edge.asgi, client=("192.0.2.66", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://www.example.com") as stranger:
        headers = {**FORWARDED, **NAVIGATION, "x-forwarded-uri": "/skip/auth", "x-latch-account": "ada"}
        answer = await stranger.get("/verify", headers=headers)

    assert answer.status_code == 303
    assert await _target(worker, answer) == "/verify"
    assert not [name for name in IDENTITY if name in answer.headers]


async def test_nothing_in_the_query_changes_what_is_asked(worker: Worker) -> None:
    """Manner and redirect are the operator's (mkuhlmann/forward-auth#12)."""
    headers = {**FORWARDED, **NAVIGATION}
    answer = await worker.client.get("/verify?redirect_uri=https://evil.com&manner=optional", headers=headers)

    assert answer.status_code == 303
    assert "evil" not in answer.headers["location"]


async def test_the_sign_in_page_gets_no_renewed_cookie(worker: Worker) -> None:
    """Its answer may carry the cookie of a new session, which the former one's must not follow."""
    jar = worker.run_out(await worker.signed_in())

    at_sign_in = await worker.navigate(jar, "/optional", **{"x-forwarded-uri": "/sign-in?return=x"})
    elsewhere = await worker.navigate(jar, "/optional")

    assert at_sign_in.headers["x-latch-account"] == "ada"
    assert set_cookies(at_sign_in) == []
    assert len(set_cookies(elsewhere)) == 1


async def test_a_route_may_ask_how_long_ago_the_password_was_given(worker: Worker) -> None:
    """Younger passes; older is 401 with what is asked, or a redirect to sign in; and signing in again helps."""
    jar = Jar()
    await worker.sign_in(jar=jar, authenticated_at_ms=now_ms() - 60_000)

    younger = await worker.verify(jar, x_latch_require="max-auth-age=90")
    fetch = await worker.verify(jar, x_latch_require="max-auth-age=30")
    page = await worker.navigate(jar, x_latch_require="max-auth-age=30")
    await worker.sign_in(jar=jar)
    again = await worker.verify(jar, x_latch_require="max-auth-age=30")

    assert (younger.status_code, again.status_code) == (200, 200)
    problem = fetch.json()
    assert (fetch.status_code, problem["code"], problem["max_age"]) == (401, "authentication_too_old", 30)
    assert 'max_age="30"' in fetch.headers["www-authenticate"]
    assert (page.status_code, page.headers["location"][-8:]) == (303, "&fresh=1")
    assert set_cookies(fetch) + set_cookies(page) == []


async def test_a_remembered_visitor_meets_an_age_but_not_freshness(worker: Worker) -> None:
    """Without the run cookie he is recognised; the header asks for freshness as the path does."""
    jar = await worker.signed_in()
    del jar[RUN]

    aged = await worker.verify(jar, x_latch_require="max-auth-age=300")
    fresh = await worker.verify(jar, x_latch_require="fresh, max-auth-age=300")
    optional = await worker.verify(jar, "/optional", x_latch_require="fresh")

    assert (aged.status_code, aged.headers["x-latch-level"]) == (200, "remembered")
    assert (fresh.status_code, fresh.json()["code"]) == (401, "fresh_required")
    assert [optional.headers[name] for name in IDENTITY] == [""] * 6, "who does not meet it is nobody there"


@pytest.mark.parametrize("path", ["", "/fresh", "/optional", "/background"])
async def test_a_requirement_that_cannot_be_read_lets_nobody_in(worker: Worker, path: str) -> None:
    """400 with a code, on every path, for members too; nothing of what was said comes back."""
    jar = await worker.signed_in()

    for said in ("frsh", "max-auth-age=soon", ""):
        answer = await worker.verify(jar, path, x_latch_require=said)

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_requirement")
        assert answer.headers["x-latch-problem"] == answer.text
        assert not [name for name in IDENTITY if name in answer.headers]
        assert "frsh" not in answer.text + "soon"


async def test_a_poll_named_by_the_header_extends_nothing(worker: Worker) -> None:
    """The store is asked and the idle limit stays where it was."""
    jar = await worker.signed_in()
    record = keys.session(keys.partition_of(Account("ada")), (await worker.verify(jar)).headers["x-latch-session"])
    early = now_ms() + 60_000
    await worker.store.redis.hset(record, "fresh_until_ms", early)

    polled = await worker.verify(worker.run_out(jar), x_latch_require="background")
    after_poll = await worker.store.redis.hget(record, "fresh_until_ms")
    await worker.verify(worker.run_out(jar))

    assert (polled.status_code, set_cookies(polled)) == (200, [])
    assert after_poll == str(early)
    assert int(await worker.store.redis.hget(record, "fresh_until_ms") or 0) > early


async def test_a_refusal_names_its_code_also_in_a_header(worker: Worker) -> None:
    """A proxy may throw away the body of a sub-request's answer, as nginx does; the page can still tell why."""
    jar = await worker.signed_in()
    del jar[RUN]

    refused = await worker.verify(None)
    stale = await worker.verify(jar, "/fresh")

    assert refused.headers["x-latch-problem"] == refused.text
    assert refused.json()["code"] == "not_signed_in"
    assert stale.json()["code"] == "fresh_required"

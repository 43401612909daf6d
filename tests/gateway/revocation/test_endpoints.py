"""The backend's URLs that end things: what they do, what they refuse, and that a refusal changes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.worker_app import Worker, dump, now_ms, running_worker, settings_for
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


async def test_ending_a_session_gives_a_complete_receipt_and_leaves_the_others(worker: Worker) -> None:
    """200 once every worker has applied it; the receipt can be read again."""
    jar, other = await worker.signed_in(), await worker.signed_in()
    session = (await worker.verify(jar)).headers["x-latch-session"]

    answer = await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")
    receipt = answer.json()
    read_again = await worker.api("GET", f"/v1/revocations/{receipt['id']}")

    assert answer.status_code == 200
    assert (receipt["status"], receipt["applied"], receipt["workers"], receipt["missing"]) == ("complete", 1, 1, [])
    assert receipt["durable"]
    assert read_again.json() == receipt
    assert (await worker.verify(jar)).status_code == 401
    assert (await worker.verify(other)).status_code == 200


#: Method, path, status, code.
_NOT_THERE = [
    ("DELETE", "/v1/accounts/ada/sessions/short", 400, "bad_session_id"),
    ("DELETE", "/v1/accounts/ada/sessions/AAAAAAAAAAAAAAAAAAAAAA", 404, "unknown_session"),
    ("DELETE", "/v1/accounts/bob/sessions/{session}", 404, "unknown_session"),
    ("DELETE", "/v1/accounts/a%20da/sessions/{session}", 400, "bad_account"),
    ("POST", f"/v1/accounts/{'a' * 256}/revoke", 400, "bad_account"),
    ("POST", "/v1/accounts/%FFda/revoke", 400, "bad_account"),
    ("GET", "/v1/revocations/zz", 404, "unknown_revocation"),
    ("GET", "/v1/revocations/-1.x", 404, "unknown_revocation"),
    ("GET", "/v1/revocations/00.AAAAAAAAAAAAAAAAAAAAAA", 404, "unknown_revocation"),
    ("GET", "/v1/revocations/everybody.AAAAAAAAAAAAAAAAAAAAAA", 404, "unknown_revocation"),
    ("GET", "/v1/nothing", 404, "no_such_url"),
    ("GET", "/v1/sessions", 405, "method_not_allowed"),
    ("POST", "/v1/sessions/", 404, "no_such_url"),
    ("POST", "/v1/accounts/a%20da/disable", 400, "bad_account"),
    ("POST", "/v1/accounts/a%20da/enable", 400, "bad_account"),
    ("GET", "/v1/revoke-everybody", 405, "method_not_allowed"),
]


async def test_what_does_not_exist_is_a_problem_and_changes_nothing(worker: Worker) -> None:
    """Another account's session is unknown, like one that never was."""
    jar = await worker.signed_in()
    session = (await worker.verify(jar)).headers["x-latch-session"]
    before = await dump(worker.store)

    for method, path, status, code in _NOT_THERE:
        answer = await worker.api(method, path.format(session=session))

        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    assert await dump(worker.store) == before
    assert (await worker.verify(jar)).status_code == 200


async def test_the_same_idempotency_key_gives_the_same_revocation(worker: Worker) -> None:
    """A website that got no answer asks again without signing out whoever came back in between."""
    await worker.signed_in()
    first = await worker.api("POST", "/v1/accounts/ada/revoke", **{"idempotency-key": "k-1"})
    jar = await worker.signed_in()
    again = await worker.api("POST", "/v1/accounts/ada/revoke", **{"idempotency-key": "k-1"})
    another = await worker.api("POST", "/v1/accounts/ada/revoke", **{"idempotency-key": "k-2"})

    assert again.json()["id"] == first.json()["id"]
    assert another.json()["id"] != first.json()["id"]
    assert (await worker.verify(jar)).status_code == 401


async def test_a_bad_idempotency_key_is_refused_before_anything_happens(worker: Worker) -> None:
    """A key that we would cut or change might meet another one."""
    jar = await worker.signed_in()
    credential = (b"authorization", f"Bearer {worker.service_key}".encode())

    for key in (b"", b"x" * 65, b"a b", b"caf\xe9"):
        answer = await worker.client.post("/v1/accounts/ada/revoke", headers=[credential, (b"idempotency-key", key)])

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert (await worker.verify(jar)).status_code == 200


async def test_a_disabled_account_is_out_at_once_and_stays_out_until_it_is_enabled(worker: Worker) -> None:
    """Disabling has a receipt; after enabling only a password checked since opens, and no old cookie."""
    jar = await worker.signed_in()

    disabled = await worker.api("POST", "/v1/accounts/ada/disable")
    out = (await worker.verify(jar)).status_code, (await worker.verify(worker.run_out(jar))).status_code
    checked_while_disabled = now_ms()
    refused = await worker.sign_in()
    enabled = [await worker.api("POST", "/v1/accounts/ada/enable") for _ in range(2)]

    assert (disabled.status_code, disabled.json()["status"]) == (200, "complete")
    assert out == (401, 401)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_disabled")
    assert [answer.status_code for answer in enabled] == [204, 204]
    assert (await worker.verify(jar)).status_code == 401
    assert (await worker.sign_in(authenticated_at_ms=checked_while_disabled)).status_code == 201
    events: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(Account("ada"))))
    assert [e["type"] for _, e in events if e["type"].startswith("account")] == ["account.disabled", "account.enabled"]


async def test_a_password_checked_before_the_disabling_does_not_open_the_enabled_account(worker: Worker) -> None:
    """Whoever was under way then is not let in afterwards."""
    checked_at = now_ms()
    await worker.api("POST", "/v1/accounts/ada/disable")
    await worker.api("POST", "/v1/accounts/ada/enable")

    refused = await worker.sign_in(authenticated_at_ms=checked_at)

    assert (refused.status_code, refused.json()["code"]) == (409, "sign_in_overtaken")


async def test_an_account_never_seen_can_be_disabled(worker: Worker) -> None:
    """The website knows accounts that have not been here yet."""
    await worker.api("POST", "/v1/accounts/new/disable")

    assert (await worker.sign_in("new")).status_code == 409

"""The backend's URLs: what they refuse, in words a programmer can use, and that a refusal changes nothing."""

from typing import Any

from harness.worker_app import Worker, dump, now_ms

_GOOD: dict[str, Any] = {"account": "ada", "authenticated_at_ms": 0}


#: Each makes a good sign-in bad.
_BAD_FIELDS: list[dict[str, Any]] = [
    {"account": ""},
    {"account": "a" * 65},
    {"account": "ada\n"},
    {"account": "ada}{x"},
    {"account": "ada lovelace"},
    {"account": "\u0430da"},
    {"account": None},
    {"account": 7},
    {"authenticated_at_ms": "now"},
    {"authenticated_at_ms": -1},
    {"authenticated_at_ms": 2**53},
    {"authenticated_at_ms": 1.5},
    {"remember": "yes"},
    {"method": "Pass Word"},
    {"method": ""},
    {"browser": {"cookie": "x" * 16_385}},
    {"browser": {"agent": "x"}},
    {"browser": []},
    {"return": "x" * 2_049},
    {"return_to": "/"},
    {"remembered": True},
]


async def test_a_sign_in_with_a_bad_field_is_refused_by_name(worker: Worker) -> None:
    """400 with a code; nothing is stored, and nothing long is sent back."""
    before = await dump(worker.store)

    for changes in _BAD_FIELDS:
        answer = await worker.api("POST", "/v1/sessions", {**_GOOD, "authenticated_at_ms": now_ms(), **changes})

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_field"), changes
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 600
    assert await dump(worker.store) == before


async def test_every_allowed_account_can_sign_in_and_be_listed(worker: Worker) -> None:
    """The alphabet of accounts passes through body, path and header unchanged."""
    for account in ("a", "a" * 64, "ada.l+x@example.com", "urn:ada_1-2"):
        jar = await worker.signed_in(account)

        verified = await worker.verify(jar)
        listed = await worker.api("GET", f"/v1/accounts/{account}/devices")

        assert verified.headers["x-latch-account"] == account
        assert len(listed.json()["devices"]) == 1


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
    ("POST", f"/v1/accounts/{'a' * 65}/revoke", 400, "bad_account"),
    ("POST", "/v1/accounts/%D0%B0da/revoke", 400, "bad_account"),
    ("GET", "/v1/revocations/zz", 404, "unknown_revocation"),
    ("GET", "/v1/revocations/-1.x", 404, "unknown_revocation"),
    ("GET", "/v1/revocations/00.AAAAAAAAAAAAAAAAAAAAAA", 404, "unknown_revocation"),
    ("GET", "/v1/nothing", 404, "no_such_url"),
    ("GET", "/v1/sessions", 405, "method_not_allowed"),
    ("POST", "/v1/sessions/", 404, "no_such_url"),
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

"""Introspection tells a backend about good access tokens, and of everything else only that it is not good."""

import pytest
from msgspec.structs import replace

from harness.tv import CLIENT, Tv, approve
from harness.worker_app import SESSION, Jar, Worker
from latchstring_gateway.tokens.purposes import AccessToken

_URL = "/v1/introspect"


async def _introspect(worker: Worker, token: str, key: str | None = None) -> dict[str, object]:
    headers = {"authorization": f"Bearer {key or worker.service_key}"}
    answer = await worker.client.post(_URL, data={"token": token}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told: dict[str, object] = answer.json()
    return told


@pytest.fixture
async def connected(tv: Tv, worker: Worker, owner: Jar) -> Tv:
    """A TV that is signed in."""
    await tv.ask()
    await approve(worker, owner, tv.codes)
    await tv.poll()
    return tv


async def test_an_access_token_is_told_as_forward_auth_tells_it(connected: Tv, worker: Worker) -> None:
    """The same account, session and device, and when it ends."""
    told = await _introspect(worker, connected.tokens["access_token"])
    seen = (await connected.verify()).headers

    assert told["active"] is True
    assert (told["client_id"], told["token_type"], told["iss"]) == (CLIENT, "Bearer", "https://www.example.com")
    assert [told[name] for name in ("sub", "session", "device")] == [
        seen[f"x-latch-{name}"] for name in ("account", "session", "device")
    ]
    assert isinstance(told["exp"], int)
    assert isinstance(told["iat"], int)
    assert 0 < told["exp"] - told["iat"] <= 300


async def test_of_everything_else_it_is_told_only_that_it_is_not_good(
    connected: Tv, worker: Worker, owner: Jar
) -> None:
    """A refresh token, a cookie, one that is over, altered or removed, and noise: the same few bytes."""
    access = connected.tokens["access_token"]
    lease = worker.rooms.codec.open(access.encode(), AccessToken)
    assert isinstance(lease, AccessToken)
    over = replace(lease, issued_at_ms=lease.issued_at_ms - 400_000, lease_end_ms=lease.issued_at_ms - 100_000)
    bad = [
        connected.tokens["refresh_token"],
        owner[SESSION],
        worker.rooms.codec.seal(over).decode(),
        access[:-2] + "AA",
        "noise",
        "\N{TELEVISION}",
        "x" * 10_000,
    ]
    for token in bad:
        assert await _introspect(worker, token) == {"active": False}
    device = (await connected.verify()).headers["x-latch-device"]
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")

    assert await _introspect(worker, access) == {"active": False}


async def test_only_service_keys_may_ask(connected: Tv, worker: Worker) -> None:
    """Nobody tries tokens out, not even the TV its own."""
    token = connected.tokens["access_token"]
    for headers in ({}, {"authorization": f"Bearer {token}"}, {"authorization": "Bearer lsk_x"}):
        answer = await worker.client.post(_URL, data={"token": token}, headers=headers)

        assert answer.status_code == 401
        assert "active" not in answer.text


async def test_what_is_no_question_is_told_so(worker: Worker) -> None:
    """No token, two, and JSON."""
    headers = {"authorization": f"Bearer {worker.service_key}", "content-type": "application/x-www-form-urlencoded"}
    for body, media_type, status in (
        ("", headers["content-type"], 400),
        ("token=a&token=b", headers["content-type"], 400),
        ('{"token": "a"}', "application/json", 415),
    ):
        answer = await worker.client.post(_URL, content=body, headers={**headers, "content-type": media_type})

        assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")

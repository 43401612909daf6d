"""The backend's sign-in URL: what it refuses, in words a programmer can use, and that a refusal changes nothing."""

from typing import Any

from harness.worker_app import Worker, dump, now_ms
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys

ADA = Account("ada")

_GOOD: dict[str, Any] = {"account": "ada", "authenticated_at_ms": 0}


#: Each makes a good sign-in bad.
_BAD_FIELDS: list[dict[str, Any]] = [
    {"account": ""},
    {"account": "a" * 256},
    {"account": "ada\n"},
    {"account": "ada\u202e"},
    {"account": "ada lovelace"},
    {"account": ".."},
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
    {"browser": {"client_hints": "?1"}},
    {"browser": {"client_hints": {"sec-ch-ua-model": 7}}},
    {"browser": {"client_hints": {"sec-ch-ua-model": "x" * 1_025}}},
    {"browser": {"client_hints": {f"sec-ch-{n}": "" for n in range(33)}}},
    {"return": "x" * 2_049},
    {"return_to": "/"},
    {"remembered": True},
]


async def test_a_sign_in_with_a_bad_field_is_refused_by_name(worker: Worker) -> None:
    """400 with a code; nothing is stored, and nothing long is sent back."""
    before = await dump(worker.store)

    for changes in _BAD_FIELDS:
        answer = await worker.api("POST", "/v1/sessions", {**_GOOD, "authenticated_at_ms": now_ms(), **changes})

        code = "bad_account" if isinstance(changes.get("account"), str) else "bad_field"
        assert (answer.status_code, answer.json()["code"]) == (400, code), changes
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 600
    assert await dump(worker.store) == before


async def test_client_hints_name_the_model_that_the_agent_keeps_back(worker: Worker) -> None:
    """For the card; a renewal, which goes by the agent alone, is compared with what the agent alone says."""
    agent = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36"
    hints = {"Sec-CH-UA-Model": '"BRAVIA 4K VH2"', "Sec-CH-UA-Platform": '"Android"'}
    started = await worker.sign_in(browser={"user_agent": agent, "client_hints": hints})
    device = started.json()["device"]
    session = await worker.store.redis.hgetall(keys.session(keys.partition_of(ADA), started.json()["session"]["id"]))

    assert (device["kind"], device["name"]) == ("tv", "Sony BRAVIA 4K VH2")
    assert session["kind"] == "tablet"


async def test_every_allowed_account_can_sign_in_and_be_listed(worker: Worker) -> None:
    """The alphabet of accounts passes through body, path and header unchanged."""
    for account in ("a", "a" * 64, "ada.l+x@example.com", "urn:ada_1-2"):
        jar = await worker.signed_in(account)

        verified = await worker.verify(jar)
        listed = await worker.api("GET", f"/v1/accounts/{account}/devices")

        assert verified.headers["x-latch-account"] == account
        assert len(listed.json()["devices"]) == 1

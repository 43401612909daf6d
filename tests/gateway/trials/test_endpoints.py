"""The backend's calls about free trials: good answers, bad input, and what log and metrics tell."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from harness.worker_app import Worker, dump, running_worker, settings_for
from latchstring_gateway.ids import is_id
from latchstring_gateway.metrics import TRIALS
from latchstring_gateway.tokens.rotation import rotate

_ADA = {"trial": "free-month", "account": "ada@example.com", "identifiers": {"email": ["ada@example.com"]}}
_BOB = {**_ADA, "account": "bob@example.com"}


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path, trial_days=10)) as running:
        yield running


async def test_a_claim_is_granted_held_or_refused(worker: Worker) -> None:
    """201, 200, and 409 with the reasons: whoever looks at the status alone grants nothing twice."""
    granted = await worker.api("POST", "/v1/trials/claim", _ADA)
    held = await worker.api("POST", "/v1/trials/claim", _ADA)
    refused = await worker.api("POST", "/v1/trials/claim", _BOB)

    assert [one.status_code for one in (granted, held, refused)] == [201, 200, 409]
    told = granted.json()
    assert is_id(told["claim"])
    assert held.json() == {**told, "outcome": "held"}
    assert refused.headers["content-type"] == "application/problem+json"
    reason = {"kind": "email", "claim": told["claim"], "claimed_at_ms": told["claimed_at_ms"], "shared": False}
    assert {**refused.json(), "detail": ""} == {
        "type": "about:blank", "title": "Conflict", "status": 409, "code": "trial_refused", "detail": "",
        "outcome": "refused", "claim": None, "claimed_at_ms": None, "overridden": False, "reasons": [reason],
        "ignored": [],
    }  # fmt: skip
    assert "ada" not in refused.text


async def test_a_question_is_answered_before_there_is_an_account(worker: Worker) -> None:
    """With what is known, and with what says nothing left out."""
    await worker.api("POST", "/v1/trials/claim", _ADA)
    asked = {"trial": "free-month", "identifiers": {"email": ["ADA@example.com"], "hardware": ["unknown"]}}

    told = (await worker.api("POST", "/v1/trials/check", asked)).json()

    assert (told["eligible"], told["outcome"], told["ignored"]) == (False, "refused", ["hardware"])
    assert [one["kind"] for one in told["reasons"]] == ["email"]


async def test_an_appeal_is_granted_and_told_in_the_log(worker: Worker) -> None:
    """Who allowed it, why and for whom, by the account's name in logs."""
    await worker.api("POST", "/v1/trials/claim", _ADA)
    allowed = {"trial": "free-month", "account": "bob@example.com", "by": "support-17", "reason": "ticket 4711"}

    with capture_logs() as logs:
        until = await worker.api("POST", "/v1/trials/override", allowed)
        granted = await worker.api("POST", "/v1/trials/claim", _BOB)

    assert until.json()["until_ms"] > granted.json()["claimed_at_ms"]
    assert (granted.status_code, granted.json()["overridden"]) == (201, True)
    lines = [line for line in logs if line.get("room") == "trials"]
    assert [line["event"] for line in lines] == ["trial_overridden", "trial_granted_by_override"]
    assert (lines[0]["by"], lines[0]["reason"]) == ("support-17", "ticket 4711")
    assert lines[0]["account"] == lines[1]["account"]
    assert "bob" not in str(lines)


async def test_forgetting_an_account_or_a_key_frees_what_it_had(worker: Worker) -> None:
    """By account, or by the key under which it was claimed."""
    key_id = worker.rooms.ring.signing_key().id
    for forget in ({"account": "ada@example.com"}, {"key_id": key_id}):
        assert (await worker.api("POST", "/v1/trials/claim", _ADA)).status_code == 201
        forgotten = await worker.api("POST", "/v1/trials/forget", forget)
        assert (forgotten.status_code, forgotten.json()) == (200, {"claims": 1})


async def test_a_claim_outlives_the_rotation_of_its_key(worker: Worker) -> None:
    """The worker finds it under the old key, though another one signs."""
    await worker.api("POST", "/v1/trials/claim", _ADA)
    fresh = rotate(worker.rooms.settings.keys_path, worker.rooms.clock, ahead_seconds=0)
    await worker.rooms.key_watch.follow()
    worker.rooms.ring.usable(None)

    assert worker.rooms.ring.signing_key().id == fresh.id
    assert (await worker.api("POST", "/v1/trials/claim", _BOB)).status_code == 409


_CHECK, _CLAIM, _OVERRIDE, _FORGET = (f"/v1/trials/{act}" for act in ("check", "claim", "override", "forget"))
_ALLOWED = {"trial": "t", "account": "ada", "by": "me", "reason": "why"}


@pytest.mark.parametrize(
    ("url", "body", "code"),
    [
        (_CHECK, {"trial": "t"}, "nobody_to_check"),
        (_CHECK, {"trial": "t", "identifiers": {"hardware": ["0000"]}}, "nobody_to_check"),
        (_CHECK, {"account": "ada"}, "bad_field"),
        (_CLAIM, {"trial": "t"}, "bad_field"),
        (_CLAIM, {"trial": "Free Month", "account": "ada"}, "bad_field"),
        (_CLAIM, {"trial": "x" * 65, "account": "ada"}, "bad_field"),
        (_CLAIM, {"trial": "t\n", "account": "ada"}, "bad_field"),
        (_CLAIM, {"trial": "{aaa}:t", "account": "ada"}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada lovelace"}, "bad_account"),
        (_CLAIM, {"trial": "t", "account": ""}, "bad_account"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"passport": ["X1"]}}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"email": "ada@example.com"}}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"email": [""]}}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"email": [7]}}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"card": ["x" * 321]}}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"card": ["x"] * 9}}, "bad_field"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"email": ["ada"]}}, "bad_email"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"phone": ["123"]}}, "bad_phone"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"card": ["4111111111111111"]}}, "card_number"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"device": ["x"]}}, "bad_device_id"),
        (_CLAIM, {"trial": "t", "account": "ada", "identifiers": {"hardware": ["a\x07"]}}, "bad_identifier"),
        (_CLAIM, ["ada"], "bad_field"),
        (_OVERRIDE, {**_ALLOWED, "by": "ada@example.com"}, "bad_field"),
        (_OVERRIDE, {**_ALLOWED, "by": ""}, "bad_field"),
        (_OVERRIDE, {**_ALLOWED, "reason": "ada@example.com moved"}, "bad_field"),
        (_OVERRIDE, {**_ALLOWED, "reason": "x" * 121}, "bad_field"),
        (_OVERRIDE, {**_ALLOWED, "account": "b\n"}, "bad_account"),
        (_FORGET, {}, "what_to_forget"),
        (_FORGET, {"account": "ada", "key_id": "k3Vx9q"}, "what_to_forget"),
        (_FORGET, {"key_id": "*"}, "bad_field"),
        (_FORGET, {"account": "a" * 256}, "bad_account"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong_and_keeps_nothing(
    worker: Worker, url: str, body: Any, code: str
) -> None:
    """400 with a code, and nothing of it in the store."""
    before = await dump(worker.store)

    answer = await worker.api("POST", url, body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert await dump(worker.store) == before


@pytest.mark.parametrize("act", ["check", "claim", "override", "forget"])
async def test_nobody_asks_without_a_credential_or_in_another_way(worker: Worker, act: str) -> None:
    """401, 405, 415 and 413, as everywhere below /v1."""
    url = f"/v1/trials/{act}"
    big = await worker.client.post(
        url,
        content=b"[" + b" " * 65_536 + b"]",
        headers={"authorization": f"Bearer {worker.service_key}", "content-type": "application/json"},
    )

    assert (await worker.client.post(url, json=_ADA)).status_code == 401
    assert (await worker.api("GET", url)).status_code == 405
    assert (await worker.api("POST", url, content_type="text/plain")).status_code == 415
    assert (big.status_code, big.json()["code"]) == (413, "body_too_large")


async def test_every_outcome_is_counted(worker: Worker) -> None:
    """By outcome, and by nothing that tells of anybody."""
    names = ("eligible", "not_eligible", "granted", "overridden", "held", "refused", "forgotten")
    before = {name: TRIALS.labels(name)._value.get() for name in names}

    for url, body in (
        (_CHECK, _ADA), (_CLAIM, _ADA), (_CLAIM, _ADA), (_CHECK, _ADA), (_CLAIM, _BOB),
        (_OVERRIDE, {**_ALLOWED, "trial": "free-month", "account": "bob@example.com"}), (_CLAIM, _BOB),
        (_FORGET, {"account": "ada@example.com"}),
    ):  # fmt: skip
        await worker.api("POST", url, body)

    assert {name: TRIALS.labels(name)._value.get() - before[name] for name in names} == dict.fromkeys(names, 1)

"""Fingerprints through the sign-in of a real worker: kept hashed, told as a hint, forgotten with whom they are of."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.worker_app import Jar, Worker, dump, running_worker, settings_for
from latchstring_gateway.fingerprint.keep import COMPARED, LOOKED_AT, SHARED_AFTER, Fingerprints
from latchstring_gateway.fingerprint.signals import FIELD, NOT_OBSERVED, Observed
from latchstring_gateway.ids import Account, new_id
from latchstring_gateway.metrics import FINGERPRINTS
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"
_BROWSER = {
    "user_agent": _AGENT,
    "address": "203.0.113.9",
    "accept_language": "nl, en;q=0.5",
    "ja4": _JA4,
    "installation": "inst-77-quist",
}
_ADA = Account("ada")


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


class FrozenStore(Store):
    """Takes every command and answers none."""

    async def send(self, *words: Any, replicas: int = 0, **options: Any) -> Any:
        """See `Store.send`."""
        await asyncio.Event().wait()


async def _sign_in(worker: Worker, *, account: str = "ada", jar: Jar | None = None, **browser: Any) -> dict[str, Any]:
    """The device of a sign-in, as the website is told."""
    cookie = "" if jar is None else jar.header()
    answer = await worker.sign_in(account, jar=jar, browser={**_BROWSER, **browser, "cookie": cookie})
    told: dict[str, Any] = answer.raise_for_status().json()["device"]
    return told


async def _row(worker: Worker, device: str, account: Account = _ADA) -> dict[str, str]:
    row = await worker.store.redis.hgetall(keys.device(keys.partition_of(account), device))
    return {str(name): str(value) for name, value in row.items()}


async def test_a_device_that_forgot_itself_looks_like_the_one_before(worker: Worker) -> None:
    """By its app's id for the installation: told to the website, in the list of devices, and to hooks."""
    first = await _sign_in(worker)

    second = await _sign_in(worker)

    assert first["looks_like"] is None
    assert second["id"] != first["id"]
    like = {
        "device": first["id"],
        "verdict": "same",
        "reason": "seen 7 of 7: installation, kind, system, client, tls, language, network",
    }
    assert second["looks_like"] == like
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert {one["id"]: one["looks_like"] for one in devices} == {first["id"]: None, second["id"]: like}
    events = (await dump(worker.store))[keys.outbox(keys.partition_of(_ADA))]
    told = [json.loads(fields["data"]) for _id, fields in events if fields["type"] == "device.looks_like"]
    told_like = {"looks_like": first["id"], "verdict": "same", "reason": like["reason"]}
    assert told == [{"device": second["id"], **told_like}]


async def test_a_new_device_is_compared_with_the_last_used_ones_in_slices(worker: Worker) -> None:
    """All rows of an account were read at once: with 2,000 devices, 2,000 HGETALL in one pipeline at each sign-in."""
    partition, redis = keys.partition_of(_ADA), worker.store.redis
    pipe = redis.pipeline(transaction=False)
    for number in range(2_000):
        pipe.hset(keys.device(partition, f"d{number:04}"), mapping={"account": "ada", "last_seen_ms": str(number)})
        pipe.sadd(keys.devices(_ADA), f"d{number:04}")
    await pipe.execute()
    await redis.config_resetstat()
    fingerprints = Fingerprints(worker.store, worker.rooms.ring)

    rows = await fingerprints._rows(_ADA, but="d1999")
    commands = await redis.info("commandstats")

    assert len(rows) == COMPARED
    assert commands["cmdstat_hgetall"]["calls"] == COMPARED
    assert commands["cmdstat_hget"]["calls"] < LOOKED_AT + 200

    await redis.srem(keys.devices(_ADA), *(f"d{number:04}" for number in range(500, 2_000)))
    rows = await fingerprints._rows(_ADA, but="d0499")

    assert list(rows) == [f"d{number:04}" for number in range(399, 499)], "the last used ones"


async def test_it_is_not_told_any_more_once_the_former_is_used_again(worker: Worker) -> None:
    """Then there are two, whatever they have in common."""
    jar = Jar()
    await _sign_in(worker, jar=jar)
    await _sign_in(worker)
    await _sign_in(worker, jar=jar)

    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert [one["looks_like"] for one in devices] == [None, None]


async def test_another_accounts_device_is_nobodys_business(worker: Worker) -> None:
    """Neither compared, nor comparable in the store."""
    ada = await _sign_in(worker)
    bob = await _sign_in(worker, account="bob")

    assert bob["looks_like"] is None
    row = await _row(worker, bob["id"], Account("bob"))
    hers = await _row(worker, ada["id"])
    tags = [{one[FIELD + name].split(".")[1] for name in ("tls", "installation")} for one in (row, hers)]
    assert tags[0] & tags[1] == set()


async def test_signals_are_kept_hashed_and_renewed_at_each_sign_in(worker: Worker) -> None:
    """One field a signal; what is not told this time stays as it was."""
    jar = Jar()
    device = await _sign_in(worker, jar=jar)
    before = await _row(worker, device["id"])
    await _sign_in(worker, jar=jar, ja4="", accept_language="en")
    after = await _row(worker, device["id"])

    names = {name for name in before if name.startswith(FIELD)}
    kinds = ("installation", "kind", "system", "client", "tls", "language", "network")
    assert names == {FIELD + name for name in kinds}
    assert after[FIELD + "tls"] == before[FIELD + "tls"]
    assert after[FIELD + "language"].split(".")[1] != before[FIELD + "language"].split(".")[1]
    assert after[FIELD + "network"].split(".")[1] == before[FIELD + "network"].split(".")[1]
    kept = str({name: before[name] for name in names})
    assert not any(word in kept for word in (_JA4, "inst-77", "203.0.113"))
    # As a word of its own: one tag in some hundred has these two letters in it.
    assert "nl" not in re.split(r"[^\w-]", kept)


async def test_what_cannot_be_ja4_is_left_out(worker: Worker) -> None:
    """A header may hold anything; the sign-in is none the worse for it."""
    device = await _sign_in(worker, ja4="<script>")

    assert FIELD + "tls" not in await _row(worker, device["id"])


@pytest.mark.parametrize("browser", [{"ja4": "x" * 65}, {"installation": "x" * 129}, {"ja4": 7}])
async def test_what_is_too_long_is_told(worker: Worker, browser: dict[str, Any]) -> None:
    """400, and nobody is signed in."""
    answer = await worker.sign_in("ada", browser={**_BROWSER, **browser})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_field")


async def test_a_removed_device_is_not_looked_like(worker: Worker) -> None:
    """Its owner has parted with it."""
    device = await _sign_in(worker)
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device['id']}")

    assert not any(name.startswith(FIELD) for name in await _row(worker, device["id"]))
    assert (await _sign_in(worker))["looks_like"] is None


async def test_an_erased_account_leaves_no_signal(worker: Worker) -> None:
    """They lie in the rows of its devices, and go with them."""
    await _sign_in(worker)
    await worker.api("POST", "/v1/erasures", {"account": "ada"})

    assert [key for key, value in (await dump(worker.store)).items() if FIELD in str(value)] == []


async def test_what_was_kept_under_a_key_is_forgotten(worker: Worker) -> None:
    """For every account; what was kept under another stays, and so do the devices."""
    await _sign_in(worker)
    bob = await _sign_in(worker, account="bob")
    other = await _sign_in(worker, account="cleo")
    row = keys.device(keys.partition_of(Account("cleo")), other["id"])
    await worker.store.redis.hset(row, FIELD + "tls", "another.tag.20833")
    key_id = worker.rooms.ring.signing_key().id
    stated = Observed(hardware=f"{key_id}.x", kind="tv")
    await worker.rooms.fingerprints.note(_ADA, new_id(), stated, is_new=True, now_ms=1)
    assert any("hardware-showers" in key for key in await dump(worker.store))

    forgotten = await worker.api("POST", "/v1/fingerprints/forget", {"key_id": key_id})
    again = await worker.api("POST", "/v1/fingerprints/forget", {"key_id": key_id})

    assert (forgotten.json(), again.json()) == ({"signals": 20}, {"signals": 0})
    left = [value for value in (await dump(worker.store)).values() if FIELD in str(value)]
    assert [[name for name in one if name.startswith(FIELD)] for one in left] == [[FIELD + "tls"]]
    assert not any("hardware-showers" in key for key in await dump(worker.store))
    devices = (await worker.api("GET", "/v1/accounts/bob/devices")).json()["devices"]
    assert [one["id"] for one in devices] == [bob["id"]]


@pytest.mark.parametrize("body", [{}, {"key_id": "*"}, {"key_id": "k3Vx9q", "more": 1}, []])
async def test_a_wrong_wish_to_forget_is_told(worker: Worker, body: Any) -> None:
    """400, and nothing is forgotten."""
    device = await _sign_in(worker)
    before = await _row(worker, device["id"])

    answer = await worker.api("POST", "/v1/fingerprints/forget", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_field")
    assert await _row(worker, device["id"]) == before


async def test_an_id_that_many_accounts_state_is_a_product_lines(worker: Worker) -> None:
    """From then on it tells nothing; the store has a letter for each account, and no account."""
    prints, stated = worker.rooms.fingerprints, Observed(hardware="k.line", kind="tv")
    verdicts = []
    for number in range(60):
        account = Account(f"person-{number}")
        told = []
        for _ in range(2):
            device = (await worker.sign_in(account)).json()["device"]["id"]
            row = keys.device(keys.partition_of(account), device)
            await worker.store.redis.hset(row, "hardware", "k.line")
            now_ms = int(await worker.store.redis.hget(row, "first_seen_ms") or 0)
            told.append(await prints.note(account, device, stated, is_new=True, now_ms=now_ms))
        verdicts.append(None if told[1] is None else told[1].verdict)

    first_none = verdicts.index(None)
    assert SHARED_AFTER - 1 <= first_none < 2 * SHARED_AFTER
    assert set(verdicts[:first_none]) == {"same"}
    assert set(verdicts[first_none:]) == {None}
    showers = next(value for key, value in (await dump(worker.store)).items() if "hardware-showers" in key)
    assert SHARED_AFTER <= len(showers) <= 64


async def test_a_device_that_is_gone_or_anothers_gets_nothing(worker: Worker) -> None:
    """No row comes into being, or back, for the sake of a fingerprint."""
    device = (await _sign_in(worker))["id"]
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")
    before = await dump(worker.store)

    for one in (device, new_id()):
        await worker.rooms.fingerprints.note(_ADA, one, Observed(kind="tv"), is_new=False, now_ms=1)

    assert await dump(worker.store) == before


async def test_a_store_that_is_away_costs_a_hint_and_nothing_else(worker: Worker) -> None:
    """Whoever signs in does not wait for it, nor fail."""
    device = (await _sign_in(worker))["id"]
    nowhere = Store("unix:///nowhere/at/all.sock", timeout_seconds=0.1)
    silent = FrozenStore(worker.store.url)

    for store in (nowhere, silent):
        told = await Fingerprints(store, worker.rooms.ring).note(_ADA, device, NOT_OBSERVED, is_new=True, now_ms=1)
        await store.close()
        assert told is None


async def test_verdicts_are_counted(worker: Worker) -> None:
    """By what a new device looked like, and by nothing of whose it is."""
    before = {name: FINGERPRINTS.labels(name)._value.get() for name in ("new", "same")}
    await _sign_in(worker)
    await _sign_in(worker)

    assert {name: FINGERPRINTS.labels(name)._value.get() - before[name] for name in before} == {"new": 1, "same": 1}

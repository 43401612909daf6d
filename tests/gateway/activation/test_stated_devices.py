"""Devices that state what they are: named by it, known by nothing else, and let in for nothing of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from harness.tv import CLIENT, SETTINGS, Tv, approve
from harness.worker_app import NAVIGATION, Jar, Worker, dump, running_worker, settings_for

_KEY = ECKey.generate_key("P-256")
_ID = "AC-55-0017-22F1"


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that knows the key of one app."""
    keys = tmp_path / "statement-keys.json"
    keys.write_text(json.dumps({CLIENT: {"keys": [_KEY.as_dict(private=False)]}}))
    settings = settings_for(store_url, tmp_path, tv_statement_keys_file=keys, **SETTINGS)
    async with running_worker(settings) as running:
        yield running


def _statement(worker: Worker, **claims: str) -> str:
    said = {"iss": CLIENT, "aud": worker.rooms.settings.public_origin, **claims}
    header = {"typ": "device-statement+jwt", "alg": "ES256"}
    return jws.serialize_compact(
        header, json.dumps(said).encode(), _KEY, registry=jws.JWSRegistry(strict_check_header=False)
    )


async def _connect(worker: Worker, owner: Jar, **claims: str) -> Tv:
    tv = Tv(worker)
    answer = await tv.post("device_authorization", device_statement=_statement(worker, **claims))
    assert answer.status_code == 200, answer.text
    tv.codes = answer.json()
    await approve(worker, owner, tv.codes)
    await tv.poll()
    return tv


async def _rows(worker: Worker) -> list[Any]:
    found = await worker.store.redis.keys("*:device:*")
    rows = [await worker.store.redis.hgetall(key) for key in found]
    return [row for row in rows if row["kind"] == "tv"]


async def test_what_a_device_states_is_what_its_owner_sees(worker: Worker, owner: Jar) -> None:
    """On the page that lets it in, and on its card; above what the agent says."""
    tv = Tv(worker)
    statement = _statement(worker, brand="Acme", model="Aurora 55", hardware_id=_ID)
    tv.codes = (await tv.post("device_authorization", device_statement=statement)).json()
    page = await worker.client.get(
        f"/latch/activate?user_code={tv.codes['user_code']}", headers={**NAVIGATION, "cookie": owner.header()}
    )
    await approve(worker, owner, tv.codes)
    await tv.poll()
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]

    assert "Acme Aurora 55" in page.text
    assert [(one["name"], one["model"]) for one in devices if one["kind"] == "tv"] == [
        ("Acme Aurora 55", "Acme Aurora 55")
    ]


async def test_a_hardware_id_is_nowhere_in_the_store(worker: Worker, owner: Jar) -> None:
    """Neither while the code waits nor afterwards, in no spelling; its keyed hash lies with the device."""
    tv = Tv(worker)
    tv.codes = (await tv.post("device_authorization", device_statement=_statement(worker, hardware_id=_ID))).json()
    waiting = str(await dump(worker.store))
    await approve(worker, owner, tv.codes)
    await tv.poll()
    after = str(await dump(worker.store))

    for text in (waiting, after):
        assert _ID.lower() not in text.lower()
        assert "ac55001722f1" not in text.lower()
    assert [row["hardware"].partition(".")[0] for row in await _rows(worker)] == [worker.rooms.ring.signing_key().id]


async def test_a_whole_product_line_with_one_id_stays_apart(worker: Worker, owner: Jar) -> None:
    """Three TVs that state the same are three devices; removing one leaves the others signed in."""
    tvs = [await _connect(worker, owner, model="Aurora", hardware_id=_ID) for _ in range(3)]
    await tvs[0].post("revoke", token=tvs[0].tokens["refresh_token"])
    answers = [(await tv.verify()).status_code for tv in tvs]

    assert answers == [401, 200, 200]
    rows = await _rows(worker)
    assert len({row["hardware"] for row in rows if row["state"] == "active"}) == 1
    assert not [row for row in rows if row["state"] == "removed" and "hardware" in row], "what left is forgotten"


async def test_a_tv_that_was_reset_looks_like_the_one_before(worker: Worker, owner: Jar) -> None:
    """By its hardware id, and of two of one model, by nothing else; the API says so, and nobody is let in for it."""
    for hardware_id in (_ID, "AC-55-0017-22F2", _ID):
        await _connect(worker, owner, model="Aurora", hardware_id=hardware_id)

    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    tvs = sorted((one for one in devices if one["kind"] == "tv"), key=lambda one: int(one["first_seen_ms"]))
    assert [one["looks_like"] and one["looks_like"]["device"] for one in tvs] == [None, None, tvs[0]["id"]]
    assert tvs[2]["looks_like"]["verdict"] == "same"
    assert "hardware" in tvs[2]["looks_like"]["reason"]


async def test_a_tvs_ja4_counts_if_a_trusted_proxy_tells_it(store_url: str, tmp_path: Path) -> None:
    """In the header that was named; it lies hashed in the device's row."""
    headers = {"x-ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1"}
    for header, count in (("x-ja4", 1), ("", 0)):
        settings = settings_for(store_url, tmp_path, ja4_header=header, **SETTINGS)
        async with running_worker(settings) as told:
            tv = Tv(told)
            told.client.headers.update(headers)
            tv.codes = (await tv.post("device_authorization")).json()
            await approve(told, await told.signed_in(f"ada{count}"), tv.codes)
            await tv.poll()
            assert sum("fp:tls" in row for row in await _rows(told)) == 1
            assert "t13d1516h2" not in str(await dump(told.store))


async def test_an_id_that_is_none_or_another_each_time_does_no_harm(worker: Worker, owner: Jar) -> None:
    """Both sign in; the first leaves no hash, and of the others each device keeps one."""
    for hardware_id in ("", "0000000000", "random-1-aaaa", "random-2-bbbb"):
        tv = await _connect(worker, owner, model="Aurora", hardware_id=hardware_id)
        assert (await tv.verify()).status_code == 200
    kept = sorted(row.get("hardware", "") != "" for row in await _rows(worker))

    assert kept == [False, False, True, True]


async def test_a_statement_that_nobody_signed_is_told_and_offers_nothing(worker: Worker) -> None:
    """400 in the form of OAuth, with no code; without a statement the same TV is offered codes."""
    tv, before = Tv(worker), await dump(worker.store)
    header, payload, signature = _statement(worker, model="Aurora").split(".")

    for text in (f"{header}.{payload}.", f"{header}.{payload}.{signature[::-1]}", "junk!", "x" * 5_000):
        answer = await tv.post("device_authorization", device_statement=text)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert text not in answer.text
    after = await dump(worker.store)
    assert [key for key in after if key not in before and ":budget:" not in key] == []
    assert (await tv.post("device_authorization")).status_code == 200

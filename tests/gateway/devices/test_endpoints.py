"""The API of an account's devices: what it does at once, and what it refuses without changing anything."""

from typing import Any

from harness.worker_app import Jar, Worker, dump
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys

_NOBODY = "AAAAAAAAAAAAAAAAAAAAAA"


async def _sign_in(worker: Worker, account: str = "ada") -> tuple[Jar, str]:
    jar = Jar()
    return jar, (await worker.sign_in(account, jar=jar)).json()["device"]["id"]


async def _listed(worker: Worker, account: str = "ada") -> list[dict[str, Any]]:
    answer = await worker.api("GET", f"/v1/accounts/{account}/devices")
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = answer.json()["devices"]
    return rows


async def test_each_sign_in_is_listed_with_what_a_person_would_recognise(worker: Worker) -> None:
    """Name, kind, software, network and times; last used first; nothing that identifies the visitor further."""
    await _sign_in(worker)
    _, newest = await _sign_in(worker)

    rows = await _listed(worker)

    assert rows[0]["id"] == newest
    assert {key: rows[0][key] for key in ("name", "kind", "os", "client", "place", "remembered", "state")} == {
        "name": "Firefox on Linux",
        "kind": "computer",
        "os": "Linux",
        "client": "Firefox",
        "place": "192.0.2.0/24",
        "remembered": True,
        "state": "active",
    }
    assert rows[0]["first_seen_ms"] <= rows[0]["last_seen_ms"]
    assert await _listed(worker, "nobody") == []


async def test_a_removed_device_is_out_at_once_and_the_others_stay(worker: Worker) -> None:
    """200 with a complete receipt, and then no check passes."""
    (gone, device), (stays, _) = await _sign_in(worker), await _sign_in(worker)

    answer = await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")
    statuses = [(await worker.verify(jar)).status_code for jar in (gone, stays)]

    assert (answer.status_code, answer.json()["status"]) == (200, "complete")
    assert statuses == [401, 200]
    assert device not in [row["id"] for row in await _listed(worker)]


async def test_all_others_can_be_removed_in_one_act(worker: Worker) -> None:
    """The one that is kept goes on; with nothing else left there is nothing to do."""
    (keeps, kept), (first, _), (second, _) = [await _sign_in(worker) for _ in range(3)]

    answer = await worker.api("POST", "/v1/accounts/ada/devices/remove-others", {"keep": kept})
    again = await worker.api("POST", "/v1/accounts/ada/devices/remove-others", {"keep": kept})

    assert (answer.status_code, again.status_code) == (200, 204)
    assert [(await worker.verify(jar)).status_code for jar in (keeps, first, second)] == [200, 401, 401]
    assert [row["id"] for row in await _listed(worker)] == [kept]


async def test_removing_all_others_twice_with_one_key_is_one_act(worker: Worker) -> None:
    """The others are gone by then: the repeat gets the first one's receipt, and a device that came since stays."""
    (_, kept), (_, _) = [await _sign_in(worker) for _ in range(2)]
    url = "/v1/accounts/ada/devices/remove-others"

    first = await worker.api("POST", url, {"keep": kept}, idempotency_key="k")
    newer, other = await _sign_in(worker)
    again = await worker.api("POST", url, {"keep": kept}, idempotency_key="k")
    reused = await worker.api("POST", url, {"keep": other}, idempotency_key="k")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["id"] == first.json()["id"]
    assert (await worker.verify(newer)).status_code == 200
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")


async def test_keeping_a_device_the_account_does_not_have_removes_nothing(worker: Worker) -> None:
    """A wrong id, or another account's, would have signed every device out: 404."""
    (jar, _), (_, bobs) = await _sign_in(worker), await _sign_in(worker, "bob")
    before = await dump(worker.store)

    for keep in (_NOBODY, bobs, "", "x"):
        answer = await worker.api("POST", "/v1/accounts/ada/devices/remove-others", {"keep": keep})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_device"), keep
    assert await dump(worker.store) == before
    assert (await worker.verify(jar)).status_code == 200


async def test_another_accounts_device_is_unknown(worker: Worker) -> None:
    """Neither removed nor renamed: 404, nothing changed."""
    (jar, device), _ = await _sign_in(worker), await _sign_in(worker, "bob")
    before = await dump(worker.store)

    for account, one in (("bob", device), ("ada", _NOBODY), ("nobody", device)):
        removed = await worker.api("DELETE", f"/v1/accounts/{account}/devices/{one}")
        renamed = await worker.api("PATCH", f"/v1/accounts/{account}/devices/{one}", {"name": "mine"})
        assert (removed.status_code, removed.json()["code"]) == (404, "unknown_device")
        assert (renamed.status_code, renamed.json()["code"]) == (404, "unknown_device")
    assert await dump(worker.store) == before
    assert (await worker.verify(jar)).status_code == 200


async def test_a_bad_request_says_what_was_expected(worker: Worker) -> None:
    """Ids, bodies and media types, each with its status and code."""
    _, device = await _sign_in(worker)
    base = "/v1/accounts/ada/devices"
    before = await dump(worker.store)
    cases: list[tuple[str, str, Any, int, str]] = [
        ("DELETE", f"{base}/short", None, 400, "bad_device_id"),
        ("DELETE", f"{base}/{device}x", None, 400, "bad_device_id"),
        ("PATCH", f"{base}/{device}", None, 415, "expected_json"),
        ("PATCH", f"{base}/{device}", {}, 400, "bad_field"),
        ("PATCH", f"{base}/{device}", {"name": 7}, 400, "bad_field"),
        ("PATCH", f"{base}/{device}", {"name": "a", "state": "active"}, 400, "bad_field"),
        ("PATCH", f"{base}/{device}", {"name": ""}, 400, "bad_device_name"),
        ("PATCH", f"{base}/{device}", {"name": "a\nb"}, 400, "bad_device_name"),
        ("PATCH", f"{base}/{device}", {"name": "x" * 61}, 400, "bad_device_name"),
        ("POST", f"{base}/remove-others", [], 400, "bad_field"),
        ("GET", f"/v1/accounts/{'a' * 256}/devices", None, 400, "bad_account"),
        ("PUT", f"{base}/{device}", None, 405, "method_not_allowed"),
    ]

    for method, url, body, status, code in cases:
        answer = await worker.api(method, url, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (method, url, body)
    assert await dump(worker.store) == before


async def test_renaming_is_idempotent_and_a_removed_device_keeps_its_name(worker: Worker) -> None:
    """204 each time; what is removed cannot be renamed."""
    _, device = await _sign_in(worker)
    url = f"/v1/accounts/ada/devices/{device}"
    statuses = [(await worker.api("PATCH", url, {"name": " Wohnzimmer\u00adfernseher "})).status_code for _ in range(2)]
    name = (await _listed(worker))[0]["name"]
    await worker.api("DELETE", url)
    after = await worker.api("PATCH", url, {"name": "other"})

    assert statuses == [204, 204]
    assert name == "Wohnzimmer\u00adfernseher"
    assert after.status_code == 404


async def test_the_store_forgets_what_a_removed_device_was(worker: Worker) -> None:
    """Name, model, place and browser id; what is left refuses its tokens, and the event told its name before."""
    device = (await worker.sign_in()).json()["device"]["id"]
    partition = keys.partition_of(Account("ada"))
    row = keys.device(partition, device)
    browser_id = str(await worker.store.redis.hget(row, "browser"))

    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")

    left = await worker.store.redis.hgetall(row)
    assert set(left) <= {"account", "state", "removed_at_ms", "kind", "remembered", "key"}
    assert left["state"] == "removed"
    assert await worker.store.redis.get(keys.browser(Account("ada"), browser_id)) is None
    entries: Any = await worker.store.redis.xrevrange(keys.outbox(partition), count=1)
    assert (entries[0][1]["type"], "Firefox on Linux" in entries[0][1]["data"]) == ("device.removed", True)

"""Erasing a person by the backend's call: events, and the account with all its devices."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.hits import pixel, write_segment
from harness.worker_app import Jar, Worker, dump, now_ms, running_worker, settings_for
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.ids import Account, is_id
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.erasures import Erased, Erasures
from latchstring_gateway.shipping.policy import PeoplePolicy
from latchstring_gateway.shipping.pseudonyms import Pseudonyms
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.store import keys
from latchstring_middleware.forwarded import TrustedProxies

_URL = "/v1/erasures"
_SECRET = "ada-7f3a9c@example.com"


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


def _ship(data_dir: Path) -> None:
    pseudonyms = Pseudonyms.at(data_dir)
    policy = PeoplePolicy(None, pseudonyms, erased=Erased(Erasures(data_dir / "warehouse")))
    trusted = TrustedProxies.parse("127.0.0.1")
    with Shipper(data_dir, ManualClock(), trusted, policies=policy.now) as shipper:
        shipper.ship_once()
    with House(data_dir, ManualClock(), pseudonyms=pseudonyms) as house:
        while house.tidy():
            pass


async def test_an_erasure_is_asked_for_carried_out_and_told(worker: Worker) -> None:
    """From the request to the receipt; whom it is about stands in neither."""
    data_dir = worker.rooms.settings.data_dir
    hers = pixel(b"p=/hers&consent=granted&user=" + _SECRET.encode(), at_ms=now_ms())
    write_segment(data_dir, [hers, pixel(b"p=/others", at_ms=now_ms())])

    asked = await worker.api("POST", _URL, {"users": [_SECRET]})
    _ship(data_dir)
    found = await worker.api("GET", f"{_URL}/{asked.json()['id']}")

    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert (found.status_code, found.json()["state"]) == (200, "complete")
    assert _SECRET not in asked.text + found.text
    assert ledger(data_dir).excluded == {"erased": 1}
    assert ledger(data_dir).adds_up


async def test_an_account_is_signed_out_and_deleted(worker: Worker) -> None:
    """No key of the store holds its devices, sessions or name, but what refuses old leases, for a day; others stay."""
    jar, other = await worker.signed_in(_SECRET), await worker.signed_in("bob")
    removed = await worker.signed_in(_SECRET)
    device = worker.lease(removed).device
    before_bob = {key: value for key, value in (await dump(worker.store)).items() if "bob" in str((key, value))}

    asked = await worker.api("POST", _URL, {"account": _SECRET})

    told = asked.json()["account"]
    assert (asked.status_code, told["sessions"], told["devices"], told["receipt"]["status"]) == (202, 2, 2, "complete")
    for old in (jar, removed):
        assert (await worker.verify(old)).status_code == 401
    assert (await worker.verify(other)).status_code == 200
    left = await dump(worker.store)
    account = keys.account(Account(_SECRET))
    assert set(left[account]) == {"generation", "not_before_ms"}
    assert 0 < await worker.store.redis.pttl(account) <= 86_400_000
    kinds = (":session:", ":device:", ":devices:", ":browser:", ":sessions:")
    assert [key for key in left if _SECRET in str((key, left[key])) and any(kind in key for kind in kinds)] == []
    assert not any(str(device) in key for key in left)
    assert {key: left.get(key) for key in before_bob} == before_bob


async def test_an_erased_accounts_free_trial_is_forgotten(worker: Worker) -> None:
    """Card and all; the receipt says so, and repeated it finds nothing more."""
    claim = {"trial": "free-month", "account": _SECRET, "identifiers": {"card": ["fp_9Zk2"], "email": [_SECRET]}}
    await worker.api("POST", "/v1/trials/claim", claim)

    told = [(await worker.api("POST", _URL, {"account": _SECRET})).json()["account"]["trials"] for _ in range(2)]
    again = await worker.api("POST", "/v1/trials/claim", {**claim, "account": "bob"})

    assert told == [1, 0]
    assert again.status_code == 201


async def test_who_signs_in_again_is_new_and_stays(worker: Worker) -> None:
    """The same name may be given to a new account at once; it is good, and its row outlives the day."""
    old = await worker.signed_in(_SECRET)
    await worker.api("POST", _URL, {"account": _SECRET})
    new = await worker.signed_in(_SECRET)

    assert (await worker.verify(new)).status_code == 200
    assert (await worker.verify(old)).status_code == 401
    assert await worker.store.redis.pttl(keys.account(Account(_SECRET))) == -1
    devices = await worker.api("GET", f"/v1/accounts/{_SECRET}/devices")
    assert len(devices.json()["devices"]) == 1


async def test_an_erased_account_that_is_disabled_stays_disabled(worker: Worker) -> None:
    """What is said of a name after its erasure does not run out with what is left of before."""
    await worker.signed_in(_SECRET)
    await worker.api("POST", _URL, {"account": _SECRET})
    await worker.api("POST", f"/v1/accounts/{_SECRET}/disable")

    assert await worker.store.redis.pttl(keys.account(Account(_SECRET))) == -1


async def test_an_account_that_never_was_may_be_erased(worker: Worker) -> None:
    """It may have been known to trackers alone; the call may be repeated."""
    for _ in range(2):
        asked = await worker.api("POST", _URL, {"account": "nobody"})
        assert (asked.status_code, asked.json()["account"]["sessions"]) == (202, 0)


async def test_the_same_key_has_the_same_id(worker: Worker) -> None:
    """A backend that heard no answer repeats the call: the same erasure, asked for again, at the time of the repeat."""
    first = await worker.api("POST", _URL, {"users": ["ada"]}, **{"idempotency-key": "k1"})
    again = await worker.api("POST", _URL, {"users": ["ada"]}, **{"idempotency-key": "k1"})
    other = await worker.api("POST", _URL, {"users": ["ada"]}, **{"idempotency-key": "k2"})

    assert is_id(first.json()["id"])
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["requested_at_ms"] < again.json()["requested_at_ms"]
    assert other.json()["id"] != first.json()["id"]


async def test_a_visitor_is_named_by_id_or_by_cookie(worker: Worker) -> None:
    """Both stand for the same pseudonym."""
    jar = Jar()
    jar.take((await worker.api("POST", "/v1/choices", {"analytics": True, "sharing": False})).json()["set_cookie"])
    visitor = (await worker.api("POST", "/v1/choices/read", {"cookie": jar.header()})).json()["visitor"]
    erasures = Erasures(worker.rooms.settings.data_dir / "warehouse")

    asked = [
        (await worker.api("POST", _URL, body)).json()["id"]
        for body in ({"visitors": [visitor]}, {"cookie": jar.header()})
    ]

    by_id, by_cookie = (erasures.read(one) for one in asked)
    assert by_id is not None
    assert by_cookie is not None
    assert by_id.subjects == by_cookie.subjects
    assert len(by_id.subjects) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "nobody_to_erase"),
        ({"cookie": "a=b"}, "nobody_to_erase"),
        ({"users": [""]}, "bad_field"),
        ({"users": ["x" * 129]}, "bad_field"),
        ({"users": ["x"] * 101}, "bad_field"),
        ({"visitors": ["short"]}, "bad_visitor"),
        ({"account": "ada lovelace"}, "bad_account"),
        ({"who": "ada"}, "bad_field"),
    ],
)
async def test_a_wrong_request_erases_nothing(worker: Worker, body: Any, code: str) -> None:
    """400 with a code; no erasure is written down."""
    answer = await worker.api("POST", _URL, body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert Erasures(worker.rooms.settings.data_dir / "warehouse").ids() == []


@pytest.mark.parametrize("erasure", ["A" * 22, "..%2f..%2fcommits%2fx", "x"])
async def test_an_unknown_erasure_is_404(worker: Worker, erasure: str) -> None:
    """Also one whose name would lead elsewhere."""
    answer = await worker.api("GET", f"{_URL}/{erasure}")

    assert answer.status_code == 404

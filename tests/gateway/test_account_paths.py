"""Names of accounts, as websites have them: through every way that a name can take."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from harness.worker_app import AGENT, Jar, Worker, running_worker, settings_for
from latchstring_gateway.account_paths import path_of
from latchstring_gateway.ids import MAX_ACCOUNT_BYTES, Account, account_problem
from latchstring_gateway.moving.lines import BadLine, decode
from latchstring_gateway.store import keys
from latchstring_middleware.identity_headers import account_from_header, account_to_header

#: Case 43: each was refused with a regular expression as explanation.
NAMES = [
    "ada@example.com",
    "o'brien@example.com",
    "auth0|5f7c1e",
    "jörg@example.de",
    "a-very-long-name-of-somebody-at-work@a-very-long-name-of-a-department.example",
    "4711",
    "550e8400-e29b-41d4-a716-446655440000",
    "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
    "urn:x/y?z#a",
    "https://idp.example/users/7",
    "{1bz}:account:ada",
    "}{",
    "100%",
    "%2F",
    "a/devices",
    "<b>&quot;",
    "用户",
    "אבג",
    "\U0001f511",
    "c:\\users\\ada",
    "...",
    "x" * MAX_ACCOUNT_BYTES,
    "ö" * (MAX_ACCOUNT_BYTES // 2),
]
REFUSED = [
    "",
    " ",
    " ada",
    "ada ",
    "ada lovelace",
    "ada\n",
    "a\tb",
    "\x00",
    "\x7f",
    "\x85",
    "a\u00a0b",
    "a\u200bb",
    "a\u202eb",
    "\u2066a",
    "a\u200f",
    "\ufeffada",
    "a\u3000b",
    "\u3164",
    "a\u034f",
    "a\ufe0f",
    "\ue000",
    ".",
    "..",
    "x" * (MAX_ACCOUNT_BYTES + 1),
    "ö" * (MAX_ACCOUNT_BYTES // 2 + 1),
]


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker on the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


def _url(name: str, rest: str) -> str:
    return f"/v1/accounts/{quote(name, safe='')}{rest}"


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_the_website_has_was_refused(worker: Worker, name: str) -> None:
    """Sign-in, header, list, rename, removal, sign-out everywhere: each finds this account, byte for byte."""
    jar = Jar()
    begun = await worker.sign_in(name, jar=jar)
    seen = await worker.verify(jar)
    device = seen.headers["x-latch-device"]
    listed = await worker.api("GET", _url(name, "/devices"))
    renamed = await worker.api("PATCH", _url(name, f"/devices/{device}"), {"name": "Mine"})
    removed = await worker.api("DELETE", _url(name, f"/devices/{device}"))
    signed_out = await worker.api("POST", _url(name, "/revoke"))
    slots = {str(key)[:5] for key in await worker.store.redis.keys("*account:*") if name in str(key)}

    assert begun.status_code == 201, begun.text
    assert begun.json()["session"]["account"] == name
    assert account_from_header(seen.headers["x-latch-account"]) == name
    assert seen.headers["x-latch-account"].isascii()
    assert [row["id"] for row in listed.json()["devices"]] == [device]
    assert (renamed.status_code, removed.json()["status"], signed_out.json()["status"]) == (204, "complete", "complete")
    assert (await worker.verify(jar)).status_code == 401
    assert slots == {keys.prefix(keys.partition_of(Account(name)))[:5]}, "the hash tag is ours, whatever the name holds"


@pytest.mark.parametrize("name", REFUSED)
async def test_a_name_that_nobody_can_see_whole_is_refused(worker: Worker, name: str) -> None:
    """With one code, at the sign-in, in a URL and in an import."""
    answer = await worker.sign_in(name)
    line = {"account": name, "device": "d", "first_seen_ms": 1, "last_seen_ms": 2}

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_account")
    if name and name.strip("."):
        in_url = await worker.api("GET", _url(name, "/devices"))
        assert (in_url.status_code, in_url.json()["code"]) == (400, "bad_account")
    with pytest.raises(BadLine):
        decode("devices", json.dumps(line).encode())


async def test_half_a_surrogate_pair_and_bytes_that_are_no_utf_8_are_refused(worker: Worker) -> None:
    """Neither is text: 400, never 500."""
    body = b'{"account": "\\ud800", "authenticated_at_ms": 1}'
    headers = {"authorization": f"Bearer {worker.service_key}", "content-type": "application/json"}
    in_body = await worker.client.post("/v1/sessions", content=body, headers=headers)
    in_url = await worker.api("GET", "/v1/accounts/%ff%fe/devices")

    assert in_body.status_code == 400
    assert (in_url.status_code, in_url.json()["code"]) == (400, "bad_account")
    assert account_problem("\ud800")


async def test_names_that_look_alike_are_two_accounts(worker: Worker) -> None:
    """Nothing is normalised: "é" of one code point and of two, small and capital letters."""
    jars = {name: await worker.signed_in(name) for name in ("caf\u00e9", "cafe\u0301", "Caf\u00e9")}
    for name, jar in jars.items():
        seen = (await worker.verify(jar)).headers["x-latch-account"]
        assert account_from_header(seen) == name
        assert len((await worker.api("GET", _url(name, "/devices"))).json()["devices"]) == 1


async def test_one_idempotency_key_was_two_acts_of_names_with_a_colon(worker: Worker) -> None:
    """The act of "a" with the key "b:c" was that of "a:b" with the key "c", where both lie in one partition."""
    first, second = next(
        (f"a{n}", f"a{n}:b") for n in range(10_000)
        if keys.partition_of(Account(f"a{n}")) == keys.partition_of(Account(f"a{n}:b"))
    )  # fmt: skip
    for name in (first, second):
        await worker.signed_in(name)
    one = await worker.api("POST", _url(first, "/revoke"), idempotency_key="b:c")
    other = await worker.api("POST", _url(second, "/revoke"), idempotency_key="c")

    assert one.json()["id"] != other.json()["id"]


async def test_erasing_an_account_forgets_no_other_whose_name_begins_with_it(worker: Worker) -> None:
    """The browsers of "a:b" were taken for those of "a"."""
    first, second = next(
        (f"a{n}", f"a{n}:b") for n in range(10_000)
        if keys.partition_of(Account(f"a{n}")) == keys.partition_of(Account(f"a{n}:b"))
    )  # fmt: skip
    for name in (first, second):
        await worker.signed_in(name)
    await worker.api("POST", "/v1/erasures", {"account": first})
    browsers = [str(key) for key in await worker.store.redis.keys("*:browser:*")]

    assert len(browsers) == 1
    assert f":browser:{second}:" in browsers[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_from_a_header_and_a_path(name: str) -> None:
    """One spelling each, of ASCII, and another spelling is refused."""
    header = account_to_header(name)

    assert account_from_header(header) == name
    assert all(0x21 <= byte <= 0x7E for byte in header)
    assert path_of(name).count("/") == 3
    for wrong in ("%61da", "%", "%zz", "a b", "j%c3%b6rg"):
        with pytest.raises(ValueError):
            account_from_header(wrong)


async def test_an_event_names_the_account_as_it_is(worker: Worker) -> None:
    """In JSON, for hooks."""
    name = "jörg|{x}@example.de"
    await worker.sign_in(name, browser={"user_agent": AGENT, "address": "192.0.2.10"})
    outbox: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(Account(name))))

    assert {fields["account"] for _, fields in outbox} == {name}


async def test_a_client_that_escapes_more_or_less_reaches_the_same_account(worker: Worker) -> None:
    """RFC 3986: what may stand unescaped means the same escaped."""
    await worker.signed_in("ada@example.com")
    for spelled in ("ada@example.com", "ada%40example.com", "%61da%40example%2Ecom"):
        answer: httpx.Response = await worker.api("GET", f"/v1/accounts/{spelled}/devices")
        assert len(answer.json()["devices"]) == 1, spelled

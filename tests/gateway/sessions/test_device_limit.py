"""The limit of devices of an account: at sign-in, by API and on our page, and under simultaneous sign-ins."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.worker_app import SESSION, Jar, Worker, dump, now_ms, running_worker, set_cookies, settings_for
from latchstring_gateway.sessions import return_path
from latchstring_gateway.sessions.waiting import ROOM_URL
from latchstring_gateway.tokens.purposes import WaitingSignIn


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker whose accounts may have two devices."""
    async with running_worker(settings_for(store_url, tmp_path, devices_per_account=2)) as running:
        yield running


async def _devices(worker: Worker, account: str = "ada") -> list[str]:
    answer = await worker.api("GET", f"/v1/accounts/{account}/devices")
    return [row["id"] for row in answer.json()["devices"]]


async def _refused(worker: Worker, **more: Any) -> Any:
    answer = await worker.sign_in(**more)
    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


async def test_a_third_device_is_refused_with_the_list_to_choose_from(worker: Worker) -> None:
    """Nothing is written; those two sign in again as they like, and so does another account."""
    first, second = await worker.signed_in(), await worker.signed_in()
    before = await dump(worker.store)

    told = await _refused(worker)

    assert (told["code"], told["most_devices"], told["surplus"]) == ("too_many_devices", 2, 1)
    assert [row["id"] for row in told["devices"]] == await _devices(worker)
    assert told["continue_to"] == ROOM_URL
    assert await dump(worker.store) == before
    assert [(await worker.sign_in(jar=jar)).status_code for jar in (first, second)] == [201, 201]
    assert (await worker.sign_in("bob")).status_code == 201


async def test_a_website_gives_one_up_and_signs_in_in_one_call(worker: Worker) -> None:
    """The old device is out on the spot, with a receipt; asked for without need, nothing is given up."""
    first, second = await worker.signed_in(), await worker.signed_in()
    gone = (await _devices(worker))[1]
    jar = Jar()

    answer = await worker.sign_in(jar=jar, give_up=[gone])
    again = await worker.sign_in(jar=jar, give_up=[(await _devices(worker))[1]])

    assert (answer.status_code, again.status_code) == (201, 201)
    assert (answer.json()["gave_up"]["status"], again.json()["gave_up"]) == ("complete", None)
    assert gone not in await _devices(worker)
    statuses = [(await worker.verify(one)).status_code for one in (first, second, jar)]
    assert sorted(statuses[:2]) == [200, 401]
    assert statuses[2] == 200


async def test_bad_choices_change_nothing(worker: Worker) -> None:
    """Too few, somebody else's, unknown ones and nonsense are 400; a wrong sign-in gives nothing up either."""
    await worker.signed_in()
    await worker.signed_in()
    bobs = (await worker.sign_in("bob")).json()["device"]["id"]
    before, own = await dump(worker.store), await _devices(worker)

    for chosen in ([bobs], ["A" * 22], [own[0], bobs], [""], "x", [1], ["x" * 65]):
        answer = await worker.sign_in(give_up=chosen)
        assert answer.status_code == 400, chosen
    stale = await worker.sign_in(give_up=own[:1], authenticated_at_ms=now_ms() - 400_000)

    assert stale.json()["code"] == "authenticated_at_stale"
    assert await dump(worker.store) == before


async def test_simultaneous_sign_ins_never_exceed_the_limit(worker: Worker) -> None:
    """Twenty new browsers at once: two come in."""
    answers = await asyncio.gather(*(worker.sign_in() for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 18
    assert len(await _devices(worker)) == 2


async def test_a_limit_that_was_lowered_asks_for_as_many_as_are_too_many(store_url: str, tmp_path: Path) -> None:
    """Who has four and may have two gives three up for a new one; nobody is put out for having more."""
    async with running_worker(settings_for(store_url, tmp_path)) as without:
        jars = [await without.signed_in() for _ in range(4)]
    async with running_worker(settings_for(store_url, tmp_path, devices_per_account=2)) as worker:
        statuses = [(await worker.verify(jar)).status_code for jar in jars]
        told = await _refused(worker)
        ids = [row["id"] for row in told["devices"]]
        too_few = await worker.sign_in(give_up=ids[:2])
        enough = await worker.sign_in(give_up=ids[:3])

    assert statuses == [200] * 4
    assert told["surplus"] == 3
    assert (too_few.status_code, enough.status_code) == (400, 201)


class _Person:
    """A browser that the website has sent on to our page."""

    def __init__(self, worker: Worker, lines: list[str]) -> None:
        self._client = worker.client
        self.jar = Jar()
        self.jar.take(lines)

    async def ask(self) -> httpx.Response:
        return await self._client.get(ROOM_URL, headers={"cookie": self.jar.header()})

    async def choose(self, *devices: str) -> httpx.Response:
        answer = await self._client.post(
            ROOM_URL,
            content="&".join(f"give_up_{device}=on" for device in devices),
            headers={
                "cookie": self.jar.header(),
                "content-type": "application/x-www-form-urlencoded",
                "sec-fetch-site": "same-origin",
            },
        )
        self.jar.take(set_cookies(answer))
        return answer


async def test_a_person_chooses_on_our_page_and_is_signed_in(worker: Worker) -> None:
    """The list, the choice, the receipt in words, the cookies, and on to the page that was asked for."""
    await worker.signed_in()
    await worker.signed_in()
    told = await _refused(worker)
    person, gone = _Person(worker, told["set_cookie"]), told["devices"][1]["id"]

    asked = await person.ask()
    none = await person.choose()
    done = await person.choose(gone)

    assert re.findall(r'name="give_up_([^"]+)"', asked.text) == [row["id"] for row in told["devices"]]
    assert (none.status_code, "Nothing was signed out" in none.text) == (400, True)
    assert done.status_code == 200
    assert "signed out everywhere" in done.text
    assert "/latch/arrived?to=v1." in done.text
    assert (await worker.verify(person.jar)).status_code == 200
    assert "__Host-waiting" not in person.jar
    assert gone not in await _devices(worker)


async def test_making_room_over_another_accounts_session_ends_that_session(worker: Worker) -> None:
    """The browser was bob's until a moment ago: as with any other sign-in, his session in it is over."""
    await worker.signed_in()
    await worker.signed_in()
    told, bob = await _refused(worker), await worker.signed_in("bob")
    person = _Person(worker, told["set_cookie"])
    person.jar |= bob

    assert (await worker.verify(bob)).status_code == 200, "not before the choice"
    assert (await person.choose(told["devices"][1]["id"])).status_code == 200

    assert (await worker.verify(bob)).status_code == 401
    assert (await worker.verify(person.jar)).headers["x-latch-account"] == "ada"


async def test_room_that_was_made_meanwhile_needs_no_choice(worker: Worker) -> None:
    """Another device was signed out: one press signs in, and nothing is given up."""
    jar = await worker.signed_in()
    await worker.signed_in()
    person = _Person(worker, (await _refused(worker))["set_cookie"])
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{(await _devices(worker))[0]}")
    left = await _devices(worker)

    asked = await person.ask()
    done = await person.choose()

    assert "There is room again" in asked.text
    assert done.status_code == 200
    assert set(left) < set(await _devices(worker))
    assert jar


async def test_only_a_fresh_sign_in_of_ours_opens_the_page(worker: Worker) -> None:
    """Without the cookie, with another purpose's token, or after five minutes: sign in again; nothing is given up."""
    jar = await worker.signed_in()
    await worker.signed_in()
    own = await _devices(worker)
    before = await dump(worker.store)
    old = WaitingSignIn("ada", True, now_ms() - 301_000, "password", "/")
    tokens = [None, jar[SESSION], "v1.x", worker.rooms.codec.seal(old).decode()]

    for token in tokens:
        person = _Person(worker, [] if token is None else [f"__Host-waiting={token}; Path=/"])
        asked, answer = await person.ask(), await person.choose(own[0])
        assert "/sign-in" in answer.text
        assert own[0] not in asked.text, "not even the list is shown"
        assert answer.status_code in (400, 409)
        assert SESSION not in person.jar
        assert await dump(worker.store) == before, "nothing is given up for a sign-in that comes too late"


async def test_a_post_from_another_site_chooses_nothing(worker: Worker) -> None:
    """The cross-origin check stands before this page as before the others."""
    await worker.signed_in()
    await worker.signed_in()
    told = await _refused(worker)
    cookie = told["set_cookie"][0].partition(";")[0]

    answer = await worker.client.post(
        ROOM_URL,
        data={f"give_up_{told['devices'][0]['id']}": "on"},
        headers={"cookie": cookie, "sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    )

    assert answer.status_code == 403
    assert len(await _devices(worker)) == 2


@pytest.mark.parametrize(("length", "kept"), [(600, 600), (601, 1), (700, 1)])
async def test_a_long_way_back_does_not_stand_in_the_way(worker: Worker, length: int, kept: int) -> None:
    """What does not fit the cookie beside the longest account leads to the front page; it is never an error."""
    account, target = "a" * 64, "/" + "x" * (length - 1)
    sealed = return_path.seal(worker.rooms.codec, target, now_ms=now_ms())
    for _ in range(2):
        await worker.sign_in(account)

    told = await _refused(worker, account=account, method="m" * 32, **{"return": sealed})

    token = told["set_cookie"][0].partition("=")[2].partition(";")[0]
    waiting = worker.rooms.codec.open(token.encode(), WaitingSignIn)
    assert isinstance(waiting, WaitingSignIn)
    assert len(waiting.target) == kept

"""Asking the website: one question a cookie, few at once, and none while it fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from harness.old_website import COOKIE, OldWebsite
from harness.waiting import wait_until_async
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import WebsiteAway
from latchstring_gateway.moving.vouching import Bearer, Vouching


@pytest.fixture
def clock() -> ManualClock:
    """Moves when told."""
    return ManualClock()


@pytest.fixture
async def vouching(website: OldWebsite, clock: ManualClock) -> AsyncIterator[Vouching]:
    """Asks the website, for at most half a second."""
    made = Vouching(url=website.url, cookie_name=COOKIE, timeout_seconds=0.5, clock=clock)
    yield made
    await made.close()


def _bearer(cookie: str) -> Bearer:
    return Bearer(cookie.encode(), "", "")


async def _account(vouching: Vouching, cookie: str) -> str | None:
    vouched = await vouching.ask(_bearer(cookie))
    return None if vouched is None else vouched.account


async def test_simultaneous_questions_about_one_cookie_are_one(website: OldWebsite, vouching: Vouching) -> None:
    """Also when the first asker hangs up."""
    website.vouch("a")
    website.open.clear()
    askers = [asyncio.create_task(vouching.ask(_bearer("a"))) for _ in range(10)]
    await wait_until_async(lambda: website.asked, "the website to be asked")
    askers[0].cancel()
    website.open.set()
    answers = await asyncio.gather(*askers[1:])

    assert {answer.account for answer in answers if answer} == {"ada"}
    assert len(website.asked) == 1


async def test_few_questions_are_under_way_at_once(website: OldWebsite, clock: ManualClock) -> None:
    """A hundred visitors in the same moment do not fall on the website together, and their queue is not its fault."""
    vouching = Vouching(url=website.url, cookie_name=COOKIE, timeout_seconds=4, clock=clock)
    for number in range(100):
        website.vouch(f"c{number}", f"a{number}")

    accounts = await asyncio.gather(*(_account(vouching, f"c{number}") for number in range(100)))
    await vouching.close()

    assert accounts == [f"a{number}" for number in range(100)]
    assert website.most_under_way <= 16


async def test_nobody_is_remembered_for_a_minute(website: OldWebsite, vouching: Vouching, clock: ManualClock) -> None:
    """And asked about again afterwards; a somebody is asked about each time."""
    website.vouch("somebody")
    for _ in range(2):
        assert await _account(vouching, "nobody") is None
        assert await _account(vouching, "somebody") == "ada"
    asked_first = [headers["cookie"] for headers in website.asked]
    clock.advance(61)
    await _account(vouching, "nobody")

    assert asked_first == ["sessionid=nobody", "sessionid=somebody", "sessionid=somebody"]
    assert len(website.asked) == 4


async def test_a_website_that_fails_is_left_alone_for_a_while(
    website: OldWebsite, vouching: Vouching, clock: ManualClock
) -> None:
    """After five failures nobody waits for it; after five seconds one tries, and all is well again."""
    website.says["a"] = 500
    for _ in range(8):
        with pytest.raises(WebsiteAway):
            await vouching.ask(_bearer("a"))
    asked_while_failing = len(website.asked)
    website.vouch("a")
    clock.advance(5)

    assert asked_while_failing == 5
    assert await _account(vouching, "a") == "ada"
    assert await _account(vouching, "a") == "ada"


async def test_a_website_that_hangs_is_waited_for_as_long_as_stated(website: OldWebsite, vouching: Vouching) -> None:
    """Also by those who stand behind the sixteen that hang: the website that failed those in front is left alone."""
    website.open.clear()

    async with asyncio.timeout(3):
        outcomes = await asyncio.gather(
            *(vouching.ask(_bearer(f"c{number}")) for number in range(100)), return_exceptions=True
        )

    website.open.set()

    assert {type(outcome) for outcome in outcomes} == {WebsiteAway}
    # Sixteen at once, and one more for each failure before the fifth.
    assert len(website.asked) <= 20


async def test_a_website_that_is_not_there_is_trouble(clock: ManualClock) -> None:
    """Nothing listens."""
    vouching = Vouching(url="http://127.0.0.1:1/who", cookie_name=COOKIE, timeout_seconds=0.5, clock=clock)

    with pytest.raises(WebsiteAway):
        await vouching.ask(_bearer("a"))
    await vouching.close()


async def test_one_visitors_cookies_never_ride_on_anothers_question(website: OldWebsite, vouching: Vouching) -> None:
    """The website sets cookies on its answers; they go nowhere."""
    for cookie in ("a", "b", "a"):
        await vouching.ask(_bearer(cookie + cookie))

    assert [headers["cookie"] for headers in website.asked] == ["sessionid=aa", "sessionid=bb"]

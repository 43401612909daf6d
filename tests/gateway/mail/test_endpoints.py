"""`POST /v1/links`: links by the thousand, each good, for whom the website wants; nothing half-made."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.hits import CHROME, TRUSTED
from harness.mails import token_of
from harness.waiting import wait_until_async
from harness.worker_app import Worker, now_ms, running_worker, settings_for
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.ids import to_text
from latchstring_gateway.mail.life import LinkLife
from latchstring_gateway.mail.links import key_of
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.pseudonyms import Pseudonyms
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.tokens.purposes import MailLink, OpenPixel
from latchstring_gateway.tokens.rotation import retire, rotate

_DAY_MS = 86_400_000
_ASKED = {"campaign": "autumn", "message": "news-41", "targets": ["https://www.example.com/a?b=c"]}


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker of a website that has a shop elsewhere."""
    settings = settings_for(store_url, tmp_path, link_origins="https://shop.example.org")
    async with running_worker(settings) as running:
        yield running


def _link(worker: Worker, address: str) -> MailLink:
    opened = worker.rooms.codec.open(token_of(address), MailLink)
    assert isinstance(opened, MailLink)
    return opened


async def test_a_mail_that_names_nobody(worker: Worker) -> None:
    """201 with a link for each target and a pixel, good for 90 days."""
    before_ms = now_ms()

    answer = await worker.api(
        "POST", "/v1/links", {**_ASKED, "targets": [*_ASKED["targets"], "https://shop.example.org"]}
    )

    told = answer.json()
    assert answer.status_code == 201
    (mail,) = told["mails"]
    assert mail["recipient"] is None
    first, second = (_link(worker, address) for address in mail["links"])
    assert (first.target, second.target) == ("https://www.example.com/a?b=c", "https://shop.example.org")
    assert (first.campaign, first.message, first.recipient) == ("autumn", "news-41", b"")
    assert before_ms <= first.sent_at_ms == first.expires_at_ms - 90 * _DAY_MS
    assert told["expires_at_ms"] == first.expires_at_ms
    assert isinstance(worker.rooms.codec.open(token_of(mail["pixel"]), OpenPixel), OpenPixel)


async def test_a_mailing_to_many_names_each_by_a_keyed_hash(worker: Worker) -> None:
    """The answer keeps the order; the links hold no address, and the same person is the same in every mailing."""
    people = [f"person-{number}@example.com" for number in range(500)]

    answer = await worker.api("POST", "/v1/links", {**_ASKED, "recipients": people, "sent_at_ms": 5, "days": 400})

    mails = answer.json()["mails"]
    assert [mail["recipient"] for mail in mails] == people
    found = [_link(worker, mail["links"][0]) for mail in mails]
    assert len({link.recipient for link in found}) == 500
    named = Pseudonyms.at(worker.rooms.settings.data_dir).of("recipient", people[7].encode())
    assert to_text(found[7].recipient) == named
    assert {link.sent_at_ms for link in found} == {5}
    assert b"person" not in b"".join(token_of(mail["links"][0]) for mail in mails)


async def test_a_link_that_was_made_can_be_followed(worker: Worker) -> None:
    """The whole app: 302, and a picture."""
    (mail,) = (await worker.api("POST", "/v1/links", _ASKED)).json()["mails"]

    link, pixel = await worker.client.get(mail["links"][0]), await worker.client.get(mail["pixel"])

    assert (link.status_code, link.headers["location"]) == (302, "https://www.example.com/a?b=c")
    assert (pixel.status_code, pixel.headers["content-type"]) == (200, "image/gif")
    assert (await worker.client.get("/go/nothing")).status_code == 400


async def test_what_was_followed_is_in_the_warehouse_and_in_the_ledger(store_url: str, tmp_path: Path) -> None:
    """By its source: one click and one open, and who fetched them; what was refused is neither."""
    browser = {"user-agent": CHROME.decode(), "accept-language": "en"}
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        asked = {**_ASKED, "recipients": ["ada"], "sent_at_ms": now_ms() - 60_000}
        (mail,) = (await worker.api("POST", "/v1/links", asked)).json()["mails"]
        await worker.client.get(mail["links"][0], headers=browser)
        await worker.client.get(mail["links"][0][:-1], headers=browser)
        await worker.client.get(mail["pixel"], headers={"user-agent": "Mozilla/5.0"})
    with Shipper(tmp_path, SystemClock(), TRUSTED) as shipper:
        shipper.ship_once()

    with committed_events(tmp_path / "warehouse") as base:
        assert base is not None
        columns = "source, type, campaign, message, link, fetched_by, rule, machine"
        rows = base.execute(f"SELECT {columns} FROM events ORDER BY source").fetchall()
        recipients = base.execute("SELECT DISTINCT recipient FROM events").fetchall()
    assert rows == [
        ("link", "click", "autumn", "news-41", "https://www.example.com/a", "direct", None, None),
        ("open", "open", "autumn", "news-41", None, "privacy_proxy", "apple_mail_privacy", "privacy_proxy"),
    ]
    assert recipients == [(Pseudonyms.at(tmp_path).of("recipient", b"ada"),)]
    found = ledger(tmp_path)
    assert found.adds_up
    assert [(row.source, row.received, row.good) for row in found.rows] == [("link", 1, 1), ("open", 1, 1)]


async def test_the_store_knows_until_when_links_of_a_key_are_good(worker: Worker) -> None:
    """The latest end stays, whatever is made later."""
    life = LinkLife(worker.store)
    key_id = worker.rooms.codec.signing_key_id()
    assert await life.until_ms(key_id) is None

    late = (await worker.api("POST", "/v1/links", {**_ASKED, "days": 300})).json()["expires_at_ms"]
    await worker.api("POST", "/v1/links", {**_ASKED, "days": 1})

    assert await life.until_ms(key_id) == late
    assert await life.until_ms("nobody") is None


async def test_a_link_works_through_rotations_until_its_key_is_retired(worker: Worker) -> None:
    """Made before a rotation it is good after it; the new key signs new ones; retiring the old one ends it: 410."""
    old = (await worker.api("POST", "/v1/links", _ASKED)).json()["mails"][0]["links"][0]
    path, clock = worker.rooms.settings.keys_path, SystemClock()

    rotate(path, clock, ahead_seconds=0)
    await worker.rooms.key_watch.follow()
    await wait_until_async(lambda: worker.rooms.codec.signing_key_id() != key_of(old), "the new key to sign")
    new = (await worker.api("POST", "/v1/links", _ASKED)).json()["mails"][0]["links"][0]
    after_rotation = [(await worker.client.get(link)).status_code for link in (old, new)]
    retire(path, key_of(old), clock)
    await worker.rooms.key_watch.follow()
    after_retiring = [(await worker.client.get(link)).status_code for link in (old, new)]

    assert key_of(new) != key_of(old)
    assert (after_rotation, after_retiring) == ([302, 302], [410, 302])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"campaign": ""}, "bad_campaign"),
        ({"campaign": "<b>"}, "bad_campaign"),
        ({"message": " x"}, "bad_message"),
        ({"targets": ["javascript:alert(1)"]}, "bad_target"),
        ({"targets": ["https://www.example.com/ok", "https://evil.example/"]}, "target_not_allowed"),
        ({"targets": "https://www.example.com/"}, "bad_field"),
        ({"days": 0}, "bad_field"),
        ({"days": 401}, "bad_field"),
        ({"sent_at_ms": -1}, "bad_field"),
        ({"recipients": [""]}, "bad_field"),
        ({"recipients": ["x" * 321]}, "bad_field"),
        ({"recipients": [None]}, "bad_field"),
        ({"more": 1}, "bad_field"),
        ({"targets": ["https://www.example.com/"] * 20, "recipients": ["a"] * 300}, "too_many_links"),
    ],
)
async def test_what_cannot_be_made_is_refused_whole(worker: Worker, change: dict[str, Any], code: str) -> None:
    """400 with the code of what is wrong; nothing is repeated of it, and no key is noted."""
    answer = await worker.api("POST", "/v1/links", {**_ASKED, **change})

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "evil" not in answer.text
    assert await LinkLife(worker.store).until_ms(worker.rooms.codec.signing_key_id()) is None


async def test_only_the_website_s_backend_makes_links(worker: Worker) -> None:
    """401 for everybody else."""
    assert (await worker.client.post("/v1/links", json=_ASKED)).status_code == 401

"""What `/go/…` answers: on, a picture, or a page that says why not; and what it writes down of it."""

from collections.abc import Callable

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from harness.hits import CHROME, TRUSTED
from harness.mails import MAILING, ORIGIN, TARGET, WEEK_MS, links_of
from harness.pages import pages
from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.floods import Floods
from latchstring_gateway.beacons.hit import GIF
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.ids import to_text
from latchstring_gateway.mail.go import MailAddresses
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing


class Stand:
    """The route on a journal that shows what it was given, or keeps nothing."""

    def __init__(self, *, keeps: bool = True, per_second: float = 0) -> None:
        self.hits: list[payload.RawHit] = []
        self.clock = ManualClock()
        key = RingKey("tEst01", KeyState.ACTIVE, 0, 0, bytes(range(32)))
        self.links = links_of(Codec(KeyRing.from_json(dump([key]), self.clock)), self.clock)

        def append(data: bytes, done: Callable[[bool], object]) -> None:
            if keeps:
                self.hits.append(payload.decode(data))
            done(keeps)

        floods = Floods(TRUSTED, self.clock, per_second=per_second)
        app = Starlette(routes=MailAddresses(self.links, self.clock, append, floods, pages()).routes())
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 4_000))
        self.client = httpx.AsyncClient(
            transport=transport, base_url=ORIGIN, headers={"user-agent": CHROME.decode(), "cookie": "a=secret"}
        )


async def test_a_link_leads_to_its_target_and_is_written_down() -> None:
    """302, never cached; of the target only the path, of the token nothing."""
    stand = Stand()

    answer = await stand.client.get(stand.links.link(MAILING, TARGET) + "?fbclid=x")

    assert (answer.status_code, answer.headers["location"], answer.content) == (302, TARGET, b"")
    assert answer.headers["cache-control"] == "no-store"
    (hit,) = stand.hits
    assert (hit.source, hit.peer, hit.method, hit.target) == ("link", "192.0.2.7", b"GET", b"/go/")
    assert hit.headers == [(b"user-agent", CHROME)]
    said = payload.MailHit("autumn", "news-41", to_text(b"r" * 16), MAILING.sent_at_ms, f"{ORIGIN}/sale")
    assert msgspec.json.decode(hit.body, type=payload.MailHit) == said


async def test_a_pixel_is_a_picture_and_is_written_down() -> None:
    """200 with a GIF that nobody may keep."""
    stand = Stand()

    answer = await stand.client.get(stand.links.pixel(MAILING._replace(recipient=b"", message="")))

    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/gif", GIF)
    assert answer.headers["cache-control"] == "no-store"
    (hit,) = stand.hits
    assert hit.source == "open"
    assert msgspec.json.decode(hit.body) == {
        "campaign": "autumn",
        "message": "",
        "recipient": "",
        "sent_at_ms": MAILING.sent_at_ms,
        "link": "",
    }


async def test_head_is_answered_and_told_apart() -> None:
    """Scanners ask so; they are counted as what they are."""
    stand = Stand()

    assert (await stand.client.head(stand.links.link(MAILING, TARGET))).status_code == 302
    assert stand.hits[0].method == b"HEAD"


async def test_a_link_that_is_over_says_so_in_words() -> None:
    """410 and a page that leads back to the website; nothing is counted."""
    stand = Stand()
    link, pixel = stand.links.link(MAILING, TARGET), stand.links.pixel(MAILING)
    stand.clock.advance(WEEK_MS / 1_000)

    page, picture = await stand.client.get(link), await stand.client.get(pixel)

    assert (page.status_code, picture.status_code, picture.content) == (410, 410, GIF)
    assert "This link has had its time" in page.text
    assert "Back to <bdi>Lantern</bdi>" in page.text
    assert "link_expired" in page.text
    assert TARGET not in page.text
    assert stand.hits == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 400),
        ("x", 400),
        (".gif", 400),
        ("v1.tEst01.x.y", 400),
        ("https://evil.example/", 400),
        ("//evil.example", 400),
        ("%0d%0aset-cookie:a=b", 404),
    ],
)
async def test_what_is_no_link_of_ours_leads_nowhere(path: str, status: int) -> None:
    """A page in words or a picture, and never a Location."""
    stand = Stand()

    answer = await stand.client.get(f"/go/{path}")

    assert answer.status_code == status
    assert "location" not in answer.headers
    assert stand.hits == []


async def test_a_link_that_was_cut_says_so_in_words() -> None:
    """Mail programs break long lines."""
    stand = Stand()

    answer = await stand.client.get(stand.links.link(MAILING, TARGET)[:-10])

    assert answer.status_code == 400
    assert "perhaps it was cut when it was copied" in answer.text


async def test_a_click_that_cannot_be_kept_is_not_lost_on_the_person() -> None:
    """503, since it does not count; the way on is a link on the page. The pixel is a picture all the same."""
    stand = Stand(keeps=False)

    page = await stand.client.get(stand.links.link(MAILING, f"{ORIGIN}/sale?a=1&b=2"))
    picture = await stand.client.get(stand.links.pixel(MAILING))

    assert (page.status_code, picture.status_code, picture.content) == (503, 503, GIF)
    assert "retry-after" in page.headers
    assert f'href="{ORIGIN}/sale?a=1&amp;b=2"' in page.text


async def test_other_methods_are_not_taken() -> None:
    """A link is followed, nothing is posted to it."""
    stand = Stand()

    assert (await stand.client.post(stand.links.link(MAILING, TARGET))).status_code == 405
    assert stand.hits == []


async def test_a_flood_of_clicks_is_not_kept_and_leads_on_by_hand() -> None:
    """429 with the way on; what was refused is counted by its source."""
    stand = Stand(per_second=1)
    link, pixel = stand.links.link(MAILING, TARGET), stand.links.pixel(MAILING)
    followed = [await stand.client.get(link) for _ in range(12)]

    picture = await stand.client.get(pixel)

    assert [answer.status_code for answer in followed] == [302] * 11 + [429]
    assert "too_many_hits" in followed[-1].text
    assert followed[-1].headers["retry-after"] == "1"
    assert (picture.status_code, picture.content) == (429, GIF)
    assert len(stand.hits) == 11

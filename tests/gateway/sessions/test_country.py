"""The country of a request's client: of the address that trusted proxies vouch for, and quick for whom is known."""

from pathlib import Path

import pytest

from harness.people import place_file
from harness.worker_app import running_worker, settings_for
from latchstring_gateway.devices.place import Places
from latchstring_gateway.sessions.country import ClientCountry
from latchstring_gateway.wire import Head, UnreadHead
from latchstring_middleware.forwarded import TrustedProxies

_PLACES = {
    "203.0.113.0/24": {"country": {"iso_code": "SE"}},
    "2001:db8:1::/48": {"country": {"iso_code": "NO"}},
    "198.51.100.0/24": {"country": {"iso_code": "X\r\nX-Latch-Account: ada"}},
    "192.0.2.0/24": {"country": {"iso_code": "se"}},
}


def _head(*forwarded: str, peer: str = "127.0.0.1") -> Head:
    return Head(b"GET", b"/verify", [(b"x-forwarded-for", one.encode()) for one in forwarded], peer)


@pytest.fixture
def country(tmp_path: Path) -> ClientCountry:
    """By a file of a few networks, behind a proxy on this host."""
    return ClientCountry(TrustedProxies.parse("127.0.0.1,10.0.0.0/8"), Places(place_file(tmp_path / "c.mmdb", _PLACES)))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (_head("203.0.113.7"), b"SE"),
        (_head("2001:db8:1::7"), b"NO"),
        (_head("[2001:db8:1::7]:443"), b"NO"),
        (_head("2001:db8:1::7, 203.0.113.7, 10.0.0.1"), b"SE"),
        (_head("2001:db8:1::7", "203.0.113.7"), b"SE"),
        (_head("2001:db8:1::7", peer="203.0.113.7"), b"SE"),
        (_head(peer="203.0.113.7"), b"SE"),
        (_head(), b""),
        (_head("unknown"), b""),
        (_head("9.9.9.9"), b""),
        (_head("198.51.100.7"), b""),
        (_head("192.0.2.7"), b""),
        (_head("203.0.113.7," * 10_000), b""),
        (_head(peer="unix:"), b""),
    ],
)
def test_the_country_is_of_the_address_that_can_be_believed(country: ClientCountry, head: Head, told: bytes) -> None:
    """Never of what a client says of itself; and only ever a code, whatever a file holds."""
    assert [country.of(head), country.of(head)] == [told, told]


def test_both_kinds_of_head_tell_the_same(country: ClientCountry) -> None:
    """Whether the parser handed the lines over or not."""
    data = b"GET /verify HTTP/1.1\r\nhost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"

    assert country.of(UnreadHead(b"/verify", data, "127.0.0.1")) == b"SE"


def test_what_is_remembered_is_bounded_and_forgotten_with_the_data(tmp_path: Path) -> None:
    """Clients by the hundred thousand, and lines as long as hostile ones are, do not fill the memory."""
    path = place_file(tmp_path / "c.mmdb", _PLACES)
    places = Places(path)
    country = ClientCountry(TrustedProxies.parse("127.0.0.1"), places)
    for number in range(70_000):
        country.of(_head(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    country.of(_head("203.0.113.7"))
    known = len(country._known)
    country.of(_head("203.0.113.7" + " " * 500))

    place_file(tmp_path / "new", {"203.0.113.0/24": {"country": {"iso_code": "DK"}}}).replace(path)
    places.follow()
    country.forget()

    assert known <= 32_768
    assert country.of(_head("203.0.113.7")) == b"DK"


async def test_verify_tells_the_country_of_members_and_strangers(store_url: str, tmp_path: Path) -> None:
    """On the fast way, the long way, with a renewed cookie, and to nobody who was refused."""
    settings = settings_for(store_url, tmp_path, tell_country=True)
    async with running_worker(settings) as worker:
        asked = {"x_forwarded_for": "193.0.6.139"}
        refused = await worker.verify(None, **asked)
        jar = await worker.signed_in()
        answers = [
            await worker.verify(None, "/optional", **asked),
            await worker.verify(jar, **asked),
            await worker.verify(worker.run_out(jar), **asked),
        ]
        nowhere = await worker.verify(jar, x_forwarded_for="10.1.2.3")

    assert [(answer.status_code, answer.headers["x-latch-country"]) for answer in answers] == [(200, "NL")] * 3
    assert [answer.headers["x-latch-account"] for answer in answers] == ["", "ada", "ada"]
    assert "set-cookie" in answers[2].headers
    assert (refused.status_code, refused.headers.get("x-latch-country")) == (401, None)
    assert nowhere.headers["x-latch-country"] == ""


async def test_the_country_is_blank_unless_it_is_wanted(store_url: str, tmp_path: Path) -> None:
    """Named all the same, so that a proxy overwrites what a client sent."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        jar = await worker.signed_in()
        answers = [await worker.verify(who, "/optional", x_forwarded_for="193.0.6.139") for who in (jar, None)]

    assert [answer.headers["x-latch-country"] for answer in answers] == ["", ""]
